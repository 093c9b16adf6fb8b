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
        options: dict[str, Any] = {"va": "top", "parse_math": False, **style.WORDS}
        return self.figure.text(left / self.width, 1 - top / self.height, text, **(options | look))

    def caption(self, top: float, text: str) -> None:
        """Write lines that :func:`caption` broke below ``top``."""
        self.text(MARGIN, top, text, gid=style.CAPTION, linespacing=style.LINE_SPACING)

    def legend(self, handles: Sequence[Artist], labels: Sequence[str]) -> None:
        """Put a legend at the top, of the rows that :func:`legend_rows` counts."""
        self.figure.legend(
            list(handles),
            [label.replace("$", r"\$") for label in labels],
            loc="upper left",
            bbox_to_anchor=(MARGIN / self.width, 1 - MARGIN / self.height),
            ncols=_columns(labels, self.width),
            **style.LEGEND,
        )


@contextmanager
def new_page(width: float, height: float, *, show: bool | None, save: str | Path | None) -> Iterator[Page]:
    """Give an empty page, sizes in millimetres; what was drawn is then written and shown."""
    with new_figure((width * style.MM, height * style.MM), layout="none", show=show, save=save) as figure:
        yield Page(figure, width, height)


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


def stretched(height: float | None, others: float, natural: float, least: float) -> float:
    """Return what the panels take of the height of a page, millimetres.

    Parameters
    ----------
    height
        Of the page, or ``None``.
    others
        What text, legend and gaps take of it.
    natural, least
        What the panels take where the height is free, and what they cannot do without.

    Raises
    ------
    DataError
        The height does not suffice.
    """
    if height is None:
        return natural
    if height - others < least:
        msg = (
            f"figsize: a height of {height * style.MM:.3g} inches does not suffice. Take "
            f"{ceil(100 * (others + least) * style.MM) / 100:.2f} or more, or None for as much as is needed."
        )
        raise DataError(msg)
    return height - others


def n_lines(text: str) -> int:
    """Return the number of lines of text."""
    return text.count("\n") + 1 if text else 0


def caption(sentences: Sequence[str], width: float) -> str:
    """Join sentences and break them into the lines of a page of ``width`` millimetres."""
    text = " ".join(sentence for sentence in sentences if sentence)
    return style.wrap(text, (width - 2 * MARGIN) * POINTS, style.SMALL)


def legend_rows(labels: Sequence[str], width: float) -> int:
    """Return how many rows a legend takes on a page of ``width`` millimetres."""
    return ceil(len(labels) / _columns(labels, width)) if labels else 0


def _columns(labels: Sequence[str], width: float) -> int:
    widths = [style.text_width(label, style.SMALL) + _HANDLE * style.SMALL for label in labels]
    return max(1, min(len(labels), int((width - 2 * MARGIN) * POINTS // max(widths))))
