"""Distances between clouds of cells, against slow loops."""

from __future__ import annotations

import itertools
import math
import statistics
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import energy_distance as energy_distance_1d

from scgenept import metrics
from scgenept._errors import DataError
from scgenept.evaluation.scores import distributions


@pytest.fixture
def clouds() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.poisson(0.7, (9, 6)).astype(float), rng.poisson(1.2, (13, 6)).astype(float)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def within(cells: np.ndarray) -> list[float]:
    return [distance(a, b) for a, b in itertools.combinations(cells, 2)]


def between(x: np.ndarray, y: np.ndarray) -> list[float]:
    return [distance(a, b) for a, b in itertools.product(x, y)]


@pytest.mark.parametrize("block", [4, 1024])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_distances_equal_loops(
    clouds: tuple[np.ndarray, np.ndarray], kind: type, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributions, "_BLOCK", block)
    x, y = clouds
    mean = statistics.fmean
    expected = 2 * mean(between(x, y)) - mean(within(x)) - mean(within(y))
    assert metrics.energy_distance(kind(x), kind(y)) == pytest.approx(expected, rel=1e-10)
    width = statistics.median(within(x) + within(y) + between(x, y))
    for given in (None, 0.8):
        s = given or width

        def kernel(distances: list[float], s: float = s) -> float:
            return mean(math.exp(-(d**2) / (2 * s**2)) for d in distances)

        expected = kernel(within(x)) + kernel(within(y)) - 2 * kernel(between(x, y))
        assert metrics.mmd(kind(x), kind(y), bandwidth=given) == pytest.approx(expected, rel=1e-9)
    variances = [statistics.variance(x[:, g]) / statistics.variance(y[:, g]) for g in range(6)]
    np.testing.assert_allclose(metrics.variance_ratio(kind(x), kind(y)), variances, rtol=1e-10)


def test_energy_distance_of_many_cells_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 1500), rng.normal(1, 2, 1500)
    # scipy's is the square root, with each cell compared with itself too: the same in the limit
    assert metrics.energy_distance(x[:, None], y[:, None]) == pytest.approx(energy_distance_1d(x, y) ** 2, rel=0.02)


def test_unbiased() -> None:
    rng = np.random.default_rng(1)
    draws = [rng.normal(size=(2, 10, 3)) for _ in range(300)]
    for score in (metrics.energy_distance, metrics.mmd):
        values = np.array([score(x, y) for x, y in draws])
        assert values.min() < 0
        assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))


def test_the_same_array_on_both_sides_is_no_exception(
    clouds: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributions, "_BLOCK", 4)
    x, _ = clouds
    assert metrics.energy_distance(x, x) == pytest.approx(metrics.energy_distance(x, x.copy()), rel=1e-12)
    assert metrics.energy_distance(x, x) < 0  # each cell meets itself on the other side


def test_order_of_cells_and_genes_does_not_matter(clouds: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = clouds
    rng = np.random.default_rng(3)
    genes = rng.permutation(6)
    shuffled = rng.permutation(x)[:, genes], rng.permutation(y)[:, genes]
    assert metrics.energy_distance(*shuffled) == pytest.approx(metrics.energy_distance(x, y), rel=1e-10)
    assert metrics.mmd(*shuffled) == pytest.approx(metrics.mmd(x, y), rel=1e-10)
    np.testing.assert_allclose(metrics.variance_ratio(*shuffled), metrics.variance_ratio(x, y)[genes])


def test_median_of_many_cells_is_drawn(clouds: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds
    whole = metrics.mmd(x, y)
    monkeypatch.setattr(distributions, "_MOST_FOR_MEDIAN", 12)
    drawn = metrics.mmd(sparse.csr_matrix(x), y, rng=3)
    assert drawn == metrics.mmd(x, y, rng=3)
    assert drawn != whole
    assert drawn == pytest.approx(whole, rel=0.5)


def test_undefined_is_nan(clouds: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = clouds
    missing = x.copy()
    missing[0, 0] = np.nan
    assert math.isnan(metrics.energy_distance(missing, y))
    assert math.isnan(metrics.mmd(missing, y))
    assert math.isnan(metrics.mmd(missing, y, bandwidth=1.0))
    assert math.isnan(metrics.energy_distance(x[:1], y))
    assert math.isnan(metrics.mmd(x, y[:1]))
    assert math.isnan(metrics.mmd(np.ones((3, 2)), np.ones((4, 2))))
    np.testing.assert_array_equal(metrics.variance_ratio(x[:, :2], np.ones((3, 2))), np.nan)
    np.testing.assert_array_equal(metrics.variance_ratio(x[:1, :2], x[:, :2]), np.nan)


def test_errors(clouds: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = clouds
    for score in (metrics.energy_distance, metrics.mmd, metrics.variance_ratio):
        with pytest.raises(DataError, match="same genes"):
            score(x, y[:, 1:])
    with pytest.raises(DataError, match="bandwidth must be positive"):
        metrics.mmd(x, y, bandwidth=0.0)


def test_memory_does_not_grow_with_the_square_of_cells() -> None:
    cells = sparse.csr_matrix(np.random.default_rng(0).poisson(0.1, (6000, 20)).astype(float))
    tracemalloc.start()
    metrics.energy_distance(cells, cells[:1500])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # all pairs at once would take 288 MB
