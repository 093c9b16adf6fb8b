"""Means, calibration and comparisons from scores that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from scgenept.evaluation.catalog import METRICS
from scgenept.evaluation.strata import strata
from scgenept.evaluation.summary import Scored, compare, per_perturbation, summarise

if TYPE_CHECKING:
    import pandas as pd

NAMES = ["A", "B", "C", "A+B", "A+C", "B+C"]
UP, DOWN, SPECIAL = METRICS["pearson_delta"], METRICS["mse"], METRICS["pearson_delta_ref_mean"]


def scored(metric=UP, *, mine, mean, replicate) -> Scored:
    table = strata(NAMES, ["A"], effect_size=np.arange(6.0), n_cells=np.full(6, 9))
    column = {"mine": np.asarray(mine, float)[:, None], "mean": np.asarray(mean, float)[:, None]}
    halves = {**column, "replicate": np.asarray(replicate, float)[:, None]}
    return Scored(table, [metric], column, halves, ("mine",))


def overall(result: Scored) -> pd.Series:
    table = summarise(result, n_boot=500, rng=np.random.default_rng(0))
    return table.query("stratum == 'all' and predictor == 'mine'").iloc[0]


def test_calibrated_by_hand() -> None:
    row = overall(scored(mine=[0.5] * 6, mean=[0.2] * 6, replicate=[0.8] * 6))
    assert row["calibrated"] == pytest.approx(0.5)
    assert row["calibrated_low"] == pytest.approx(0.5)
    assert row["dynamic_range"] == pytest.approx(0.6)
    assert row["can_rank"]
    row = overall(scored(DOWN, mine=[0.5] * 6, mean=[0.2] * 6, replicate=[0.1] * 6))
    assert row["calibrated"] == pytest.approx(-3)


def test_a_score_without_range_cannot_rank() -> None:
    noise = np.array([-0.1, 0.1, -0.2, 0.2, -0.3, 0.3])
    assert not overall(scored(mine=noise, mean=noise * 0, replicate=noise))["can_rank"]
    worse = scored(DOWN, mine=noise, mean=noise * 0 + 0.1, replicate=noise * 0 + 0.9)
    assert not overall(worse)["can_rank"], "a replicate worse than the mean is no yardstick"
    assert not overall(scored(mine=noise, mean=noise * 0 + 0.5, replicate=noise * 0 + 0.501))["can_rank"]


def test_undefined_scores_are_counted_and_calibrated_where_all_is_known() -> None:
    nan = np.nan
    row = overall(scored(mine=[0.4, nan, 0.4, 0.4, 0.4, 0.4], mean=[0.0, 0.9, 0, 0, 0, nan], replicate=[0.8] * 6))
    assert (row["value"], row["n"], row["n_nan"], row["n_nan_on_halves"]) == (pytest.approx(0.4), 6, 1, 2)
    assert (row["negative_control"], row["positive_control"]) == (0, pytest.approx(0.8))
    assert row["calibrated"] == pytest.approx(0.5)
    row = overall(scored(mine=[0.4] * 6, mean=[nan] * 6, replicate=[0.8] * 6))
    assert np.isnan(row["calibrated"])


def test_who_predicts_the_easy_half_is_compared_on_it() -> None:
    easy, nan = np.array([0.9, 0.9, 0.9, 0.1, 0.1, 0.1]), np.nan
    row = overall(scored(mine=[0.9, 0.9, 0.9, nan, nan, nan], mean=easy, replicate=easy + 0.05))
    assert row["calibrated"] == pytest.approx(0)
    assert row["negative_control"] == pytest.approx(0.9)


def test_five_perturbations_rank_nobody() -> None:
    nan = np.nan
    assert overall(scored(mine=[0.5] * 6, mean=[0.2] * 6, replicate=[0.8] * 6))["can_rank"]
    assert not overall(scored(mine=[0.5] * 6, mean=[0.2] * 6, replicate=[nan, *[0.8] * 5]))["can_rank"]


def test_a_range_of_rounding_calibrates_nothing() -> None:
    row = overall(scored(mine=[0.5] * 6, mean=[0.3] * 6, replicate=[0.1 + 0.2] * 6))
    assert np.isnan(row[["calibrated", "calibrated_low", "calibrated_high"]].astype(float)).all()


def test_no_positive_control_no_calibration_of_that_perturbation() -> None:
    row = overall(scored(mine=[9, 1, 1, 1, 1, 1], mean=[0] * 6, replicate=[np.nan, 2, 2, 2, 2, 2]))
    assert row["calibrated"] == pytest.approx(0.5)
    assert row["value"] == pytest.approx(14 / 6)


def test_strata_are_disjoint_and_never_empty() -> None:
    result = scored(mine=np.arange(6), mean=np.zeros(6), replicate=np.ones(6))
    table = summarise(result, n_boot=20, rng=np.random.default_rng(0)).query("predictor == 'mine'")
    for of in ("kind", "effect_size", "n_cells"):
        part = table[table["stratum_of"] == of]
        assert part["n"].sum() == 6
        assert (part["n"] > 0).all()
        assert (part["value"] * part["n"]).sum() == pytest.approx(15)
    assert set(table.loc[table["stratum_of"] == "n_cells", "stratum"]) == {"n_cells_mid"}


def test_comparisons_use_the_perturbations_that_both_have() -> None:
    nan = np.nan
    result = scored(mine=[1, 1, 1, 1, nan, 5], mean=[0, 0, 0, 0, 9, nan], replicate=np.ones(6))
    row = compare(result, n_boot=200, rng=np.random.default_rng(0)).query("stratum == 'all'").iloc[0]
    assert (row["predictor"], row["rival"], row["n"]) == ("mine", "mean", 4)
    assert row["difference"] == pytest.approx(1)
    assert (row["p_value"], row["better"]) == (1 / 8, "")


def test_six_wins_of_six_name_a_winner() -> None:
    result = scored(mine=np.ones(6), mean=np.zeros(6), replicate=np.ones(6))
    row = compare(result, n_boot=200, rng=np.random.default_rng(0)).query("stratum == 'all'").iloc[0]
    assert (row["p_value"], row["better"]) == (1 / 32, "mine")


def test_long_table() -> None:
    result = scored(mine=np.arange(6), mean=np.zeros(6), replicate=np.ones(6))
    table = per_perturbation(result)
    assert len(table) == 6 * 3
    own = table[table["predictor"] == "mine"].set_index("perturbation")
    assert own.loc["A+B", "value"] == 3
    assert own.loc["A", "effect_size_tertile"] == "low"


def test_a_winner_does_not_depend_on_names() -> None:
    rng = np.random.default_rng(0)
    table = strata(NAMES, ["A"], effect_size=np.arange(6.0), n_cells=np.full(6, 9))
    base = np.zeros((6, 1))
    values = {"one": base + rng.normal(1, 0.3, (6, 1)), "two": base + rng.normal(0.5, 0.3, (6, 1)), "mean": base}
    results = []
    for names in ({"one": "a", "two": "b"}, {"one": "b", "two": "a"}):
        columns = {names.get(name, name): value for name, value in values.items()}
        judged = tuple(sorted(names.values()))
        table_of = compare(Scored(table, [UP], columns, {}, judged), n_boot=64, rng=np.random.default_rng(0))
        whole = table_of.query("stratum == 'all'")
        back = {new: old for old, new in names.items()}
        results.append(
            {
                frozenset(back.get(n, n) for n in row[:2]): row[2]
                for row in whole[["predictor", "rival", "p_holm"]].itertuples(index=False, name=None)
            }
        )
    assert results[0] == results[1]
    assert len(results[0]) == 3
