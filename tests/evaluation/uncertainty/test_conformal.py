"""Split-conformal intervals: the quantile against a slow loop, coverage against known truth, pooling."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgenept._errors import DataError
from scgenept.evaluation.uncertainty.conformal import (
    ALL,
    calibration_table,
    conformal_intervals,
    conformal_quantile,
    control_spread,
    n_needed,
    scale,
    stratum_quantile,
)
from scgenept.weights.calibration import Calibration


def calibration(scores: np.ndarray, strata: list[str], spread: np.ndarray | None = None) -> Calibration:
    n, n_genes = scores.shape
    return Calibration(
        scores=scores.astype(np.float32),
        spread=(np.ones(n_genes) if spread is None else spread).astype(np.float32),
        genes=tuple(f"G{i}" for i in range(n_genes)),
        perturbations=tuple(f"P{i}" for i in range(n)),
        strata=tuple(strata),
        seen=(),
        weights_sha256="",
    )


def slow_quantile(scores: list[float], percent: int) -> float:
    """The ceil((n + 1) level)-th smallest, counted in whole numbers."""
    rank = ceil(Fraction(percent, 100) * (len(scores) + 1))
    return sorted(scores)[rank - 1] if rank <= len(scores) else float("inf")


@pytest.mark.parametrize("percent", [50, 80, 90, 95])
@pytest.mark.parametrize("n", [1, 3, 4, 8, 9, 10, 18, 19, 20, 29, 99, 100])
def test_quantile_equals_the_slow_loop(n: int, percent: int) -> None:
    scores = np.random.default_rng(n).exponential(size=(n, 3))
    expected = [slow_quantile(column, percent) for column in scores.T.tolist()]
    np.testing.assert_array_equal(conformal_quantile(scores, percent / 100), expected)


@pytest.mark.parametrize("percent", [50, 68, 75, 80, 90, 95, 99])
def test_the_number_needed_is_the_least_that_gives_a_finite_quantile(percent: int) -> None:
    n = n_needed(percent / 100)
    assert n == ceil(1 / (1 - Fraction(percent, 100))) - 1
    assert np.isfinite(slow_quantile(list(range(n)), percent))
    assert np.isinf(slow_quantile(list(range(n - 1)), percent))
    assert np.isinf(conformal_quantile(np.ones((n - 1, 1)), percent / 100)).all()


def draw(rng: np.random.Generator, n: int, strata: np.ndarray, n_genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true changes: errors are heavy-tailed, shared by the genes of a perturbation, larger in one
    stratum, larger in some genes and where much is predicted.
    """
    predicted = rng.normal(size=(n, n_genes)) * rng.exponential(size=(n, 1))
    size = np.where(strata == "hard", 3.0, 0.5)[:, None] * np.geomspace(0.05, 2, n_genes) + 0.3 * np.abs(predicted)
    error = rng.standard_t(3, size=(n, n_genes)) + 2 * rng.standard_t(3, size=(n, 1))
    return predicted, predicted + size * error


def covered(stored: Calibration, stratum: str, mean: np.ndarray, true: np.ndarray, level: float = 0.9) -> float:
    """The share of genes whose truth lies in the interval."""
    made = conformal_intervals(mean, mean, stored, stratum, [level])
    return float(((made.lower[0] <= true) & (true <= made.upper[0])).mean())


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_intervals_cover_known_truth_in_every_stratum(level: float) -> None:
    """Over 4,000 new perturbations, 2,000 a stratum: at the level asked for, give or take two in a hundred."""
    rng, n_genes, n_own, n_repeats, n_new = np.random.default_rng(1), 30, 39, 100, 20
    strata = np.repeat(["easy", "hard"], n_own)
    spread = np.geomspace(0.05, 2, n_genes)
    found: dict[str, list[float]] = {"easy": [], "hard": []}
    for _ in range(n_repeats):
        predicted, truth = draw(rng, len(strata), strata, n_genes)
        stored = calibration(np.abs(truth - predicted) / scale(spread, predicted), strata.tolist(), spread)
        for stratum, inside in found.items():
            predicted, truth = draw(rng, n_new, np.repeat([stratum], n_new), n_genes)
            inside += [covered(stored, stratum, mean, t, level) for mean, t in zip(predicted, truth, strict=True)]
    for stratum, inside in found.items():
        assert len(inside) == 2000
        assert level - 0.02 <= np.mean(inside) <= level + 0.02, (stratum, np.mean(inside))


def test_one_quantile_for_all_would_fail_the_hard_stratum() -> None:
    """That strata matter is no matter of course: pooled, one of them covers too much and the other too little."""
    rng = np.random.default_rng(2)
    strata = np.repeat(["easy", "hard"], 200)
    predicted, truth = draw(rng, 400, strata, 5)
    pooled = calibration(np.abs(truth - predicted) / scale(np.ones(5), predicted), ["all"] * 400)
    new, true = draw(rng, 400, strata, 5)
    inside = [covered(pooled, "all", mean, t) for mean, t in zip(new, true, strict=True)]
    assert np.mean(inside[:200]) > 0.92
    assert np.mean(inside[200:]) < 0.88


