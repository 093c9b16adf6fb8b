"""Names in a cloud of points, moved apart by adjustText; one that finds no room is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .._errors import listing
from . import _style as style

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_ITERATIONS: Final = 150
"""Steps of adjustText: a number and not a time, so that the figure is the same on a slow machine."""
_ROUNDS: Final = 2
"""How often names that found no room start again, around those that did."""
_LONGEST: Final = 0.6, 80.0
"""Longest name, as a share of the width of the axes, and in points."""
_MARK: Final = 2.5
"""Half the width of a point, points."""
_LEADER: Final = 5.0
"""Distance of a name from the middle of its point from which on a line joins them, points."""


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
    room = min(_LONGEST[0] * box.width * scale, _LONGEST[1])
    waiting = {
        i: _text(ax, places[i], style.shorten(name, room, style.SMALL), name in bold) for i, name in enumerate(names)
    }
    kept: dict[int, Text] = {}
    taken: list[Bbox] = []
    to_data, half = ax.transData.inverted(), _MARK / scale
    marks = [Bbox([at - half, at + half]) for at in ax.transData.transform(avoid)]
    for _ in range(_ROUNDS if waiting else 0):
        for i, text in waiting.items():
            text.set_position(places[i])
        x, y = places[list(waiting)].T
        adjust_text(
            list(waiting.values()),
            target_x=x,
            target_y=y,
            objects=[Bbox(to_data.transform(mark)) for mark in (*marks, *taken)],
            ax=ax,
            iter_lim=_ITERATIONS,
            expand=(1.1, 1.25),
            force_text=(0.3, 0.5),
        )
        for i, text in list(waiting.items()):
            extent = Text.get_window_extent(text)
            inside = box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1
            if inside and not any(extent.overlaps(other) for other in taken):
                kept[i] = waiting.pop(i)
                taken.append(extent)
        if not waiting:
            break
    for text in waiting.values():
        text.remove()
    leaders = []
    for i, extent in zip(kept, taken, strict=True):
        point = ax.transData.transform(places[i])
        near = np.clip(point, extent.min, extent.max)
        if (distance := np.hypot(*(near - point))) * scale > _LEADER:
            leaders.append(to_data.transform([point + (near - point) * half / distance, near]))
    ax.add_collection(
        LineCollection(leaders, linewidths=style.FRAME, colors=style.INK, zorder=4, gid="leaders"), autolim=False
    )
    return [names[i] for i in kept]


def left_out(names: Sequence[str], written: Collection[str]) -> str:
    """Say which names found no room, for the end of a caption."""
    missing = [name for name in names if name not in written]
    return f" No room for the names of {listing(missing)}." if missing else ""


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
