"""The figure of an evaluation, asserted on its artists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.markers import CARETLEFT

import scgenept as sgp
from scgenept._errors import DataError, UnknownNameError
from scgenept.evaluation.calibration import REPLICATE
from scgenept.pl import _style
from tests.pl.figures import caption_of, require_room
from tests.pl.reports import BASELINES, SCORES, TEST, report_of, scored

if TYPE_CHECKING:
    from scgenept.evaluation.report import Report
    from scgenept.evaluation.summary import Scored
    from scgenept.pl import Panels

HEADLINES = ("pearson_delta", "pearson_delta_ref_mean", "pds_cosine")
MANY = (
    "mean", "no_change", "random", "target_mean", "matching_mean", "additive", "linear", "ridge", "knn", "rf", "gp",
    "gears", "mean_cells", "interpolated_duplicate_of_something",
)  # fmt: skip
LONG = "scgenept_go_c_gpt_concat_finetuned_on_norman_seed_17"


@pytest.fixture(scope="module")
def made() -> Scored:
    return scored()


def marks(ax) -> dict[str, tuple[float, float]]:
    """Place of each predictor's mark, by name."""
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    return {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in lines}


def bars(ax) -> dict[float, tuple[float, float]]:
    """Ends of the bar in each lane."""
    return {line.get_ydata()[0]: tuple(line.get_xdata()) for line in ax.lines if line.get_label() == "_interval"}


def rows_of(made: Scored, stratum: str) -> list[int]:
    return [i for i, kind in enumerate(made.strata["kind"]) if stratum in ("all", kind)]


@pytest.fixture(scope="module")
def report(made: Scored) -> Report:
    return report_of(made)


@pytest.fixture(scope="module")
def panels(report: Report) -> Panels:
    return sgp.pl.evaluation(report)


@pytest.mark.parametrize("stratum", ["all", "unseen_single", "combo_seen1"])
def test_marks_are_where_an_independent_loop_puts_them(made: Scored, panels: Panels, stratum: str) -> None:
    rows = rows_of(made, stratum)
    for metric in HEADLINES:
        column = SCORES.index(metric)
        mean = sum(made.halves["mean"][i, column] for i in rows) / len(rows)
        replicate = sum(made.halves[REPLICATE][i, column] for i in rows) / len(rows)
        found = marks(panels.axes[metric, stratum])
        assert set(found) == {"model", "no_change", "additive", "knn"}
        for name, (x, _) in found.items():
            own = sum(made.halves[name][i, column] for i in rows) / len(rows)
            assert x == pytest.approx((own - mean) / (replicate - mean))
    lines = [line for line in panels.axes[HEADLINES[0], stratum].lines if line.get_label() in {"_mean", "_replicate"}]
    assert [line.get_xdata()[0] for line in lines] == [0, 1]


def test_bars_are_the_intervals_of_the_report(made: Scored) -> None:
    report = report_of(made)
    table = report.summary.set_index(["metric", "stratum", "predictor"])
    panels = sgp.pl.evaluation(report, metrics="pds_cosine")
    for (metric, stratum), ax in panels.axes.items():
        at = {lane: name for name, (_, lane) in marks(ax).items()}
        assert len(bars(ax)) == (4 if len(rows_of(made, stratum)) > 1 else 0)
        for lane, ends in bars(ax).items():
            row = table.loc[(metric, stratum, at[lane])]
            assert ends == pytest.approx((row["calibrated_low"], row["calibrated_high"]))


def test_values_in_their_own_unit(made: Scored) -> None:
    panels = sgp.pl.evaluation(report_of(made), metrics=["mse", "pds_cosine"], scale="value", by=None)
    for metric in ("mse", "pds_cosine"):
        ax = panels.axes[metric, "all"]
        column = SCORES.index(metric)
        for name, (x, _) in marks(ax).items():
            assert x == pytest.approx(np.mean([made.full[name][i, column] for i in range(len(TEST))]))
        (line,) = [line for line in ax.lines if line.get_label() == "_mean"]
        assert line.get_xdata()[0] == pytest.approx(made.full["mean"][:, column].mean())
    heads = [text.get_text() for text in panels.figure.texts]
    assert "mse\n(lower is better)" in heads
    assert "pds_cosine" in heads
    others = {name: made.full[name][:, SCORES.index("mse")].mean() for name in BASELINES if name != "mean"}
    assert best(panels.axes["mse", "all"]) == [min(others, key=others.get)]


def best(ax) -> list[str]:
    return [line.get_label() for line in ax.lines if line.get_marker() == "D"]


def test_the_best_baseline_stands_out(panels: Panels) -> None:
    for ax in panels.axes.values():
        others = {name: x for name, (x, _) in marks(ax).items() if name != "model"}
        assert best(ax) == [max(others, key=others.get)]
        (model,) = [line for line in ax.lines if line.get_label() == "model"]
        (rival,) = [line for line in ax.lines if line.get_marker() == "D"]
        assert to_hex(model.get_color()).upper() == _style.PREDICTED
        assert to_hex(rival.get_color()).upper() == _style.BASELINE
        lanes = [lane for _, lane in marks(ax).values()]
        assert sorted(lanes) == list(range(4))
        assert marks(ax)["model"][1] == 0


