"""Names beside their places, none on top of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from . import _style as style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_RING: Final = 2.5
"""Radius of the ring around a named place, points."""
_LINE_HEIGHT: Final = 1.25


def name_places(ax: Axes, places: NDArray[np.float64], names: Sequence[str]) -> None:
    """Put a ring around places and their names beside them, where no other name and no ring is.

    Parameters
    ----------
    ax
        Axes with everything else on them: their size in print decides what overlaps.
    places
        Names x 2, in data coordinates.
    names
        What to write.
    """
    if not len(names):
        return
    limits = ax.get_xlim(), ax.get_ylim()
    ax.scatter(
        places[:, 0],
        places[:, 1],
        s=(2 * _RING) ** 2,
        facecolor="none",
        edgecolor=style.INK,
        linewidth=style.LINE,
        zorder=3,
    )
    ax.set(xlim=limits[0], ylim=limits[1])
    figure = ax.figure.figure
    style.lay_out(ax)
    points = ax.transData.transform(places) * 72 / figure.dpi
    box = ax.get_window_extent()
    right = box.x1 * 72 / figure.dpi
    taken = [(x - _RING, y - _RING, x + _RING, y + _RING) for x, y in points]
    for (x, y), place, name in zip(points, places, names, strict=True):
        width, height = style.text_width(name, style.SMALL) * 1.05, style.SMALL * _LINE_HEIGHT
        others = [rectangle for rectangle in taken if rectangle[:2] != (x - _RING, y - _RING)]
        best = min(_offsets(width, height), key=lambda at: _cost(at, (x, y), (width, height), others, right))
        dx, dy = best
        taken.append((x + dx, y + dy, x + dx + width, y + dy + height))
        ax.annotate(
            name,
            (float(place[0]), float(place[1])),
            xytext=(dx, dy + 0.2 * style.SMALL),
            textcoords="offset points",
            fontstyle="italic",
            **style.WORDS,
            zorder=5,
            bbox={"boxstyle": "round,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            arrowprops={
                "arrowstyle": "-",
                "linewidth": style.FRAME,
                "color": style.INK,
                "shrinkA": 0,
                "shrinkB": _RING,
            },
        )


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yield where the lower left corner of a name may be, from its place, points: near ones first."""
    for distance in (1.0, 4.0, 9.0, 16.0, 24.0):
        gap = _RING + distance
        for dx, dy in ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)):
            left = {1: gap, -1: -gap - width, 0: -width / 2}[dx]
            low = (
                {1: gap / 2, -1: -gap / 2 - height, 0: -height / 2}[dy] if dx else dy * gap - (height if dy < 0 else 0)
            )
            yield left, low


def _cost(
    at: tuple[float, float],
    place: tuple[float, float],
    size: tuple[float, float],
    others: Sequence[tuple[float, float, float, float]],
    right: float,
) -> tuple[float, float]:
    """Return the area that a name would cover of others or beyond the axes, then its distance."""
    left, low = place[0] + at[0], place[1] + at[1]
    x1, y1 = left + size[0], low + size[1]
    covered = sum(max(0.0, min(x1, c) - max(left, a)) * max(0.0, min(y1, d) - max(low, b)) for a, b, c, d in others)
    beyond = max(0.0, x1 - right) * size[1]
    middle = at[0] + size[0] / 2, at[1] + size[1] / 2
    return covered + beyond, float(np.hypot(*middle)) if covered + beyond else 0.0
