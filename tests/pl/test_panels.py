"""What the figures of several axes have in common: nobody's settings change, files appear whole, names fit."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

mpl.use("Agg")

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.pl import _panels, _style
from tests.pl.figures import require_room
from tests.pl.reports import report_of, scored
from tests.pl.test_calibration import report_of as intervals_of
from tests.pl.test_split import screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from scgenept.tl import IntervalReport, Report


@cache
def reports() -> tuple[Report, IntervalReport]:
    return report_of(scored()), intervals_of(["unseen_single"] * 3)


def evaluation(**options: object) -> Figure:
    return sgp.pl.evaluation(reports()[0], metrics="mse", by=None, **options).figure


def calibration(**options: object) -> Figure:
    return sgp.pl.calibration(reports()[1], **options).figure


def split(**options: object) -> Figure:
    adata = screen({"control": 3, "A": 3, "B": 3, "A+B": 3})
    sgp.pp.split(adata, scheme="custom", test=["A+B"])
    return sgp.pl.split(adata, **options).figure


def training(**options: object) -> Figure:
    return sgp.pl.training(pd.DataFrame({"epoch": [0, 1], "train_loss": [0.2, 0.1]}), **options).figure


EACH = pytest.mark.parametrize("draw", [evaluation, calibration, split, training])


@EACH
def test_too_narrow_is_an_error_that_says_how_wide(draw: Callable[..., Figure]) -> None:
    with pytest.raises(DataError, match="width"):
        draw(figsize=(1, None))


def test_layouts_of_the_user_do_not_move_what_is_placed() -> None:
    with mpl.rc_context({"figure.autolayout": True, "figure.figsize": (1, 1), "axes.facecolor": "black"}):
        panels = sgp.pl.calibration(reports()[1])
        places = [ax.get_position().bounds for ax in panels.axes.values()]
        panels.figure.draw_without_rendering()
        assert [ax.get_position().bounds for ax in panels.axes.values()] == places
        assert panels.figure.get_figwidth() == pytest.approx(175 / 25.4)
        assert {mpl.colors.to_hex(ax.get_facecolor()) for ax in panels.axes.values()} == {"#ffffff"}


NAMES = st.text("abcdefgh_-0123456789 ", min_size=1, max_size=60)


@settings(deadline=None, max_examples=15)
@given(NAMES, st.floats(15, 200))
def test_shortened_names_fit_and_keep_both_ends(name: str, width: float) -> None:
    short = _style.shorten(name, width, _style.SMALL)
    if short == name:
        return
    assert _style.text_width(short, _style.SMALL) <= width
    head, _, tail = short.partition("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert head


def test_names_break_after_underscores() -> None:
    name = "pearson_delta_ref_mean"
    lines = _style.break_name(name, 55, _style.SMALL).split("\n")
    assert "".join(lines) == name
    assert len(lines) == 2
    assert all(line.endswith("_") for line in lines[:-1])
    assert _style.break_name(name, 500, _style.SMALL) == name
    assert "…" in _style.break_name("interpolatedduplicate", 20, _style.SMALL)


def test_captions_keep_every_word_and_fit() -> None:
    words = ["Marks are means over perturbations,", "", "with a $ and", "averylongword."]
    options: dict[str, Any] = {"handles": [], "panels": (10, 5), "others": 0, "show": False, "save": None}
    with _panels.new_page(42, None, sentences=words, **options) as page:
        pass
    (text,) = (text.get_text() for text in page.figure.texts)
    assert text.split() == " ".join(words).split()
    assert all(_style.text_width(line, _style.SMALL) <= 40 * _panels.POINTS for line in text.split("\n") if " " in line)
    assert page.height == pytest.approx(10 + 2 * _panels.MARGIN + _panels.TEXT_LINE * len(text.split("\n")))


def test_panels_name_themselves() -> None:
    panels = sgp.pl.calibration(reports()[1])
    assert repr(panels) == "<2 panels: coverage, risk>"
    assert list(panels.axes) == ["coverage", "risk"]
    assert panels.figure.axes == list(panels.axes.values())


def test_a_height_is_kept_or_refused() -> None:
    for draw in (evaluation, calibration, split, training):
        natural = draw(figsize=(4, None), show=False).get_size_inches()
        assert natural[0] == pytest.approx(4)
        figure = draw(figsize=(4, natural[1] + 1), show=False)
        assert figure.get_size_inches() == pytest.approx([4, natural[1] + 1])
        require_room(figure)
        with pytest.raises(DataError, match="a height of 0.5 inches does not suffice. Take") as refused:
            draw(figsize=(4, 0.5))
        needed = float(str(refused.value).split("Take ")[1].split()[0])
        require_room(draw(figsize=(4, needed), show=False))
        with pytest.raises(DataError, match="does not suffice"):
            draw(figsize=(4, needed - 0.02))


def test_marks_and_colours_go_together() -> None:
    assert len(_style.CATEGORIES) == len(_style.MARKS) == len(set(_style.CATEGORIES))
