"""Scores of differential expression against slow loops and scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from scgenept import metrics
from scgenept._errors import DataError
from scgenept.evaluation.observation import Guess

P, G = 6, 25


@pytest.fixture
def tables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    control = rng.gamma(1.0, 0.5, G)
    observed = np.maximum(control + rng.normal(0, 0.4, (P, G)), 0)
    significant = rng.random((P, G)) < 0.3
    significant[0] = False
    return {
        "predicted": np.round(observed + rng.normal(0, 0.5, (P, G)), 1),
        "observed": observed,
        "control": np.round(control, 1),
        "significant": significant,
    }


def top(values: list[float], k: int) -> list[set[int]]:
    """Every set of k genes that could be the top: ties broken in all ways."""
    last = sorted(values)[-k]
    inside = {g for g, v in enumerate(values) if v > last}
    tied = [g for g, v in enumerate(values) if v == last]
    return [inside | set(some) for some in itertools.combinations(tied, k - len(inside))]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_auprc_equals_scikit_learn(tables: dict[str, np.ndarray]) -> None:
    scores = metrics.de_auprc(tables["predicted"], tables["significant"], tables["control"])
    assert np.isnan(scores[0])
    for p in range(1, P):
        strength = np.abs(tables["predicted"][p] - tables["control"])
        assert scores[p] == pytest.approx(average_precision_score(tables["significant"][p], strength), rel=1e-12)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n_values=st.integers(1, 30))
def test_auprc_with_ties_equals_scikit_learn(seed: int, n_values: int) -> None:
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, n_values, (3, G)).astype(float)
    significant = rng.random((3, G)) < 0.4
    significant[:, 0] = True
    scores = metrics.de_auprc(predicted, significant, np.zeros(G))
    expected = [average_precision_score(s, p) for s, p in zip(significant, predicted, strict=True)]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize("k", [None, 1, 4, G, 100])
def test_recall_equals_a_loop(tables: dict[str, np.ndarray], k: int | None) -> None:
    scores = metrics.de_recall_at_k(tables["predicted"], tables["significant"], tables["control"], k=k)
    assert np.isnan(scores[0])
    for p in range(1, P):
        wanted = set(np.flatnonzero(tables["significant"][p]))
        strength = [abs(a - b) for a, b in zip(tables["predicted"][p], tables["control"], strict=True)]
        size = min(len(wanted) if k is None else k, G)
        expected = mean([len(chosen & wanted) / len(wanted) for chosen in top(strength, size)])
        assert scores[p] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("k", [1, 4, G])
def test_overlap_equals_a_loop(tables: dict[str, np.ndarray], k: int) -> None:
    scores = metrics.top_k_overlap(tables["predicted"], tables["observed"], tables["control"], k=k)
    for p in range(P):
        ours, theirs = (
            [abs(a - b) for a, b in zip(tables[name][p], tables["control"], strict=True)]
            for name in ("predicted", "observed")
        )
        expected = mean([len(a & b) / k for a in top(ours, k) for b in top(theirs, k)])
        assert scores[p] == pytest.approx(expected, rel=1e-12)


def test_fewer_genes_than_k() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(2, 3))
    np.testing.assert_array_equal(metrics.top_k_overlap(one, -one, np.zeros(3)), 1)


def test_direction_and_size_equal_a_loop(tables: dict[str, np.ndarray]) -> None:
    names = ("predicted", "observed", "control")
    direction = metrics.direction_agreement(*(tables[n] for n in names), significant=tables["significant"])
    nmae = metrics.lfc_nmae(*(tables[n] for n in names), significant=tables["significant"])
    assert np.isnan(direction[0])
    assert np.isnan(nmae[0])
    for p in range(1, P):
        genes = np.flatnonzero(tables["significant"][p])
        dhat = [tables["predicted"][p, g] - tables["control"][g] for g in genes]
        d = [tables["observed"][p, g] - tables["control"][g] for g in genes]
        agree = [(a > 0) == (b > 0) and (a < 0) == (b < 0) for a, b in zip(dhat, d, strict=True)]
        assert direction[p] == pytest.approx(sum(agree) / len(genes), rel=1e-12)
        error = sum(abs(a - b) for a, b in zip(dhat, d, strict=True)) / sum(abs(b) for b in d)
        assert nmae[p] == pytest.approx(error, rel=1e-12)


def test_no_change_scores_as_chance_does(tables: dict[str, np.ndarray]) -> None:
    c, observed, significant = tables["control"], tables["observed"], tables["significant"]
    unchanged = np.tile(c, (P, 1)).astype(np.float32)
    share = significant[1:].mean(axis=1)
    np.testing.assert_allclose(metrics.de_auprc(unchanged, significant, c)[1:], share)
    np.testing.assert_allclose(metrics.de_recall_at_k(unchanged, significant, c)[1:], share)
    np.testing.assert_allclose(metrics.top_k_overlap(unchanged, observed, c, k=5), 5 / G)
    np.testing.assert_allclose(metrics.lfc_nmae(unchanged, observed, c, significant=significant)[1:], 1, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_differs_by_rounding_does_not_move(tables: dict[str, np.ndarray], dtype: type) -> None:
    """One gene down and the rest the control: rank and sign of the rest are those of no change in any precision."""
    control = tables["control"] + 0.1 + np.pi / 1e3  # no number of float32
    observed, significant = tables["observed"], tables["significant"][1:]
    predicted = np.tile(control, (P, 1))
    predicted[:, 4] = 0.0
    predicted = predicted.astype(dtype)
    exact = np.zeros((P, G))
    exact[:, 4] = -control[4]

    auprc = metrics.de_auprc(predicted[1:], significant, control)
    recall = metrics.de_recall_at_k(predicted[1:], significant, control, k=3)
    overlap = metrics.top_k_overlap(predicted, observed, control, k=3)
    direction = metrics.direction_agreement(predicted[1:], observed[1:], control, significant=significant)
    correct = metrics.correct_direction(predicted, observed, control)
    opposite = metrics.opposite_direction(predicted, observed, control)
    for p in range(P):
        moved = [round(abs(x), 9) for x in exact[p]]
        d = list(observed[p] - control)
        best = top([abs(x) for x in d], 3)
        assert overlap[p] == pytest.approx(mean([len(a & b) / 3 for a in top(moved, 3) for b in best]))
        assert correct[p] == pytest.approx((d[4] < 0) / G)
        assert opposite[p] == pytest.approx((d[4] > 0) / G)
        if p:
            wanted = set(np.flatnonzero(significant[p - 1]))
            assert auprc[p - 1] == pytest.approx(average_precision_score(significant[p - 1], moved))
            assert recall[p - 1] == pytest.approx(mean([len(a & wanted) / len(wanted) for a in top(moved, 3)]))
            assert direction[p - 1] == pytest.approx((4 in wanted and d[4] < 0) / len(wanted))


def test_rounding_stays_rounding_over_another_control() -> None:
    """A gene that a half does not express at all is still not moved by what float32 left of its control."""
    rng = np.random.default_rng(0)
    own, other = rng.gamma(1.0, 0.5, (2, G))
    other[:5] = 0.0
    values = np.tile(own, (P, 1)).astype(np.float32).astype(float)
    values[:, 9] += 0.5
    over = Guess(values, own, values[:0], values[:0]).over(other)
    expected = np.tile(other, (P, 1))
    expected[:, 9] += 0.5
    np.testing.assert_allclose(over, expected, rtol=1e-6)
    others = np.delete(np.arange(G), 9)
    np.testing.assert_array_equal(over[:, others], expected[:, others])


def test_what_is_not_finite_has_no_score(tables: dict[str, np.ndarray]) -> None:
    predicted, c = tables["predicted"].copy(), tables["control"]
    predicted[2, 3] = np.inf
    for score in (
        metrics.de_auprc(predicted, np.ones((P, G), dtype=bool), c),
        metrics.top_k_overlap(predicted, tables["observed"], c),
        metrics.correct_direction(predicted, tables["observed"], c),
    ):
        np.testing.assert_array_equal(np.isnan(score), np.arange(P) == 2)


def test_nan_stays_in_its_own_row(tables: dict[str, np.ndarray]) -> None:
    predicted, observed, c = (tables[name].copy() for name in ("predicted", "observed", "control"))
    significant = np.ones((P, G), dtype=bool)
    predicted[2, 3] = np.nan
    expected = np.arange(P) == 2
    for score in (
        metrics.de_auprc(predicted, significant, c),
        metrics.de_recall_at_k(predicted, significant, c, k=3),
        metrics.top_k_overlap(predicted, observed, c),
        metrics.direction_agreement(predicted, observed, c, significant=significant),
        metrics.lfc_nmae(predicted, observed, c, significant=significant),
    ):
        np.testing.assert_array_equal(np.isnan(score), expected)


def test_bad_input_is_refused(tables: dict[str, np.ndarray]) -> None:
    predicted, observed, c = (tables[name] for name in ("predicted", "observed", "control"))
    with pytest.raises(DataError, match="significant must be booleans"):
        metrics.de_auprc(predicted, tables["significant"].astype(float), c)
    with pytest.raises(DataError, match="perturbations x genes"):
        metrics.de_auprc(predicted, tables["significant"][:, 1:], c)
    with pytest.raises(DataError, match="k must be at least 1"):
        metrics.top_k_overlap(predicted, observed, c, k=0)
    with pytest.raises(DataError, match="k must be at least 1"):
        metrics.de_recall_at_k(predicted, tables["significant"], c, k=0)
