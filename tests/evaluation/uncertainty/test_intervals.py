"""Intervals from control cells and from ensembles: coverage of what each claims to cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgenept._errors import DataError, UnknownNameError
from scgenept.evaluation.uncertainty.intervals import Uncertainty, bootstrap_intervals, ensemble_intervals


def coverage(lower: np.ndarray, truth: np.ndarray, upper: np.ndarray) -> float:
    return float(((lower <= truth) & (truth <= upper)).mean())


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_bootstrap_covers_the_mean_over_all_possible_cells(level: float) -> None:
    """2,000 samples of 60 skewed cells: the true mean is inside at the level, give or take two in a hundred."""
    rng = np.random.default_rng(0)
    cells = rng.gamma(2.0, size=(60, 2000))
    made = bootstrap_intervals(cells, [level], n_boot=1000, rng=rng)
    assert coverage(made.lower[0], np.full(2000, 2.0), made.upper[0]) == pytest.approx(level, abs=0.02)
    np.testing.assert_allclose(made.std.mean(), np.sqrt(2 / 60), rtol=0.02)


def test_bootstrap_equals_the_slow_loop() -> None:
    rng = np.random.default_rng(0)
    cells = rng.gamma(2.0, size=(25, 3)).astype(np.float32)
    made = bootstrap_intervals(cells, [0.8], n_boot=20_000, rng=rng)
    loop = np.array([cells[rng.integers(25, size=25)].mean(axis=0) for _ in range(20_000)], dtype=float)
    stretched = cells.mean(axis=0) + (loop - cells.mean(axis=0)) * np.sqrt(25 / 24)
    np.testing.assert_allclose(made.lower[0], np.quantile(stretched, 0.1, axis=0), atol=0.02)
    np.testing.assert_allclose(made.upper[0], np.quantile(stretched, 0.9, axis=0), atol=0.02)


def test_bootstrap_works_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = np.random.default_rng(0).random((7, 4))
    whole = bootstrap_intervals(cells, [0.9], n_boot=50, rng=np.random.default_rng(1))
    monkeypatch.setattr("scgenept.evaluation.uncertainty.intervals._BLOCK", 21)
    parts = bootstrap_intervals(cells, [0.9], n_boot=50, rng=np.random.default_rng(1))
    np.testing.assert_allclose(parts.lower, whole.lower, rtol=1e-6)


def test_bootstrap_is_seeded() -> None:
    cells = np.random.default_rng(0).random((7, 4))
    first, again, other = (
        bootstrap_intervals(cells, [0.9], n_boot=50, rng=np.random.default_rng(seed)).lower for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("n_members", [2, 5])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_ensemble_covers_one_more_member(level: float, n_members: int) -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=(n_members + 1, 4000))
    made = ensemble_intervals(draws[1:], [level])
    assert coverage(made.lower[0], draws[0], made.upper[0]) == pytest.approx(level, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6, unique=True))
def test_intervals_grow_with_the_level_around_the_mean(seed: int, levels: list[float]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(5, 3))
    for made in (
        ensemble_intervals(values, sorted(levels)),
        bootstrap_intervals(values, sorted(levels), n_boot=40, rng=rng),
    ):
        assert (np.diff(made.lower, axis=0) <= 0).all()
        assert (np.diff(made.upper, axis=0) >= 0).all()
        assert (made.lower <= made.upper).all()
        assert (made.std >= 0).all()


def test_a_gene_that_is_not_a_number_stays_one() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0], [3.0, 4.0]])
    for made in (
        ensemble_intervals(values, [0.9]),
        bootstrap_intervals(values, [0.9], n_boot=9, rng=np.random.default_rng(0)),
    ):
        assert np.isnan(made.lower[0]).tolist() == [False, True]
        assert np.isnan(made.std).tolist() == [False, True]


def test_equal_members_have_no_width() -> None:
    made = ensemble_intervals(np.ones((3, 2)), [0.9])
    assert (made.upper - made.lower).max() == 0


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"source": "conformel"}, UnknownNameError, "none of controls, ensemble, conformal. Nearest"),
        ({"source": "controls", "level": 90}, DataError, "level=90 should lie between 0 and 1"),
        ({"source": "controls", "level": 1.0}, DataError, "between 0 and 1"),
        ({"source": "controls", "n_boot": 1}, DataError, "n_boot=1 should be at least 2"),
    ],
)
def test_bad_wishes(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Uncertainty(**options)


def test_one_is_not_enough() -> None:
    with pytest.raises(DataError, match="needs two members or more; got 1"):
        ensemble_intervals(np.ones((1, 2)), [0.9])
    with pytest.raises(DataError, match="needs two of them or more; got 1"):
        bootstrap_intervals(np.ones((1, 2)), [0.9], n_boot=10, rng=np.random.default_rng(0))
