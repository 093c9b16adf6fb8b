"""The figure of intervals, asserted on its artists."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.evaluation.uncertainty import Intervals
from scgenept.evaluation.uncertainty.measure import measure_intervals
from scgenept.pl import _style
from tests.pl.figures import caption_of, require_room

if TYPE_CHECKING:
    from scgenept.evaluation.uncertainty import IntervalReport
    from scgenept.pl import Panels

LEVELS = [0.5, 0.8, 0.9, 0.95]
KINDS = ["unseen_single"] * 5 + ["combo_seen0"] + ["combo_seen1"] * 3 + ["combo_seen2"] * 4 + ["seen_single"] * 2
N_GENES = 60


def report_of(kinds: list[str] = KINDS, *, wide: float = 1.0, seed: int = 0) -> IntervalReport:
    """Intervals of about the right width, and confidence that knows something."""
    rng = np.random.default_rng(seed)
    n = len(kinds)
    spread = rng.uniform(0.05, 0.4, n)
    observed = rng.normal(1, 0.5, (n, N_GENES))
    predicted = observed + rng.normal(0, 1, (n, N_GENES)) * spread[:, None]
    half = wide * np.array([0.67, 1.28, 1.64, 1.96])[:, None]
    made = []
    for i in range(n):
        std = (0.5 * spread[i] + 0.1) * np.ones(N_GENES)
        made.append(Intervals(predicted[i] - half * std, predicted[i] + half * std, std))
    labels = pd.DataFrame(
        {"perturbation": [f"P{i}" for i in range(n)], "stratum": kinds, "source": "conformal", "group": ""}
    )
    return measure_intervals(
        observed, predicted, np.ones(N_GENES), made, LEVELS, labels=labels, rng=np.random.default_rng(1)
    )


@pytest.fixture(scope="module")
def report() -> IntervalReport:
    return report_of()


@pytest.fixture(scope="module")
def panels(report: IntervalReport) -> Panels:
    return sgp.pl.calibration(report)


def lines(ax, label: str) -> list[np.ndarray]:
    return [np.array(line.get_data(), dtype=float) for line in ax.lines if line.get_label() == label]


@pytest.mark.parametrize("stratum", ["all", *sorted(set(KINDS))])
def test_coverage_is_the_mean_over_perturbations(report: IntervalReport, panels: Panels, stratum: str) -> None:
    (points,) = lines(panels.axes["coverage"], stratum)
    for place, level in enumerate(LEVELS):
        shares = [
            row.coverage
            for row in report.per_perturbation.itertuples()
            if row.level == level and stratum in ("all", row.stratum)
        ]
        assert points[1, place] == pytest.approx(sum(shares) / len(shares))
        assert abs(points[0, place] - place) < 0.5
    if stratum == "all":
        (top,) = lines(panels.axes["coverage"], "_top")
        by_level = report.per_perturbation.groupby("level")["coverage_top20"].mean()
        np.testing.assert_allclose(top[1], by_level.to_numpy())


def test_promises_and_bars(report: IntervalReport, panels: Panels) -> None:
    promised = lines(panels.axes["coverage"], "_promised")
    assert [line[1].tolist() for line in promised] == [[level, level] for level in LEVELS]
    ends = {tuple(line[1]) for line in lines(panels.axes["coverage"], "_interval")}
    known = report.summary.dropna(subset="coverage_low")
    assert ends == {(row.coverage_low, row.coverage_high) for row in known.itertuples()}
    # the stratum of one perturbation has none
    assert len(known) == len(report.summary) - len(LEVELS)


def test_marks_of_a_level_stand_over_its_promise(panels: Panels) -> None:
    ax = panels.axes["coverage"]
    promised = lines(ax, "_promised")
    for stratum in ("all", *set(KINDS)):
        (points,) = lines(ax, stratum)
        for (x, _), promise in zip(points.T, promised, strict=True):
            assert promise[0, 0] < x < promise[0, 1]
    for one, other in itertools.pairwise(promised):
        assert one[0, 1] < other[0, 0]


def test_risk_is_the_mean_error_of_what_is_kept(report: IntervalReport, panels: Panels) -> None:
    table = report.per_perturbation.query("level == 0.5")
    pairs = sorted(zip(-table["confidence"], table["error"], strict=True))
    expected = [np.mean([error for _, error in pairs[: k + 1]]) for k in range(len(pairs))]
    (curve,) = lines(panels.axes["risk"], "all")
    np.testing.assert_allclose(curve[1], expected)
    np.testing.assert_allclose(curve[0], np.arange(1, len(pairs) + 1) / len(pairs))
    (oracle,) = lines(panels.axes["risk"], "_oracle")
    np.testing.assert_allclose(oracle[1], np.cumsum(np.sort(table["error"])) / np.arange(1, len(pairs) + 1))
    (nothing,) = lines(panels.axes["risk"], "_nothing")
    np.testing.assert_allclose(nothing[1], table["error"].mean())
    row = report.summary.query("stratum == 'all'").iloc[0]
    said = f"AURC {row.aurc:.3g}, {row.aurc_random:.3g} if confidence said nothing, {row.aurc_best:.3g} for an oracle"
    assert said in caption_of(panels.figure)


def legend(panels: Panels) -> list[str]:
    return [text.get_text() for text in panels.figure.legends[0].get_texts()]


def test_the_legend_says_how_many(panels: Panels) -> None:
    counts = pd.Series(KINDS).value_counts()
    assert legend(panels)[0] == f"all (n = {len(KINDS)})"
    assert {f"{kind} (n = {n})" for kind, n in counts.items()} <= set(legend(panels))
    caption = caption_of(panels.figure)
    assert f"Conformal intervals, {len(KINDS)} test perturbations" in caption
    assert "bars 95 % intervals by bootstrap over perturbations, none for n = 1" in caption


def test_several_reports_are_compared_over_all_perturbations(report: IntervalReport) -> None:
    narrow = report_of(wide=0.4)
    panels = sgp.pl.calibration({"conformal": report, "controls": narrow})
    for name, of in (("conformal", report), ("controls", narrow)):
        (points,) = lines(panels.axes["coverage"], name)
        np.testing.assert_allclose(points[1], of.summary.query("stratum == 'all'")["coverage"])
        assert len(lines(panels.axes["risk"], name)) == 1
    colours = {line.get_label(): to_hex(line.get_color()).upper() for line in panels.axes["coverage"].lines}
    assert (colours["conformal"], colours["controls"]) == _style.CATEGORIES[:2]
    assert "controls: conformal intervals, 15 test perturbations" in caption_of(panels.figure)


def test_reports_of_other_levels_meet_at_those_they_share(report: IntervalReport) -> None:
    short = replace(report, summary=report.summary[report.summary["level"] < 0.95])
    panels = sgp.pl.calibration({"short": short, "whole": report})
    (points,) = lines(panels.axes["coverage"], "short")
    assert np.isnan(points[1]).tolist() == [False, False, False, True]


def test_wishes_reach_what_is_of_all_perturbations(report: IntervalReport) -> None:
    panels = sgp.pl.calibration(report, color="red", ms=8)
    look = {
        line.get_label(): (to_hex(line.get_color()), line.get_markersize()) for line in panels.axes["coverage"].lines
    }
    assert look["all"] == ("#ff0000", 8)
    assert look["combo_seen1"][1] < 8
    (risk,) = [line for line in panels.axes["risk"].lines if line.get_label() == "all"]
    assert to_hex(risk.get_color()) == "#ff0000"


@pytest.mark.parametrize("width", [85, 175])
@pytest.mark.parametrize("kind", ["strata", "one", "several"])
def test_text_never_overlaps(report: IntervalReport, width: int, kind: str) -> None:
    long = "intervals of scgenept_go_c_gpt_concat_finetuned_on_norman_seed_17"
    drawn = {"strata": report, "one": report_of(["unseen_single"]), "several": {long: report, "$x_1$": report}}[kind]
    panels = sgp.pl.calibration(drawn, figsize=(width / 25.4, None))
    require_room(panels.figure)
    assert panels.figure.get_figwidth() == pytest.approx(width / 25.4)


def test_one_perturbation_has_no_bars() -> None:
    panels = sgp.pl.calibration(report_of(["unseen_single"]))
    assert legend(panels) == ["all (n = 1)", "the 20 genes that change most"]
    assert not lines(panels.axes["coverage"], "_interval")


def test_perturbations_without_a_value_are_left_out(report: IntervalReport) -> None:
    table = report.per_perturbation.copy()
    table.loc[table["perturbation"] == "P0", ["coverage", "error", "confidence"]] = np.nan
    panels = sgp.pl.calibration(replace(report, per_perturbation=table))
    (curve,) = lines(panels.axes["risk"], "all")
    assert curve.shape[1] == len(KINDS) - 1
    assert f"{len(KINDS) - 1} test perturbations" in caption_of(panels.figure)


def test_wrong_reports(report: IntervalReport) -> None:
    with pytest.raises(DataError, match=r"draws what sgp.tl.evaluate_intervals\(adata, model=...\) returns; got dict"):
        sgp.pl.calibration({"a": {}})
    with pytest.raises(DataError, match="got str.*test it on others"):
        sgp.pl.calibration("scgenept-mini")
    with pytest.raises(DataError, match="The mapping is empty"):
        sgp.pl.calibration({})
    with pytest.raises(DataError, match="9 reports are more than the 8 that colours tell apart"):
        sgp.pl.calibration({str(i): report for i in range(9)})
    table = report.per_perturbation.assign(coverage=np.nan)
    for empty in (table, table[:0]):
        with pytest.raises(DataError, match="no perturbation with a coverage and an error"):
            sgp.pl.calibration(replace(report, per_perturbation=empty))
