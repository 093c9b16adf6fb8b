"""Names in a cloud of points, moved apart by adjustText; one that finds no room is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from . import _style as style

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray

_ITERATIONS: Final = 300
"""Steps of adjustText: a number and not a time, so that the figure is the same on a slow machine."""
_LEADER: Final = 3.0
"""Gap between a name and its point from which on a line joins them, points."""


def label_points(
    ax: Axes,
    places: NDArray[np.float64],
    names: Sequence[str],
    *,
    avoid: NDArray[np.float64],
    bold: Collection[str] = (),
) -> list[str]:
    """Write names beside their points, none on top of another and none beyond the axes.

    Parameters
    ----------
    ax
        Axes with everything else on them and their figure laid out: what overlaps depends on their size.
    places
        Names x 2, data coordinates.
    names
        What to write, the most important first: where two cannot both be read the later one is left out.
    avoid
        Points x 2 that names should not cover.
    bold
        Names to set in bold.

    Returns
    -------
    The names written.
    """
    from adjustText import adjust_text

    box = ax.get_window_extent()
    scale = 72 / ax.figure.figure.dpi
    order = [i for i, name in enumerate(names) if style.text_width(name, style.SMALL) * 1.15 < box.width * scale]
    texts = [_text(ax, places[i], names[i], names[i] in bold) for i in order]
    if not texts:
        return []
    adjust_text(
        texts,
        x=avoid[:, 0],
        y=avoid[:, 1],
        target_x=places[order, 0],
        target_y=places[order, 1],
        ax=ax,
        iter_lim=_ITERATIONS,
        expand=(1.1, 1.25),
        force_text=(0.3, 0.5),
    )
    kept: list[Text] = []
    taken: list[Bbox] = []
    leaders = []
    to_data = ax.transData.inverted()
    for text, i in zip(texts, order, strict=True):
        extent = Text.get_window_extent(text)
        beyond = extent.x0 < box.x0 or extent.x1 > box.x1 or extent.y0 < box.y0 or extent.y1 > box.y1
        if beyond or any(extent.overlaps(other) for other in taken):
            text.remove()
            continue
        kept.append(text)
        taken.append(extent)
        point = ax.transData.transform(places[i])
        near = np.clip(point, [extent.x0, extent.y0], [extent.x1, extent.y1])
        if np.hypot(*(point - near)) * scale > _LEADER:
            leaders.append([places[i], to_data.transform(near)])
    ax.add_collection(
        LineCollection(leaders, linewidths=style.FRAME, colors=style.INK, zorder=4, gid="leaders"), autolim=False
    )
    return [text.get_text() for text in kept]


def _text(ax: Axes, place: NDArray[np.float64], name: str, bold: bool) -> Text:  # noqa: FBT001
    text = ax.text(
        float(place[0]),
        float(place[1]),
        name,
        fontsize=style.SMALL,
        fontstyle="italic",
        fontweight="bold" if bold else "normal",
        color=style.INK,
        zorder=2.5,
        parse_math=False,
        bbox={"boxstyle": "round,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        gid="name",
    )
    # on its way it may stand beyond the axes, which should not make room for it
    text.set_in_layout(False)
    return text