def test_baselines_stand_in_the_order_of_the_first_panel(panels: Panels) -> None:
    first = marks(next(iter(panels.axes.values())))
    places = [first[name] for name in first if name != "model"]
    in_lanes = [x for x, _ in sorted(places, key=lambda place: place[1])]
    assert in_lanes == sorted(in_lanes, reverse=True)
    for ax in panels.axes.values():
        assert {name: lane for name, (_, lane) in marks(ax).items()} == {n: lane for n, (_, lane) in first.items()}


@pytest.mark.parametrize(("scale", "cells"), [("calibrated", "halves"), ("value", "full")])
def test_a_baseline_with_fewer_perturbations_is_no_rival_and_open(made: Scored, scale: str, cells: str) -> None:
    column = SCORES.index("pds_cosine")
    panels = sgp.pl.evaluation(report_of(made), by=None, scale=scale)
    (winner,) = best(panels.axes["pds_cosine", "all"])
    for of in ("full", "halves"):
        known = getattr(made, of)
        gap = known | {winner: known[winner].copy()}
        gap[winner][0, column] = np.nan
        panels = sgp.pl.evaluation(report_of(replace(made, **{of: gap})), by=None, scale=scale)
        ax = panels.axes["pds_cosine", "all"]
        (line,) = [line for line in ax.lines if line.get_label() == winner]
        counts = of == cells
        assert (best(ax) != [winner]) == counts
        assert (line.get_markerfacecolor() == "white") == counts
        assert ("Open marks: undefined for some of the perturbations" in caption_of(panels.figure)) == counts


def test_undefined_is_said_and_not_drawn(made: Scored) -> None:
    halves = made.halves | {"knn": np.full_like(made.halves["knn"], np.nan)}
    panels = sgp.pl.evaluation(report_of(replace(made, halves=halves)), by=None)
    for ax in panels.axes.values():
        assert "knn" not in marks(ax)
        (text,) = ax.texts
        assert text.get_text() == "undefined"
        assert text.get_position()[1] == 3  # the last lane


def test_scores_that_rank_nobody_are_grey(made: Scored) -> None:
    halves = made.halves | {REPLICATE: made.halves[REPLICATE].copy()}
    column = SCORES.index("pds_cosine")
    halves[REPLICATE][:, column] = made.halves["mean"][:, column] - 0.01
    panels = sgp.pl.evaluation(report_of(replace(made, halves=halves)), by=None)
    faces = {metric: to_hex(ax.get_facecolor()).upper() for (metric, _), ax in panels.axes.items()}
    assert faces["pds_cosine"] == _style.BAND
    assert faces["pearson_delta"] == "#FFFFFF"
    assert "Grey panels: a replicate is not clearly better than the mean" in caption_of(panels.figure)


def test_what_lies_beyond_has_an_arrowhead_and_its_number(made: Scored) -> None:
    halves = made.halves | {"knn": made.halves["mean"] - 40 * (made.halves[REPLICATE] - made.halves["mean"])}
    panels = sgp.pl.evaluation(report_of(replace(made, halves=halves)), by=None)
    ax = panels.axes["pearson_delta", "all"]
    (head,) = [line for line in ax.lines if line.get_label() == "knn"]
    assert head.get_marker() == CARETLEFT
    assert head.get_xdata()[0] == ax.get_xlim()[0] >= -1
    (number,) = ax.texts
    assert number.get_text() == "\N{MINUS SIGN}40"
    assert to_hex(number.get_bbox_patch().get_facecolor()) == to_hex(ax.get_facecolor()), "no line runs through it"
    assert "Arrowheads: beyond the frame" in caption_of(panels.figure)


def test_rows_say_how_many_perturbations_they_are_of(made: Scored, panels: Panels) -> None:
    report = report_of(made)
    titles = [text.get_text() for text in panels.figure.texts]
    kinds = made.strata["kind"].value_counts()
    assert f"all test perturbations (n = {len(TEST)})" in titles
    for kind, n in kinds.items():
        assert f"{kind} (n = {n})" in titles
    assert "model on 10 test perturbations (3 for training), 500 genes, K562 CRISPRa." in caption_of(panels.figure)
    assert "95 % intervals, bootstrap over perturbations (50 draws), none for n = 1." in caption_of(panels.figure)
    by_size = sgp.pl.evaluation(report, by="effect_size", metrics="mse")
    assert {stratum for _, stratum in by_size.axes} == {"all", *(f"effect_size_{t}" for t in ("low", "mid", "high"))}
    assert {stratum for _, stratum in sgp.pl.evaluation(report, by=None, metrics="mse").axes} == {"all"}


