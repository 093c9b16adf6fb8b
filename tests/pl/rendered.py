"""What a figure looks like once it is drawn: where its text is."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox


def texts_of(figure: Figure) -> Iterator[Text]:
    """All text that is seen: captions, legends, names, numbers of scales."""
    yield from figure.texts
    for legend in (*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())):
        yield from legend.get_texts()
    for ax in figure.axes:
        yield from (*ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title)
        yield from numbers_of(ax)


def numbers_of(ax: Axes) -> Iterator[Text]:
    for axis, limits in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
        for tick in axis.get_major_ticks():
            if limits[0] - 1e-9 <= tick.get_loc() <= limits[1] + 1e-9:
                yield tick.label1
        yield axis.get_offset_text()


def require_room(figure: Figure) -> None:
    """No text leaves the figure, none meets another."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes: list[tuple[str, Bbox]] = [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()))
        for text in texts_of(figure)
        if text.get_visible() and text.get_text().strip()
    ]
    assert boxes
    for name, box in boxes:
        assert min(box.x0, box.y0) >= -0.5, f"{name!r} leaves the figure to the left or below"
        assert box.x1 <= figure.bbox.x1 + 0.5, f"{name!r} leaves the figure to the right"
        assert box.y1 <= figure.bbox.y1 + 0.5, f"{name!r} leaves the figure above"
    for (first, a), (second, b) in combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        # boxes of neighbouring lines, with room for letters that they do not have, may touch
        assert wide <= 0.5 or high <= 0.25 * min(a.height, b.height), f"{first!r} meets {second!r}"


def caption_of(figure: Figure) -> str:
    return " ".join(figure.texts[-1].get_text().split())
