"""Colours, sizes and text fitting that every figure shares. Of the user's rcParams the family of the font counts."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from matplotlib import cbook
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from matplotlib.transforms import Bbox, ScaledTranslation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Okabe and Ito (2008): told apart by people with any common colour vision deficiency
BLUE: Final = "#0072B2"
SKY: Final = "#BFE0F4"
VERMILION: Final = "#D55E00"
INK: Final = "#222222"
FAINT: Final = "#9A9A9A"
BAND: Final = "#ECECEC"

# What a colour means is the same in every figure.
PREDICTED: Final = VERMILION
"""A model, and what it predicts."""
OBSERVED: Final = BLUE
BASELINE: Final = "#7A5195"
"""The guess that a model has to beat."""
CONTROL: Final = "#8A8A8A"
PARTS: Final = {"train": "#BDBDBD", "val": "#E69F00", "test": "#009E73"}
"""Parts of a split."""
CATEGORIES: Final = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D1F", "#0072B2", "#D55E00")
"""Kinds without a meaning of their own: those of Okabe and Ito without black and yellow, and two that keep their
distance from these. The colours of observation and prediction come last.
"""
MARKS: Final = "osD^vPX*"
"""A second sign beside colour, for print without it."""

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
ONE_COLUMN: Final = 85 * MM
TWO_COLUMNS: Final = 175 * MM
"""Widths of the columns of a journal, inches."""

WORDS: Final[dict[str, Any]] = {"fontsize": SMALL, "color": INK}
"""Look of every text that is no title."""
LEGEND: Final[dict[str, Any]] = {
    "frameon": False, "fontsize": SMALL, "labelcolor": INK, "borderpad": 0, "borderaxespad": 0, "handlelength": 1.4,
    "handletextpad": 0.4, "columnspacing": 0.8, "labelspacing": 0.3,
}  # fmt: skip
"""Look of every legend."""
CAPTION: Final = "caption"
"""Mark by which the caption of a figure is found: ``text.get_gid()``."""
LINE_SPACING: Final = 1.15
"""Of captions."""
DASHED: Final = (0, (3, 2))
"""The line of what a value is held against."""


def text_width(text: str, size: float, *, weight: str = "normal") -> float:
    """Return the width of one line of text in points, in the user's font, independent of any backend."""
    return _width(text, size, findfont(FontProperties(style="normal", weight=weight)))


@lru_cache(maxsize=4096)
def _width(text: str, size: float, font: str) -> float:
    if not text.strip():
        return 0.0
    # "$" would start mathematics
    path = TextPath((0, 0), text.replace("$", r"\$"), size=size, prop=FontProperties(fname=font))
    # control points bound the outline from outside, and far faster than its exact extents
    return float(np.ptp(path.vertices[:, 0]))


HINTING: Final = 0.93
"""Share of the width that text may fill by its outlines: rendered letters sit on whole pixels and come out wider, by up
to 7 % at 80 dots per inch.
"""


def wrap(text: str, width: float, size: float) -> str:
    """Break text into lines of at most ``width`` points, between words, and within words longer than a line."""
    width *= HINTING
    # of words alone, which repeat, since a long text takes long to measure anew for every word
    space = text_width("o o", size) - 2 * text_width("o", size)
    lines: list[list[str]] = []
    filled = np.inf
    for word in (piece for whole in text.split() for piece in _pieces(whole, width, size)):
        own = text_width(word, size)
        if filled + space + own > width:
            lines.append([])
            filled = -space
        lines[-1].append(word)
        filled += space + own
    return "\n".join(" ".join(line) for line in lines)


def _pieces(word: str, width: float, size: float) -> list[str]:
    """Cut a word that is wider than a line into pieces that are not, such as the path of a model."""
    pieces = [word]
    while len(pieces[-1]) > 1 and text_width(pieces[-1], size) > width:
        last = pieces.pop()
        most = min(len(last) - 1, int(2 * len(last) * width / text_width(last, size)))
        fits = next((n for n in range(most, 1, -1) if text_width(last[:n], size) <= width), 1)
        pieces += [last[:fits], last[fits:]]
    return pieces


def width_in_points(ax: Axes) -> float:
    """Return the width of the axes in points after its figure has laid itself out."""
    return size_in_points(ax)[0]


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return width and height of the axes in points after its figure has laid itself out."""
    lay_out(ax)
    box, scale = ax.get_window_extent(), 72 / ax.figure.figure.dpi
    return float(box.width * scale), float(box.height * scale)


def lay_out(ax: Axes) -> None:
    """Give the axes their final place, at half the cost of drawing."""
    figure = ax.figure.figure
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)


def tidy(ax: Axes) -> None:
    """Leave the two spines that carry a scale, thin and dark."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(linewidth=FRAME, color=INK, visible=True)
    ax.minorticks_off()
    ax.tick_params(width=FRAME, length=2, pad=2, color=INK, labelcolor=INK, labelsize=SMALL, direction="out")
    ax.tick_params(bottom=True, top=False, left=True, right=False)
    for axis in (ax.xaxis, ax.yaxis):
        # axes that the user made have labels in the user's style, and ticks made later are copies of the first
        axis.label.set(fontstyle="normal", fontweight="normal", usetex=False)
        axis.labelpad = 4.0
        axis.set_major_formatter(ScalarFormatter())
        axis.reset_ticks()
        axis.get_major_ticks(1)
    ax.set_axisbelow(True)
    ax.grid(visible=False)
    ax.set_facecolor("white")


