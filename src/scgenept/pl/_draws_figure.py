"""What every figure has in common: the words for what it takes, and the look it is drawn in."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import matplotlib as mpl

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
    Axes to draw on, of a figure with ``layout="constrained"``; a dark figure is made white. A new figure otherwise.
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
_LOOK: Final = {
    name: value
    for name, value in mpl.rcParamsDefault.items()
    if name.split(".")[0]
    in {"axes", "boxplot", "errorbar", "grid", "hatch", "image", "legend", "lines", "markers", "patch", "path",
        "scatter", "text", "xaxis", "xtick", "yaxis", "ytick"}
    or name.startswith(("figure.constrained_layout.", "figure.edgecolor", "figure.frameon"))
    or name in {"font.size", "font.stretch", "font.style", "font.variant", "font.weight"}
}  # fmt: skip
"""Settings that a style of the user may have changed, as matplotlib comes with them. The font stays the user's."""


def draws_figure(size: str) -> Callable[[Function], Function]:
    """Write what every figure takes into a docstring, and draw as if the user had chosen no style.

    The docstring says ``{prediction}``, ``{ax}`` and ``{figure}`` where the words go. Settings are the user's again
    afterwards.

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

        @wraps(function)
        def draw(*args: Any, **kwargs: Any) -> object:
            # not rc_context, which takes back what a backend sets when the first figure makes it start: notebooks
            # showed no figure but that one
            of_user = {name: mpl.rcParams[name] for name in _LOOK}
            mpl.rcParams.update(_LOOK)
            try:
                return function(*args, **kwargs)
            finally:
                mpl.rcParams.update(of_user)

        return cast("Function", draw)

    return fill