@pytest.mark.parametrize("span", [0.6, 0.04, 900.0])
def test_numbers_of_the_scale_say_where_they_stand(report: Report, span: float) -> None:
    summary = report.summary.assign(**{name: span * report.summary[name] for name in ("value", "ci_low", "ci_high")})
    drawn = sgp.pl.evaluation(replace(report, summary=summary), scale="value", by=None, metrics="pds_cosine")
    (ax,) = drawn.axes.values()
    said = [float(label.get_text().replace("\N{MINUS SIGN}", "-")) for label in ax.get_xticklabels()]
    assert len(said) > 1
    np.testing.assert_allclose(said, ax.get_xticks(), atol=1e-9)


def test_one_perturbation_has_no_bars() -> None:
    panels = sgp.pl.evaluation(report_of(scored(test=("C",))))
    assert set(panels.axes) == {(metric, "all") for metric in HEADLINES}
    for ax in panels.axes.values():
        assert not bars(ax)
    require_room(panels.figure)


@pytest.mark.parametrize(("width", "scale"), [(85, "calibrated"), (175, "value")])
def test_text_never_overlaps_where_it_is_crowded(width: int, scale: str) -> None:
    made = scored(judged=("model", LONG, "$m_1$"), baselines=MANY)
    halves = made.halves | {"gp": np.full_like(made.halves["gp"], np.nan), "rf": made.halves["rf"] - 30}
    panels = sgp.pl.evaluation(report_of(replace(made, halves=halves)), figsize=(width / 25.4, None), scale=scale)
    assert len({stratum for _, stratum in panels.axes}) == 6
    require_room(panels.figure)
    assert panels.figure.get_figwidth() == pytest.approx(width / 25.4)
    # a page of a journal
    assert panels.figure.get_figheight() < 330 / 25.4


@pytest.mark.parametrize("width", [85, 175])
def test_text_never_overlaps_where_there_is_little(report: Report, width: int) -> None:
    require_room(sgp.pl.evaluation(report, figsize=(width / 25.4, None), by=None, metrics="mse").figure)
    alone = scored(baselines=("mean",))
    require_room(
        sgp.pl.evaluation(report_of(alone), figsize=(width / 25.4, None), metrics="pearson_delta_ref_mean").figure
    )


def test_wishes_reach_the_marks_of_what_is_judged_only(report: Report) -> None:
    ax = sgp.pl.evaluation(report, metrics="pds_cosine", color="black", ms=9, by=None).axes["pds_cosine", "all"]
    look = {line.get_label(): (to_hex(line.get_color()), line.get_markersize()) for line in ax.lines}
    assert look["model"] == ("#000000", 9)
    assert all(size < 9 for name, (_, size) in look.items() if name in BASELINES)


def test_a_stored_report_will_do(report: Report, panels: Panels) -> None:
    adata = sgp.datasets.toy()
    report.to_uns(adata)
    assert marks(sgp.pl.evaluation(adata, metrics="pds_cosine", by=None).axes["pds_cosine", "all"]) == marks(
        panels.axes["pds_cosine", "all"]
    )


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (UnknownNameError, r"no score pds_cosin\. Nearest known names: pds_cosine", {"metrics": "pds_cosin"}),
        (DataError, "metrics is empty: name one of", {"metrics": []}),
        (UnknownNameError, "scale='raw' does not exist: 'calibrated', 'value'", {"scale": "raw"}),
        (UnknownNameError, "by='size' does not exist", {"by": "size"}),
        (
            DataError,
            r"4 scores need a figsize of a width of \d\.\d inches",
            {"metrics": "all", "figsize": (62 / 25.4, None)},
        ),
    ],
)
def test_wrong_wishes(report: Report, error: type[Exception], match: str, options: dict) -> None:
    with pytest.raises(error, match=match):
        sgp.pl.evaluation(report, **options)


def test_wrong_reports(made: Scored) -> None:
    with pytest.raises(DataError, match="evaluation draws what sgp.tl.evaluate returns"):
        sgp.pl.evaluation(pd.DataFrame())
    with pytest.raises(DataError, match="There is no report in this AnnData"):
        sgp.pl.evaluation(sgp.datasets.toy())
    plain = report_of(replace(made, halves={}))
    with pytest.raises(DataError, match="not calibrated. Pass scale='value', or evaluate again with calibrate=True"):
        sgp.pl.evaluation(plain)
    assert sgp.pl.evaluation(plain, scale="value").axes
    nothing = {name: np.full_like(values, np.nan) for name, values in made.halves.items()}
    with pytest.raises(DataError, match="No predictor has a value of pearson_delta.*choose other scores"):
        sgp.pl.evaluation(report_of(replace(made, halves=nothing)))
    with pytest.raises(DataError, match="no scores over all perturbations"):
        sgp.pl.evaluation(replace(plain, summary=plain.summary[:0]))
