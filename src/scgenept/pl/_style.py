"""Colours, sizes and text fitting that every figure shares. No rcParams are read for them and none are changed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): told apart by people with any common colour vision deficiency
BLUE: Final = "#0072B2"
SKY: Final = "#BFE0F4"
VERMILION: Final = "#D55E00"
INK: Final = "#222222"
FAINT: Final = "#9A9A9A"
BAND: Final = "#ECECEC"

LINE: Final = 0.7
"""Width of data lines, points."""
FRAME: Final = 0.5
"""Width of axes and ticks, points."""

TEXT: Final = 7.0
"""Largest text, points: what journals print at one column."""
SMALL: Final = 6.0
"""Captions and legends, points."""

MM: Final = 1 / 25.4
"""Inches per millimetre."""
TWO_COLUMNS: Final = 175 * MM


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, weight: str = "normal") -> float:
    """Return the width of one line of text in points, independent of any backend."""
    if not text.strip():
        return 0.0
    # "$" would start mathematics
    path = TextPath((0, 0), text.replace("$", r"\$"), size=size, prop=FontProperties(weight=weight))
    # control points bound the outline from outside, and far faster than its exact extents
    return float(np.ptp(path.vertices[:, 0]))


_HINTING: Final = 0.96
"""Share of the width that text may fill by its outlines: rendered letters sit on whole pixels and come out wider."""


def wrap(text: str, width: float, size: float) -> str:
    """Break text into lines of at most ``width`` points; a single word that is longer has a line of its own."""
    width *= _HINTING
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def width_in_points(ax: Axes) -> float:
    """Return the width of the axes in points after its figure has laid itself out."""
    figure = ax.figure.figure
    figure.draw_without_rendering()
    return float(ax.get_window_extent().width * 72 / figure.dpi)


def tidy(ax: Axes) -> None:
    """Leave the two spines that carry a scale, thin and dark."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(linewidth=FRAME, color=INK)
    ax.tick_params(width=FRAME, length=2, pad=2, color=INK, labelcolor=INK, labelsize=SMALL)
    ax.set_axisbelow(True)
    ax.grid(visible=False)
    ax.set_facecolor("white")


def stacked_axes(n_rows: int, *, height: float = 75 * MM) -> tuple[Figure, list[Axes]]:
    """Return a figure two columns wide with axes under each other, known to no window and no pyplot.

    Parameters
    ----------
    n_rows
        Number of axes.
    height
        Of each, inches.
    """
    figure = Figure(figsize=(TWO_COLUMNS, n_rows * height), layout="constrained", facecolor="white")
    return figure, list(figure.subplots(n_rows, 1, squeeze=False).ravel())


def shorten(text: str, width: float, size: float, *, weight: str = "normal") -> str:
    """Take letters out of the middle until one line is at most ``width`` points: both ends of a name tell most."""
    width *= _HINTING
    kept = len(text)
    short = text
    while kept > 2 and text_width(short, size, weight=weight) > width:
        kept -= 1
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return short


def break_name(name: str, width: float, size: float) -> str:
    """Break a name with underscores into lines of at most ``width`` points, after an underscore."""
    parts = [f"{part}_" for part in name.split("_")]
    parts[-1] = parts[-1][:-1]
    lines: list[str] = []
    for part in parts:
        if lines and text_width(lines[-1] + part, size) <= width * _HINTING:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(shorten(line, width, size) for line in lines)