def test_small_strata_are_pooled_and_the_whole_still_covers() -> None:
    """2,000 new perturbations in the proportions of the calibration, two strata of it too small for 90 %."""
    rng, spread = np.random.default_rng(3), np.geomspace(0.05, 2, 30)
    sizes = {"a": 29, "b": 12, "c": 6, "d": 3}
    strata = np.repeat(list(sizes), list(sizes.values()))
    found: dict[str, list[float]] = {name: [] for name in sizes}
    for _ in range(40):
        predicted, truth = draw(rng, len(strata), strata, 30)
        stored = calibration(np.abs(truth - predicted) / scale(spread, predicted), strata.tolist(), spread)
        predicted, truth = draw(rng, len(strata), strata, 30)
        for mean, true, stratum in zip(predicted, truth, strata, strict=True):
            found[stratum].append(covered(stored, stratum, mean, true))
    everything = np.concatenate(list(found.values()))
    assert len(everything) >= 2000
    assert 0.88 <= everything.mean() <= 0.92
    # those with enough of their own, b with ceil(13 * 0.9) / 13 = 12 / 13
    assert np.mean(found["a"]) == pytest.approx(27 / 30, abs=0.02)
    assert np.mean(found["b"]) == pytest.approx(12 / 13, abs=0.02)
    assert min(np.mean(found["c"]), np.mean(found["d"])) > 0.88


def test_a_small_stratum_is_pooled_and_no_narrower_than_its_own_errors() -> None:
    scores = np.concatenate([np.full((20, 1), 1.0), np.full((3, 1), 7.0)])
    strata = ["large"] * 20 + ["small"] * 3
    assert stratum_quantile(scores, strata, "large", 0.9) == (np.array([1.0]), "large", 20)
    assert stratum_quantile(scores, strata, "small", 0.9) == (np.array([7.0]), ALL, 23)
    assert stratum_quantile(scores, strata, "small", 0.5) == (np.array([7.0]), "small", 3)
    assert stratum_quantile(scores, strata, "never seen", 0.8) == (np.array([1.0]), ALL, 23)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 12),
    st.lists(st.floats(0.05, 0.9), min_size=2, max_size=5, unique=True),
)
def test_intervals_grow_with_the_level_whatever_is_pooled(seed: int, n_a: int, n_b: int, levels: list[float]) -> None:
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.exponential(size=(n_a, 4)), 5 * rng.exponential(size=(n_b, 4))])
    strata = ["a"] * n_a + ["b"] * n_b
    reached = sorted(level for level in levels if n_needed(level) <= n_a + n_b)
    for stratum in ("a", "b", "c"):
        found = [stratum_quantile(scores, strata, stratum, level).values for level in reached]
        assert all((narrow <= wide).all() for narrow, wide in pairwise(found))


def test_too_few_perturbations_say_how_many_are_needed() -> None:
    stored = calibration(np.ones((8, 2)), ["a"] * 8)
    with pytest.raises(
        DataError, match=r"0\.9 takes 9 calibration perturbations, and there are 8: at most level=0\.88"
    ):
        conformal_intervals(np.zeros(2), np.zeros(2), stored, "a", [0.5, 0.9])


def test_an_observation_on_the_edge_is_inside() -> None:
    """A gene that is silent in every cell has the same residual in every perturbation, and rounding decides."""
    rng = np.random.default_rng(0)
    predicted = rng.random(1000) * 1e-3
    stored = calibration(
        np.tile(predicted / scale(np.full(1000, 0.3), 0 * predicted), (9, 1)), ["a"] * 9, np.full(1000, 0.3)
    )
    made = conformal_intervals(predicted, 0 * predicted, stored, "a", [0.9])
    assert (made.lower[0] <= 0).all()


def test_std_is_half_the_width_at_68_percent() -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=(4000, 1)))
    made = conformal_intervals(np.zeros(1), np.zeros(1), calibration(scores, ["a"] * 4000), "a", [0.9])
    assert made.std[0] == pytest.approx(1.0, abs=0.05)  # of standard normal errors
    assert made.upper[0, 0] == pytest.approx(1.645, abs=0.06)


def test_scale_and_spread() -> None:
    np.testing.assert_allclose(scale(np.array([3.0, 0.0]), np.array([4.0, 0.0])), [5.0, 1.0])
    np.testing.assert_allclose(control_spread([3.0, 0.0], 10), np.sqrt([(9 * 9 + 4.5) / 10, 0.45]))
    assert np.isfinite(control_spread([np.nan, 1.0], 2)).all()


def test_the_table_leaves_each_perturbation_of_a_pooled_stratum_out() -> None:
    rng = np.random.default_rng(3)
    scores, strata = rng.exponential(size=(23, 6)), ["a"] * 20 + ["b"] * 3
    table = calibration_table(calibration(scores, strata), [0.9, 0.5])
    assert [(row["stratum"], row["level"], row["n"], row["group"], row["n_group"]) for row in table] == [
        ("a", 0.5, 20, "a", 20),
        ("a", 0.9, 20, "a", 20),
        ("b", 0.5, 3, "b", 3),
        ("b", 0.9, 3, "all", 23),
    ]
    stored = scores.astype(np.float32).astype(float)
    inside = []
    for i in (20, 21, 22):
        others = np.delete(stored, i, axis=0)
        for gene in range(6):
            bound = max(slow_quantile(others[:, gene].tolist(), 90), *others[20:, gene])
            inside.append(stored[i, gene] <= bound)
    assert table[3]["pooled_coverage"] == pytest.approx(np.mean(inside))
    assert np.isnan([row["pooled_coverage"] for row in table[:3]]).all()
    expected = [slow_quantile(stored[:20, gene].tolist(), 90) for gene in range(6)]
    assert table[1]["quantile"] == pytest.approx(np.median(expected))
    alone = calibration_table(calibration(scores[:4], ["a"] * 2 + ["b"] * 2), [0.8])[0]
    assert np.isnan(alone["pooled_coverage"])  # three others are too few
    assert np.isfinite(alone["quantile"])
