"""What holds for every score of pseudobulks: order, duplicated rows, NaN, a single gene or perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scgenept import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

# Every score with one value per perturbation, from one set of inputs.
SCORES: dict[str, Callable[[dict[str, np.ndarray]], np.ndarray]] = {
    "mse": lambda t: metrics.mse(t["p"], t["o"]),
    "wmse": lambda t: metrics.wmse(t["p"], t["o"], t["t"]),
    "weighted_r2_delta": lambda t: metrics.weighted_r2_delta(t["p"], t["o"], t["t"], reference=t["m"]),
    "pearson": lambda t: metrics.pearson(t["p"], t["o"]),
    "pearson_delta": lambda t: metrics.pearson_delta(t["p"], t["o"], t["c"]),
    "pearson_delta_ref_mean": lambda t: metrics.pearson_delta_ref_mean(t["p"], t["o"], t["m"]),
    "pds_cosine": lambda t: metrics.pds_cosine(t["p"], t["o"], t["c"]),
    "centroid_accuracy": lambda t: metrics.centroid_accuracy(t["p"], t["o"]),
    "de_auprc": lambda t: metrics.de_auprc(t["p"], t["s"], t["c"]),
    "de_recall_at_k": lambda t: metrics.de_recall_at_k(t["p"], t["s"], t["c"]),
    "top_k_overlap": lambda t: metrics.top_k_overlap(t["p"], t["o"], t["c"]),
    "direction_agreement": lambda t: metrics.direction_agreement(t["p"], t["o"], t["c"], significant=t["s"]),
    "lfc_nmae": lambda t: metrics.lfc_nmae(t["p"], t["o"], t["c"], significant=t["s"]),
    "correct_direction": lambda t: metrics.correct_direction(t["p"], t["o"], t["c"]),
    "opposite_direction": lambda t: metrics.opposite_direction(t["p"], t["o"], t["c"]),
    "fold_change_gap": lambda t: metrics.fold_change_gap(t["p"], t["o"], t["c"]),
    "within_range": lambda t: metrics.within_range(t["p"], t["a"], t["o"]),
    "mean_sigma": lambda t: metrics.mean_sigma(t["p"], t["o"], t["d"]),
    "non_additivity_correlation": lambda t: metrics.non_additivity_correlation(t["p"], t["o"], t["a"]),
    "non_additive_auprc": lambda t: metrics.non_additive_auprc(t["p"], t["s"], t["a"]),
    "interval_coverage": lambda t: metrics.interval_coverage(t["o"], t["p"], t["a"]),
    "interval_width": lambda t: metrics.interval_width(t["p"], t["o"]),
    "crps": lambda t: metrics.crps(t["p"], t["o"], std=t["d"]),
    "crps_ensemble": lambda t: metrics.crps(np.stack([t["p"], t["a"]]), t["o"]),
}
PER_GENE = ("c", "m")


def tables(seed: int, n: int, genes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    control = rng.gamma(1, 1, genes)
    found = {name: np.maximum(control + rng.normal(0, 0.5, (n, genes)), 0) for name in ("p", "o", "a")}
    return {
        **found,
        "c": control,
        "m": rng.gamma(1, 1, genes),
        "t": rng.normal(0, 2, (n, genes)),
        "d": rng.gamma(2, 0.3, (n, genes)),
        "s": rng.random((n, genes)) < 0.3,
    }


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 8), genes=st.integers(2, 30))
def test_order_does_not_matter(name: str, seed: int, n: int, genes: int) -> None:
    before = tables(seed, n, genes)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(n), rng.permutation(genes)
    after = {key: value[columns] if key in PER_GENE else value[rows][:, columns] for key, value in before.items()}
    np.testing.assert_allclose(SCORES[name](after), SCORES[name](before)[rows], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 8), data=st.data())
def test_duplicated_rows_do_not_matter(name: str, seed: int, n: int, data: st.DataObject) -> None:
    before = tables(seed, n, 12)
    rows = [*range(n), *data.draw(st.lists(st.integers(0, n - 1), max_size=6))]
    after = {key: value if key in PER_GENE else value[rows] for key, value in before.items()}
    np.testing.assert_allclose(SCORES[name](after), SCORES[name](before)[rows], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_a_nan_prediction_is_a_nan_score(name: str) -> None:
    given_tables = tables(0, 4, 25)
    given_tables["s"][:, 0] = True
    given_tables["p"][2, 5] = np.nan
    score = SCORES[name](given_tables)
    assert score.dtype == np.float64
    np.testing.assert_array_equal(np.isnan(score), [False, False, True, False])


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("shape", [(1, 30), (3, 1), (1, 1)], ids=["one perturbation", "one gene", "one of both"])
def test_one_of_a_kind(name: str, shape: tuple[int, int]) -> None:
    score = SCORES[name](tables(1, *shape))
    assert score.shape == shape[:1]
    correlations = {
        "pearson", "pearson_delta", "pearson_delta_ref_mean", "non_additivity_correlation", "weighted_r2_delta"
    }  # fmt: skip
    panels = {"pds_cosine", "centroid_accuracy"}
    if (name in correlations and shape[1] == 1) or (name in panels and shape[0] == 1):
        assert np.isnan(score).all()


@pytest.mark.parametrize("name", SCORES)
def test_float32_is_computed_in_float64(name: str) -> None:
    given_tables = tables(2, 3, 25)
    single = {key: value.astype(np.float32) if value.dtype == float else value for key, value in given_tables.items()}
    double = {key: value.astype(np.float64) if value.dtype == np.float32 else value for key, value in single.items()}
    np.testing.assert_array_equal(SCORES[name](single), SCORES[name](double))


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
def test_the_mean_gets_no_credit(seed: int, n: int) -> None:
    given_tables = tables(seed, n, 20)
    given_tables["p"] = np.tile(given_tables["m"], (n, 1)).astype(np.float32)
    assert np.isnan(SCORES["pearson_delta_ref_mean"](given_tables)).all()
    assert (SCORES["weighted_r2_delta"](given_tables) <= 1e-5).all()


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 10), copies=st.integers(1, 3))
def test_a_constant_prediction_tells_nothing_apart(seed: int, n: int, copies: int) -> None:
    given_tables = tables(seed, n, 15)
    given_tables["p"] = np.tile(given_tables["p"][:1], (n, 1))
    repeated = {key: value if key in PER_GENE else np.tile(value, (copies, 1)) for key, value in given_tables.items()}
    assert SCORES["pds_cosine"](repeated).mean() == pytest.approx(0.5, abs=1e-14)
    assert metrics.collapse_ratio(repeated["p"], repeated["o"]) < 1e-25  # what rounding leaves
    if n * copies > 1:
        assert metrics.mean_correlation_between_predictions(repeated["p"], repeated["c"]) == pytest.approx(1)


def test_weighted_r2_equals_scikit_learn() -> None:
    from sklearn.metrics import r2_score

    t = tables(3, 5, 20)
    expected = [
        r2_score(t["o"][p] - t["m"], t["p"][p] - t["m"], sample_weight=t["t"][p] ** 2 / (t["t"][p] ** 2).sum())
        for p in range(5)
    ]
    np.testing.assert_allclose(SCORES["weighted_r2_delta"](t), expected, rtol=1e-10)
    t["o"] = t["m"] + 0.3 * np.ones((5, 1))
    assert np.isnan(SCORES["weighted_r2_delta"](t)).all()
    t["t"] = np.zeros((5, 20))
    assert np.isnan(SCORES["weighted_r2_delta"](t)).all()
    assert np.isnan(SCORES["wmse"](t)).all()


def test_mean_correlation_equals_a_loop() -> None:
    t = tables(4, 5, 20)
    t["p"][1] = t["c"]  # no change has no direction
    t["p"][3, 0] = np.nan
    deltas = t["p"][[0, 2, 4]] - t["c"]
    pairs = [np.corrcoef(deltas[i], deltas[j])[0, 1] for i in range(3) for j in range(i)]
    assert metrics.mean_correlation_between_predictions(t["p"], t["c"]) == pytest.approx(np.mean(pairs), rel=1e-10)
    assert np.isnan(metrics.mean_correlation_between_predictions(t["p"][:2], t["c"]))


def test_collapse_ratio_leaves_out_what_is_unknown() -> None:
    t = tables(5, 6, 20)
    expected = metrics.collapse_ratio(t["p"][1:], t["o"][1:])
    t["p"][0, 0] = np.nan
    assert metrics.collapse_ratio(t["p"], t["o"]) == pytest.approx(expected)
    assert np.isnan(metrics.collapse_ratio(t["p"][:2], t["o"][:2]))
