"""Scores of uncertainty against loops and integrals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from scgenept import metrics
from scgenept._errors import DataError


def test_intervals_equal_a_loop() -> None:
    rng = np.random.default_rng(0)
    y, lower = rng.normal(size=(2, 3, 8))
    upper = lower + rng.gamma(1, 1, (3, 8))
    for p in range(3):
        inside = [lower[p, g] <= y[p, g] <= upper[p, g] for g in range(8)]
        assert metrics.interval_coverage(y, lower, upper)[p] == pytest.approx(sum(inside) / 8)
        assert metrics.interval_width(lower, upper)[p] == pytest.approx(
            sum(b - a for a, b in zip(lower[p], upper[p], strict=True)) / 8
        )
    lower[1, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(metrics.interval_coverage(y, lower, upper)), [False, True, False])
    infinite = np.full((3, 8), np.inf)
    np.testing.assert_array_equal(metrics.interval_coverage(y, -infinite, infinite), 1)


def test_gaussian_crps_equals_the_integral() -> None:
    rng = np.random.default_rng(1)
    mean, y = rng.normal(size=(2, 2, 3))
    std = rng.gamma(2, 0.5, (2, 3))
    for p in range(2):
        each = []
        for g in range(3):
            law = stats.norm(mean[p, g], std[p, g])
            low = integrate.quad(lambda x, law=law: law.cdf(x) ** 2, -20, y[p, g])[0]
            high = integrate.quad(lambda x, law=law: law.sf(x) ** 2, y[p, g], 20)[0]
            each.append(low + high)
        assert metrics.crps(mean, y, std=std)[p] == pytest.approx(sum(each) / 3, rel=1e-6)
    np.testing.assert_allclose(metrics.crps(mean, y, std=std * 0), np.abs(mean - y).mean(axis=1))
    std[1, 0] = -1
    np.testing.assert_array_equal(np.isnan(metrics.crps(mean, y, std=std)), [False, True])


def test_ensemble_crps_equals_a_loop() -> None:
    rng = np.random.default_rng(2)
    members, y = rng.normal(size=(5, 3, 4)), rng.normal(size=(3, 4))
    for p in range(3):
        each = []
        for g in range(4):
            error = sum(abs(x - y[p, g]) for x in members[:, p, g]) / 5
            pairs = [abs(a - b) for a, b in itertools.combinations(members[:, p, g], 2)]
            each.append(error - sum(pairs) / len(pairs) / 2)
        assert metrics.crps(members, y)[p] == pytest.approx(sum(each) / 4, rel=1e-12)


def test_an_ensemble_of_any_size_estimates_the_gaussian() -> None:
    rng = np.random.default_rng(3)
    y = np.full((1, 20_000), 0.7)
    exact = metrics.crps(y * 0, y, std=np.ones_like(y))[0]
    for size in (2, 5, 50):
        assert metrics.crps(rng.normal(size=(size, *y.shape)), y)[0] == pytest.approx(exact, abs=0.015)


def slow_risk(confidence: list[float], error: list[float]) -> list[float]:
    """Mean over all orders that sort by confidence."""
    orders = [
        order
        for order in itertools.permutations(range(len(error)))
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order))
    ]
    return [
        sum(sum(error[i] for i in order[:k]) / k for order in orders) / len(orders) for k in range(1, len(error) + 1)
    ]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), min_size=1, max_size=5))
def test_risk_coverage_equals_a_loop(pairs: list[tuple[int, int]]) -> None:
    confidence, error = ([float(p[i]) for p in pairs] for i in (0, 1))
    curve = metrics.risk_coverage(confidence, error)
    expected = slow_risk(confidence, error)
    np.testing.assert_allclose(curve["risk"], expected, atol=1e-12)
    np.testing.assert_allclose(curve["coverage"], np.arange(1, len(pairs) + 1) / len(pairs))
    assert metrics.aurc(confidence, error) == pytest.approx(sum(expected) / len(expected), abs=1e-12)
    assert metrics.aurc(confidence, error) >= metrics.aurc([-e for e in error], error) - 1e-12
    assert metrics.aurc([1.0] * len(error), error) == pytest.approx(np.mean(error), abs=1e-12)


def test_spearman_equals_scipy_and_is_nan_where_undefined() -> None:
    rng = np.random.default_rng(4)
    confidence, error = rng.integers(0, 5, 30).astype(float), rng.normal(size=30)
    expected = stats.spearmanr(confidence, error).statistic
    assert metrics.confidence_error_spearman(confidence, error) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(metrics.confidence_error_spearman([1.0, 1.0], [0.0, 2.0]))
    assert math.isnan(metrics.confidence_error_spearman([1.0], [0.0]))


def test_perturbations_without_a_value_are_left_out() -> None:
    nan = float("nan")
    confidence, error = [3.0, nan, 1.0, 2.0], [0.0, 9.0, 4.0, nan]
    pd.testing.assert_frame_equal(
        metrics.risk_coverage(confidence, error), metrics.risk_coverage([3.0, 1.0], [0.0, 4.0])
    )
    assert metrics.confidence_error_spearman(confidence, error) == -1
    assert metrics.risk_coverage([nan], [1.0]).shape == (0, 2)
    assert math.isnan(metrics.aurc([nan], [1.0]))


def test_errors() -> None:
    with pytest.raises(DataError, match="two members or more"):
        metrics.crps(np.ones((1, 2, 3)), np.ones((2, 3)))
    with pytest.raises(DataError, match="two members or more"):
        metrics.crps(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(DataError, match="one value per perturbation"):
        metrics.aurc([1.0], [1.0, 2.0])
    with pytest.raises(DataError, match="perturbations x genes"):
        metrics.interval_width(np.ones((2, 3)), np.ones((2, 2)))
