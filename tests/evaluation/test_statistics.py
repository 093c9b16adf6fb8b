"""Bootstrap against scipy, Holm against a loop over its definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scgenept.evaluation.statistics import bootstrap_means, holm, interval, sign_flip_p, two_sided_p


def test_interval_equals_scipy() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=30)
    (draws,) = bootstrap_means([values[:, None]], n_boot=40_000, rng=np.random.default_rng(1))
    low, high = interval(draws)
    # scipy 1.15 renamed the argument
    name = "rng" if tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 15) else "random_state"
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="percentile", **{name: np.random.default_rng(2)}
    ).confidence_interval
    spread = values.std() / np.sqrt(30)
    assert abs(low[0] - expected.low) < 0.03 * spread
    assert abs(high[0] - expected.high) < 0.03 * spread
    assert draws.std() == pytest.approx(spread, rel=0.03)


def test_draws_are_paired_over_tables_and_columns() -> None:
    values = np.random.default_rng(0).normal(size=(9, 2))
    first, second = bootstrap_means([values, values + 3], n_boot=500, rng=np.random.default_rng(1))
    np.testing.assert_allclose(second - first, 3)


def test_missing_values_are_left_out_of_each_draw() -> None:
    values = np.array([[1.0], [np.nan], [3.0]])
    (draws,) = bootstrap_means([values], n_boot=4000, rng=np.random.default_rng(0))
    # all three draws on the missing one: 1 in 27
    assert np.isnan(draws).mean() == pytest.approx(1 / 27, abs=0.01)
    assert set(np.unique(draws[~np.isnan(draws)]).round(3)) <= {1.0, 1.667, 2.0, 2.333, 3.0}
    assert np.isnan(interval(np.full((5, 1), np.nan))[0]).all()


def test_blocks_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(7, 3))
    (whole,) = bootstrap_means([values], n_boot=100, rng=np.random.default_rng(5))
    monkeypatch.setattr("scgenept.evaluation.statistics._BLOCK", 21)
    (parts,) = bootstrap_means([values], n_boot=100, rng=np.random.default_rng(5))
    np.testing.assert_allclose(parts, whole)


def test_p_value_of_a_clear_difference_and_of_none() -> None:
    draws = np.column_stack([np.full(999, 2.0), np.zeros(999), np.full(999, np.nan)])
    p = two_sided_p(draws)
    assert p[0] == pytest.approx(2 / 1000)
    assert p[1] == 1.0
    assert np.isnan(p[2])


@pytest.mark.parametrize("n", range(2, 11))
def test_sign_flips_are_those_of_scipy(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.5, 1, (n, 3))
    exact = scipy.stats.permutation_test(
        (differences,), lambda d, axis: np.mean(d, axis=axis), permutation_type="samples", vectorized=True
    )
    found = sign_flip_p(differences, n_draws=1024, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found, np.atleast_1d(exact.pvalue))


def test_drawn_signs_agree_with_all_of_them() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, (12, 5))
    exact, drawn = (sign_flip_p(differences, n_draws=n, rng=np.random.default_rng(0)) for n in (4096, 4095))
    np.testing.assert_allclose(drawn, exact, atol=0.03)
    assert (drawn != exact).any()


@pytest.mark.parametrize("n_draws", [99, 10_000])
def test_equal_scores_are_no_evidence_however_many(n_draws: int) -> None:
    differences = np.zeros((40, 3))
    differences[:3] = [[1.0], [2.0], [3.0]]
    differences[:, 1] += np.random.default_rng(0).choice([-1e-17, 1e-17], 40)
    differences[3:, 2] = np.nan
    p = sign_flip_p(differences, n_draws=n_draws, rng=np.random.default_rng(0))
    np.testing.assert_allclose(p, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / n_draws))
    assert np.isnan(sign_flip_p(np.full((4, 1), np.nan), n_draws=9, rng=np.random.default_rng(0))[0])


def test_few_differences_are_called_clear_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(10, 4000))
    (draws,) = bootstrap_means([differences], n_boot=999, rng=rng)
    bootstrap, flips = two_sided_p(draws), sign_flip_p(differences, n_draws=999, rng=rng)
    assert (bootstrap < 0.05).mean() > 0.07, "why the bootstrap is not enough"
    assert (np.maximum(bootstrap, flips) < 0.05).mean() < 0.055


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, p_values[i] * (len(p_values) - rank)))
        assert adjusted[i] == pytest.approx(running)


def test_holm_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm([np.nan, 0.01, 0.02]), [np.nan, 0.02, 0.02])
