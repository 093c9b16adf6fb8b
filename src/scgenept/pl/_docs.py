"""What every figure takes, described once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., object]")

_PREDICTION: Final = """\
adata
    Cells with a prediction of :func:`scgenept.tl.predict_perturbation`; rows that are NaN were not predicted.
perturbation
    What was predicted, for example ``"CEBPB+FOSB"`` or ``["FOSB", "CEBPB"]``.
key
    Which prediction, where several of the same perturbation are stored.
"""
_AX: Final = """\
ax
    Axes to draw on, of a figure with ``layout="constrained"``; a new figure otherwise.
"""
_FIGURE: Final = """\
figsize
    Width and height of a new figure, inches; a height of ``None`` follows. {size} otherwise.
show
    ``True`` calls ``matplotlib.pyplot.show``; ``False`` keeps the figure out of pyplot. Otherwise it waits there,
    as any figure of pyplot, unless ``save`` is given.
save
    File to write the figure to, cropped, 300 dots per inch; its folder is made where it is missing.
"""


def describe_figure(size: str) -> Callable[[Function], Function]:
    """Write what every figure takes where its docstring says ``{prediction}``, ``{ax}`` and ``{figure}``.

    Parameters
    ----------
    size
        Size of a new figure unless told.
    """
    texts = {"{prediction}": _PREDICTION, "{ax}": _AX + _FIGURE, "{figure}": _FIGURE}

    def fill(function: Function) -> Function:
        # python -OO has no docstrings
        lines = (function.__doc__ or "").split("\n")
        filled = [
            f"{line[: len(line) - len(line.lstrip())]}{new}" if new else ""
            for line in lines
            for new in texts.get(line.strip(), line.strip()).replace("{size}", size).rstrip("\n").split("\n")
        ]
        function.__doc__ = "\n".join(filled) or None
        return function

    return fill
