"""Figures of several axes: placed in millimetres from the top left, so that text is never squeezed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from .._errors import DataError
from . import _style as style
from ._figures import new_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from ._figures import Figsize

POINTS: Final = 72 * style.MM
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
    top
        Where the legend ends, millimetres.
    room
        What the panels take of the height, millimetres.
    """

    figure: Figure
    width: float
    height: float
    top: float
    room: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return new axes."""
        low = 1 - (top + height) / self.height
        return self.figure.add_axes((left / self.width, low, width / self.width, height / self.height))

    def text(self, left: float, top: float, text: str, **look: Any) -> Text:
        """Write text below ``top``, to the right of ``left`` unless told otherwise; ``$`` is no mathematics."""
        options: dict[str, Any] = {"va": "top", "parse_math": False, **style.WORDS}
        return self.figure.text(left / self.width, 1 - top / self.height, text, **(options | look))


@contextmanager
def new_page(
    width: float,
    height: float | None,
    *,
    handles: Sequence[Artist],
    sentences: Sequence[str],
    panels: tuple[float, float],
    others: float,
    show: bool | None,
    save: str | Path | None,
) -> Iterator[Page]:
    """Give a page with a legend on top; what was drawn gets a caption at the foot, is written and shown.

    Parameters
    ----------
    width, height
        Of the page, millimetres; a height of ``None`` follows.
    handles
        What the legend shows, with their labels.
    sentences
        Of the caption; empty ones are left out.
    panels
        Height that the panels take where it is free, and what they cannot do without, millimetres.
    others
        What titles, scales and gaps between legend and caption take, millimetres.
    show, save
        As the figure's function was told.

    Raises
    ------
    DataError
        The height does not suffice.
    """
    labels = [str(handle.get_label()) for handle in handles]
    columns = _columns(labels, width)
    text = style.wrap(" ".join(filter(None, sentences)), (width - 2 * MARGIN) * POINTS, style.SMALL)
    top, foot = MARGIN + LEGEND_LINE * ceil(len(labels) / columns), TEXT_LINE * (text.count("\n") + 1) + MARGIN
    natural, least = panels
    room = natural if height is None else height - top - others - foot
    if room < least:
        needed = ceil(100 * (top + others + foot + least) * style.MM) / 100
        msg = (
            f"figsize: a height of {(height or 0) * style.MM:.3g} inches does not suffice. Take {needed:.2f} or more, "
            "or None for as much as is needed."
        )
        raise DataError(msg)
    page = (width, top + others + room + foot)
    size = (page[0] * style.MM, page[1] * style.MM)
    with new_figure(size, layout="none", show=show, save=save) as figure:
        figure.legend(
            list(handles),
            [label.replace("$", r"\$") for label in labels],
            loc="upper left",
            bbox_to_anchor=(MARGIN / page[0], 1 - MARGIN / page[1]),
            ncols=columns,
            **style.LEGEND,
        )
        drawn = Page(figure, *page, top, room)
        yield drawn
        drawn.text(MARGIN, page[1] - foot, text, gid=style.CAPTION, linespacing=style.LINE_SPACING)


def page_size(figsize: Figsize | None, width: float) -> tuple[float, float | None]:
    """Return the width of a page and its height, ``None`` where it follows from what is drawn, in millimetres.

    Parameters
    ----------
    figsize
        As the figure's function was told.
    width
        What it is otherwise, inches.

    Raises
    ------
    DataError
        It is too narrow to read.
    """
    inches, height = (width, None) if figsize is None else figsize
    if inches < (MIN_WIDTH - 1e-6) * style.MM:
        msg = (
            f"figsize: a width of {inches:.3g} inches is too narrow to read. Take {MIN_WIDTH * style.MM:.2f} or more; "
            f"one column of a journal is {style.ONE_COLUMN:.2f}."
        )
        raise DataError(msg)
    return inches / style.MM, None if height is None else height / style.MM


def _columns(labels: Sequence[str], width: float) -> int:
    widths = [style.text_width(label, style.SMALL) + _HANDLE * style.SMALL for label in labels]
    return max(1, min(len(labels), int(style.HINTING * (width - 2 * MARGIN) * POINTS // max(widths, default=width))))
