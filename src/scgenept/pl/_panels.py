"""Figures of several axes: placed in millimetres from the top left, so that text is never squeezed."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import normalize_kwargs
from matplotlib.figure import Figure

from .._errors import DataError
from .._io import atomic_file
from . import _style as style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

POINTS: Final = 72 / 25.4
"""Points per millimetre."""
TEXT_LINE: Final = 1.35 * style.SMALL / POINTS
"""Height of a line of small text, millimetres."""
LEGEND_LINE: Final = 3.0
"""Height of a row of a legend, millimetres."""
MARGIN: Final = 1.0
"""White around everything, millimetres."""
MIN_WIDTH: Final = 60.0
"""Narrowest figure, millimetres."""
_HANDLE: Final = 2.6
"""Room of a legend's mark, and of the gaps after it and its text, in sizes of its text."""


@dataclass(frozen=True, eq=False)
class Panels:
    """A figure of several axes.

    Attributes
    ----------
    figure
        The figure; ``figure.savefig(path)`` writes it.
    axes
        Name of a panel -> its axes.
    """

    figure: Figure
    axes: Mapping[Any, Axes]

    def __repr__(self) -> str:
        return f"<{len(self.axes)} panels: {', '.join(map(str, self.axes))}>"


@dataclass(frozen=True, eq=False)
class Page:
    """A figure on which things are placed in millimetres from its top left corner.

    Attributes
    ----------
    figure
        The figure.
    width, height
        Its size, millimetres.
    """

    figure: Figure
    width: float
    height: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return new axes."""
        return self.figure.add_axes(
            (
                left / self.width,
                1 - (top + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )

    def text(self, left: float, top: float, text: str, **look: Any) -> Text:
        """Write text below ``top``, to the right of ``left`` unless told otherwise; ``$`` is no mathematics."""
        options: dict[str, Any] = {"fontsize": style.SMALL, "color": style.INK, "va": "top", "linespacing": 1.15} | look
        return self.figure.text(left / self.width, 1 - top / self.height, text, parse_math=False, **options)

    def legend(
        self, handles: Sequence[Artist], labels: Sequence[str], *, left: float, top: float, width: float
    ) -> None:
        """Put a legend of the rows that :func:`legend_rows` counts."""
        self.figure.legend(
            list(handles),
            [label.replace("$", r"\$") for label in labels],
            loc="upper left",
            bbox_to_anchor=(left / self.width, 1 - top / self.height),
            ncols=_columns(labels, width),
            frameon=False,
            fontsize=style.SMALL,
            labelcolor=style.INK,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.4,
            handletextpad=0.4,
            columnspacing=0.8,
            labelspacing=0.3,
        )


def new_figure(width: float, height: float, *, show: bool | None) -> Figure:
    """Return an empty figure, known to pyplot only where it is to be seen.

    Parameters
    ----------
    width, height
        Millimetres.
    show
        ``True``: known to pyplot. ``None``: known to it in a notebook and wherever figures appear by themselves.
    """
    if width < MIN_WIDTH:
        msg = f"width={width:g} mm is too narrow to read: take {MIN_WIDTH:g} or more (one column of a journal is 85)."
        raise DataError(msg)
    options: dict[str, Any] = {
        "figsize": (width * style.MM, height * style.MM),
        "layout": "none",
        "facecolor": "white",
    }
    appears = mpl.is_interactive() or "inline" in str(mpl.rcParams["backend"])
    return plt.figure(**options) if show or (show is None and appears) else Figure(**options)


def new_page(width: float, height: float, *, show: bool | None) -> Page:
    """Return an empty page; sizes in millimetres."""
    return Page(new_figure(width, height, show=show), width, height)


def hand_over(figure: Figure, *, save: str | Path | None, show: bool | None) -> None:
    """Write a finished figure, whole or not at all, and show it where asked to."""
    if save is not None:
        target = Path(save)
        # matplotlib would add the ending to the temporary name
        target = target if target.suffix else target.with_name(f"{target.name}.{mpl.rcParams['savefig.format']}")
        with atomic_file(target) as work:
            figure.savefig(work, dpi=300, bbox_inches="tight")
    if show:
        plt.show()


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any], kind: type[Artist]) -> dict[str, Any]:
    """Return the look of an artist: ours, with what the user gave, under any of matplotlib's names, over it."""
    return dict(defaults) | dict(normalize_kwargs(dict(given), kind))


def n_lines(text: str) -> int:
    """Return the number of lines of text."""
    return text.count("\n") + 1 if text else 0


def caption(sentences: Sequence[str], width: float) -> str:
    """Join sentences and break them into lines of at most ``width`` millimetres."""
    # of words alone, which repeat, since a long text takes long to measure anew for every word
    space = style.text_width("o o", style.SMALL) - 2 * style.text_width("o", style.SMALL)
    lines: list[list[str]] = []
    filled = np.inf
    for word in " ".join(sentence for sentence in sentences if sentence).split():
        own = style.text_width(word, style.SMALL)
        if filled + space + own > 0.96 * width * POINTS:
            lines.append([])
            filled = -space
        lines[-1].append(word)
        filled += space + own
    return "\n".join(" ".join(line) for line in lines)


def legend_rows(labels: Sequence[str], width: float) -> int:
    """Return how many rows a legend takes in ``width`` millimetres."""
    return ceil(len(labels) / _columns(labels, width)) if labels else 0


def _columns(labels: Sequence[str], width: float) -> int:
    widths = [style.text_width(label, style.SMALL) + _HANDLE * style.SMALL for label in labels]
    return max(1, min(len(labels), int(width * POINTS // max(widths))))
