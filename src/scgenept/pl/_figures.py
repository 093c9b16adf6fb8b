"""One rule for every figure: how large it is, who knows of it, where it is written, and when it is shown."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from .._arguments import require_path
from .._errors import DataError
from .._io import atomic_file, require_writable
from . import _style as style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

Figsize: TypeAlias = tuple[float, float | None]
"""Width and height in inches; a height of ``None`` follows from what is drawn."""


@contextmanager
def on_axes(
    ax: Axes | None,
    figsize: Figsize | None,
    default: tuple[float, float],
    *,
    show: bool | None,
    save: str | Path | None,
) -> Iterator[Axes]:
    """Give the user's axes, or those of a new figure; what was drawn is then written and shown.

    Parameters
    ----------
    ax, figsize, show, save
        As the figure's function was told.
    default
        Width and height of a new figure, inches.

    Raises
    ------
    TypeError
        There are axes and a size.
    DataError, WriteError
        ``save`` names no file of a kind that matplotlib writes, or one that cannot be written.
    """
    path = _file(save)
    if ax is None:
        width, height = (default[0], None) if figsize is None else figsize
        size = (width, default[1] if height is None else height)
        with new_figure(size, layout="constrained", show=show, save=path) as figure:
            yield figure.add_subplot()
        return
    if figsize is not None:
        msg = "With ax= no figure is made, so this has no place to go: figsize. Set it where the figure is made."
        raise TypeError(msg)
    if max(to_rgb(ax.figure.figure.get_facecolor())) < 0.5:  # names and captions beside the axes are dark
        ax.figure.figure.set_facecolor("white")
    yield ax
    _hand_over(ax.figure.figure, show=show, path=path)


@contextmanager
def new_figure(
    size: tuple[float, float], *, layout: str, show: bool | None, save: str | Path | None
) -> Iterator[Figure]:
    """Give a new white figure; what was drawn is then written and shown, and what failed is closed.

    It is made through pyplot, so that ``plt.show()`` and ``plt.savefig()`` find it. With ``show=False``, and with
    ``save=`` unless it is also to be shown, it is not: a loop that saves many figures leaves none of them open.

    Parameters
    ----------
    size
        Width and height, inches.
    layout
        Layout engine of matplotlib, ``"none"`` where everything has its place already.
    show, save
        As the figure's function was told.
    """
    path = _file(save)
    options: dict[str, Any] = {"figsize": size, "layout": layout, "facecolor": "white"}
    if show or (show is None and save is None):
        figure = plt.figure(**options)
    else:
        figure = Figure(**options)
        FigureCanvasAgg(figure)
    try:
        yield figure
        _write(figure, path)
    except BaseException:
        plt.close(figure)
        raise
    if show:
        plt.show()


def stacked_axes(n_rows: int, *, height: float = 75 * style.MM) -> tuple[Figure, list[Axes]]:
    """Return a figure two columns wide with axes under each other, known to no window and no pyplot.

    Parameters
    ----------
    n_rows
        Number of axes.
    height
        Of each, inches.
    """
    figure = Figure(figsize=(style.TWO_COLUMNS, n_rows * height), layout="constrained", facecolor="white")
    return figure, list(figure.subplots(n_rows, 1, squeeze=False).ravel())


def _file(save: str | Path | None) -> Path | None:
    """Return the file to write to, refused before anything is drawn where that cannot be."""
    if save is None:
        return None
    require_path("save", save, what="the file to write the figure to, such as 'figure.pdf'")
    path = Path(save)
    if not path.name or path.name.startswith("."):
        msg = f"save={str(save)!r} names no file. Give it a name: save='figure.pdf'."
        raise DataError(msg)
    # matplotlib would add the ending to the temporary name
    path = path if path.suffix else path.with_name(f"{path.name}.{mpl.rcParams['savefig.format']}")
    known = FigureCanvasAgg.get_supported_filetypes()
    if (kind := path.suffix[1:].lower()) not in known:
        msg = f"save={str(save)!r} ends in .{kind}, which matplotlib does not write: {', '.join(sorted(known))}."
        raise DataError(msg)
    return require_writable(path)


def _hand_over(figure: Figure, *, show: bool | None, path: Path | None) -> None:
    _write(figure, path)
    if show:
        plt.show()


def _write(figure: Figure, path: Path | None) -> None:
    """Write the figure, whole or not at all."""
    if path is None:
        return
    with atomic_file(path) as work:
        figure.savefig(work, dpi=300, bbox_inches="tight")
