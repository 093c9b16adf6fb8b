"""What a figure looks like once it is drawn: what its caption says, and whether its texts have room."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.transforms import Bbox


def bare() -> Axes:
    """Axes that nobody lays out: several times as fast, where only marks and words are looked at."""
    return Figure(figsize=(8, 6)).add_subplot()


def caption_of(drawn: Axes | Figure) -> str:
    """The caption of axes or of a page, in one line."""
    (caption,) = drawn.findobj(lambda artist: artist.get_gid() == "caption")
    return " ".join(caption.get_text().split())


def texts_of(drawn: Axes | Figure) -> Iterator[Text]:
    """All text that is seen: captions, legends, names, numbers of scales."""
    panels = [drawn, *drawn.child_axes] if isinstance(drawn, Axes) else drawn.axes
    if not isinstance(drawn, Axes):
        yield from drawn.texts
    legends = [ax.get_legend() for ax in panels] + ([] if isinstance(drawn, Axes) else drawn.legends)
    for legend in filter(None, legends):
        yield from (*legend.get_texts(), legend.get_title())
    for ax in panels:
        yield from (*ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title)
        yield from numbers_of(ax)


def numbers_of(ax: Axes) -> Iterator[Text]:
    for axis, limits in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if limits[0] - 1e-9 <= tick.get_loc() <= limits[1] + 1e-9:
                yield from (tick.label1, tick.label2)
        yield axis.get_offset_text()


def require_room(drawn: Axes | Figure) -> None:
    """No text leaves the figure, none meets another."""
    figure = drawn.figure.figure if isinstance(drawn, Axes) else drawn
    figure.draw_without_rendering()
    texts = [text for text in texts_of(drawn) if text.get_visible() and text.get_text().strip()]
    boxes: list[tuple[str, Bbox]] = [(text.get_text(), _extent(text)) for text in texts]
    assert boxes
    for name, box in boxes:
        assert min(box.x0, box.y0) >= -1, f"{name!r} leaves the figure to the left or below"
        assert box.x1 <= figure.bbox.x1 + 1, f"{name!r} leaves the figure to the right"
        assert box.y1 <= figure.bbox.y1 + 1, f"{name!r} leaves the figure above"
    for (first, a), (second, b) in combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        # boxes of neighbouring lines, with room for letters that they do not have, may touch
        assert wide <= 1 or high <= max(1, 0.25 * min(a.height, b.height)), f"{first!r} meets {second!r}"


def _extent(text: Text) -> Bbox:
    """Without the arrow and the white ground of a name."""
    if isinstance(text, Annotation):
        text.update_positions(text.figure.figure._get_renderer())
    return Text.get_window_extent(text)