DIVERGING: Final = LinearSegmentedColormap.from_list(
    "scgenept_diverging",
    (
        *("#0C558E", "#3B679B", "#5A7AA8", "#758DB5", "#8FA1C2", "#A9B6CF", "#C3CBDC", "#DCE0E9"),
        "#F6F6F6",
        *("#EFDDD5", "#E6C4B4", "#DBAB94", "#CF9375", "#C27B57", "#B4633A", "#A44B1C", "#933200"),
    ),
)
"""From the blue to the vermilion of Okabe and Ito through near white, in straight lines of CIELAB.

Equal steps of a value are equal steps of lightness on both sides, so the size of a change is seen in grey print too.
"""


def look(ours: Mapping[str, Any], given: Mapping[str, Any], artist: type[Artist]) -> dict[str, Any]:
    """Return the options of an artist: ours, with the user's in their place whatever short name they go by."""
    theirs = cbook.normalize_kwargs(dict(given), artist)
    dropped = {"color", "facecolor", "edgecolor"} if {"c", "color"} & set(theirs) else set()
    return {name: value for name, value in ours.items() if name not in dropped} | theirs


def caption_below(ax: Axes, text: str, width: float) -> Text:
    """Write a caption below the scale of the x axis, flush with the axes, in lines of ``width`` points."""
    return ax.annotate(
        wrap(text, width, SMALL),
        (0, 0),
        xycoords=("axes fraction", ax.xaxis.label),
        xytext=(0, -4),
        textcoords="offset points",
        ha="left",
        va="top",
        linespacing=LINE_SPACING,
        parse_math=False,
        annotation_clip=False,
        gid=CAPTION,
        **WORDS,
    )


_BOLD: Final = 0.9
"""Width of normal letters in widths of bold ones."""
_HANDLE: Final = LEGEND["handlelength"] + LEGEND["handletextpad"]
"""Room of a legend's mark and the gap after it, in sizes of its text."""


def legend_above(ax: Axes, handles: Mapping[str, Artist], *, title: str, width: float, start: float = 4.0) -> None:
    """Put a bold title and a legend above the axes, in as many columns as fit into their width.

    Parameters
    ----------
    ax
        Axes.
    handles
        Label -> what it looks like.
    title
        Text above it.
    width
        Of the axes, points.
    start
        Gap between axes and legend, points.
    """
    gap = LEGEND["columnspacing"]
    handles = {wrap(label, width - _HANDLE * SMALL, SMALL): handle for label, handle in handles.items()}
    columns = [max(text_width(line, SMALL) for line in label.split("\n")) for label in handles]
    columns = [column + (_HANDLE + gap) * SMALL for column in columns]
    in_one_row = sum(columns) - gap * SMALL <= HINTING * width
    legend = ax.legend(
        list(handles.values()),
        list(handles),
        title=wrap(title, _BOLD * width, TEXT),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        bbox_transform=ax.transAxes + ScaledTranslation(0, start / 72, ax.figure.dpi_scale_trans),
        ncols=len(handles) if in_one_row else max(1, int(HINTING * width // max(columns, default=width))),
        title_fontproperties={"size": TEXT, "weight": "bold"},
        alignment="left",
        **LEGEND,
    )
    legend.get_title().set(color=INK, parse_math=False)


def mark(marker: str, color: str) -> Line2D:
    """Return what stands for points in a legend."""
    return Line2D([], [], linestyle="", marker=marker, markersize=3.5, markeredgewidth=0, color=color)


def few_ticks(ax: Axes) -> None:
    """Leave room between the numbers of both scales, however narrow the axes."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))


def attach(ax: Axes, side: Literal["left", "top"], start: float, thickness: float) -> Axes:
    """Return bare axes beside others, as long as these, which keep their distance and thickness in points.

    Parameters
    ----------
    ax
        Axes to stand beside.
    side
        Where.
    start, thickness
        Gap between the two, and size across it, points.
    """
    child = ax.inset_axes((0, 0, 1, 1))

    def place(_: object, __: object) -> Bbox:
        figure = ax.figure.figure
        box, points = ax.get_position(), figure.get_size_inches() * 72
        if side == "left":
            right = box.x0 - start / points[0]
            return Bbox([[right - thickness / points[0], box.y0], [right, box.y1]])
        low = box.y1 + start / points[1]
        return Bbox([[box.x0, low], [box.x1, low + thickness / points[1]]])

    child.set_axes_locator(place)
    child.set(xticks=[], yticks=[], facecolor="white")
    child.spines[:].set_visible(False)
    return child


def shorten(text: str, width: float, size: float, *, weight: str = "normal") -> str:
    """Take letters out of the middle until one line is at most ``width`` points: both ends of a name tell most."""
    width *= HINTING
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
        if lines and text_width(lines[-1] + part, size) <= width * HINTING:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(shorten(line, width, size) for line in lines)


def signed(text: str) -> str:
    """Write negative numbers with the sign that scales have."""
    return text.replace("-", "\N{MINUS SIGN}")
