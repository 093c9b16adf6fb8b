"""Measurements of a rendered figure: whether its texts have room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.text import Annotation, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox


def caption_of(ax: Axes) -> str:
    """The caption below the axes, in one line."""
    (caption,) = (text for text in ax.texts if text.get_gid() == "caption")
    return " ".join(caption.get_text().split())


def texts_of(ax: Axes) -> list[tuple[str, Bbox]]:
    """Every text that is seen, with its place in pixels; the figure is laid out first."""
    ax.figure.figure.draw_without_rendering()
    found: list[Text] = [*ax.texts, ax.xaxis.label, ax.yaxis.label]
    for panel in (ax, *ax.child_axes):
        x0, x1, y0, y1 = (*sorted(panel.get_xlim()), *sorted(panel.get_ylim()))
        for tick in (*panel.xaxis.get_major_ticks(), *panel.xaxis.get_minor_ticks()):
            found += [text for text in (tick.label1, tick.label2) if text.get_visible() and x0 <= tick.get_loc() <= x1]
        for tick in (*panel.yaxis.get_major_ticks(), *panel.yaxis.get_minor_ticks()):
            found += [text for text in (tick.label1, tick.label2) if text.get_visible() and y0 <= tick.get_loc() <= y1]
        if panel is not ax:
            found += [*panel.texts, panel.xaxis.label, panel.yaxis.label, panel.title]
    if (legend := ax.get_legend()) is not None:
        found += [*legend.get_texts(), legend.get_title()]
    # without the arrows and the white ground of a name
    return [(text.get_text(), _extent(text)) for text in found if text.get_text().strip() and text.get_visible()]


def _extent(text: Text) -> Bbox:
    if isinstance(text, Annotation):
        text.update_positions(text.figure.canvas.get_renderer())
    return Text.get_window_extent(text)


def require_room(ax: Axes) -> None:
    """All text lies inside the figure and no two texts meet."""
    texts = texts_of(ax)
    inside = ax.figure.figure.bbox
    for name, box in texts:
        assert box.x0 >= inside.x0 - 1, f"{name!r} runs out on the left"
        assert box.x1 <= inside.x1 + 1, f"{name!r} runs out on the right"
        assert box.y0 >= inside.y0 - 1, f"{name!r} runs out below"
        assert box.y1 <= inside.y1 + 1, f"{name!r} runs out above"
    for i, (name, box) in enumerate(texts):
        for other, another in texts[:i]:
            width = min(box.x1, another.x1) - max(box.x0, another.x0)
            height = min(box.y1, another.y1) - max(box.y0, another.y0)
            assert min(width, height) <= 1, f"{name!r} and {other!r} overlap"
