"""Scores against slow loops, against cell-gears, and their properties."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scgenept import metrics
from scgenept._errors import DataError
from tests.golden_files import read_archive

if TYPE_CHECKING:
    from pathlib import Path

P, G, K = 7, 30, 5


@pytest.fixture
def tables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    control = rng.gamma(1.0, 0.5, G)
    observed = np.maximum(control + rng.normal(0, 0.4, (P, G)), 0)
    predicted = observed + rng.normal(0, 0.5, (P, G))
    genes = np.stack([rng.choice(G, K, replace=False) for _ in range(P)])
    return {
        "predicted": predicted,
        "observed": observed,
        "control": control,
        "mean": observed[:4].mean(axis=0),
        "genes": genes,
        "statistic": rng.normal(0, 3, (P, G)),
    }


def slow_pearson(a: list[float], b: list[float]) -> float:
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    top = math.fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return top / math.sqrt(math.fsum((x - mean_a) ** 2 for x in a) * math.fsum((y - mean_b) ** 2 for y in b))


def slow_distance(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


@pytest.mark.parametrize("top", [False, True], ids=["all", "top"])
def test_gene_wise_scores_equal_a_loop(tables: dict[str, np.ndarray], *, top: bool) -> None:
    predicted, observed, control, mean = (tables[name] for name in ("predicted", "observed", "control", "mean"))
    genes = tables["genes"] if top else None
    for p in range(P):
        chosen = tables["genes"][p] if top else range(G)
        y, yhat = [observed[p, g] for g in chosen], [predicted[p, g] for g in chosen]
        c, m = [control[g] for g in chosen], [mean[g] for g in chosen]

        def less(values: list[float], reference: list[float]) -> list[float]:
            return [v - r for v, r in zip(values, reference, strict=True)]

        assert metrics.mse(predicted, observed, genes=genes)[p] == pytest.approx(
            math.fsum((a - b) ** 2 for a, b in zip(y, yhat, strict=True)) / len(y), rel=1e-12
        )
        assert metrics.pearson(predicted, observed, genes=genes)[p] == pytest.approx(slow_pearson(yhat, y), rel=1e-10)
        assert metrics.pearson_delta(predicted, observed, control, genes=genes)[p] == pytest.approx(
            slow_pearson(less(yhat, c), less(y, c)), rel=1e-10
        )
        assert metrics.pearson_delta_ref_mean(predicted, observed, mean, genes=genes)[p] == pytest.approx(
            slow_pearson(less(yhat, m), less(y, m)), rel=1e-10
        )


def test_wmse_equals_a_loop(tables: dict[str, np.ndarray]) -> None:
    scores = metrics.wmse(tables["predicted"], tables["observed"], tables["statistic"])
    for p in range(P):
        squares = [t * t for t in tables["statistic"][p]]
        error = math.fsum(
            w / math.fsum(squares) * (a - b) ** 2
            for w, a, b in zip(squares, tables["predicted"][p], tables["observed"][p], strict=True)
        )
        assert scores[p] == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("excluded", [(), (0, 3, 4)], ids=["none", "targets"])
def test_pds_cosine_equals_a_loop(tables: dict[str, np.ndarray], excluded: tuple[int, ...]) -> None:
    exclude = np.isin(np.arange(G), excluded)
    scores = metrics.pds_cosine(tables["predicted"], tables["observed"], tables["control"], exclude=exclude)
    kept = [g for g in range(G) if g not in excluded]

    def distance(p: int, q: int) -> float:
        a = [tables["predicted"][p, g] - tables["control"][g] for g in kept]
        b = [tables["observed"][q, g] - tables["control"][g] for g in kept]
        dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
        return 1 - dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))

    for p in range(P):
        nearer = sum(distance(p, q) < distance(p, p) for q in range(P) if q != p)
        assert scores[p] == pytest.approx(1 - nearer / (P - 1), abs=1e-12)


def test_centroid_accuracy_equals_a_loop(tables: dict[str, np.ndarray]) -> None:
    predicted, observed = tables["predicted"], tables["observed"]
    scores = metrics.centroid_accuracy(predicted, observed)
    for p in range(P):
        own = slow_distance(predicted[p], observed[p])
        farther = sum(own < slow_distance(predicted[p], observed[q]) for q in range(P) if q != p)
        assert scores[p] == pytest.approx(farther / (P - 1))


def test_collapse_ratio_equals_a_loop(tables: dict[str, np.ndarray]) -> None:
    predicted, observed = tables["predicted"].copy(), tables["observed"].copy()
    observed[:, 3] = 0.7  # nothing moves this gene: left out, whatever is predicted
    ratios = []
    for g in range(G):
        if g == 3:
            continue
        spread = [math.fsum((v - math.fsum(t[:, g]) / P) ** 2 for v in t[:, g]) / P for t in (predicted, observed)]
        ratios.append(spread[0] / spread[1])
    assert metrics.collapse_ratio(predicted, observed) == pytest.approx(math.fsum(ratios) / len(ratios), rel=1e-10)


def test_a_perfect_prediction_is_perfect(tables: dict[str, np.ndarray]) -> None:
    y, c, m = tables["observed"], tables["control"], tables["mean"]
    np.testing.assert_array_equal(metrics.mse(y, y), 0)
    np.testing.assert_array_equal(metrics.wmse(y, y, tables["statistic"]), 0)
    for score in (metrics.pearson(y, y), metrics.pearson_delta(y, y, c), metrics.pearson_delta_ref_mean(y, y, m)):
        np.testing.assert_allclose(score, 1)
    np.testing.assert_array_equal(metrics.pds_cosine(y, y, c), 1)
    np.testing.assert_array_equal(metrics.centroid_accuracy(y, y), 1)
    assert metrics.collapse_ratio(y, y) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_predictor_is_undefined_against_the_mean(tables: dict[str, np.ndarray], dtype: type) -> None:
    constant = np.tile(tables["mean"], (P, 1)).astype(dtype)
    assert np.isnan(metrics.pearson_delta_ref_mean(constant, tables["observed"], tables["mean"])).all()
    assert np.isfinite(metrics.pearson_delta(constant, tables["observed"], tables["control"])).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_change_has_no_direction(tables: dict[str, np.ndarray], dtype: type) -> None:
    unchanged = np.tile(tables["control"], (P, 1)).astype(dtype)
    assert np.isnan(metrics.pearson_delta(unchanged, tables["observed"], tables["control"])).all()
    np.testing.assert_array_equal(metrics.pds_cosine(unchanged, tables["observed"], tables["control"]), 0.5)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 12), duplicate=st.booleans())
def test_any_constant_prediction_has_pds_of_exactly_one_half(*, seed: int, n: int, duplicate: bool) -> None:
    rng = np.random.default_rng(seed)
    observed, control = rng.gamma(1, 1, (n, G)), rng.gamma(1, 1, G)
    if duplicate:
        observed[-1] = observed[0]
    constant = np.tile(rng.gamma(1, 1, G), (n, 1))
    # a perturbation listed twice is one: the average is over the distinct ones
    score = metrics.pds_cosine(constant, observed, control)[: n - 1 if duplicate else n]
    assert score.mean() == pytest.approx(0.5, abs=1e-15)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_genes_and_perturbations_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, observed, control = rng.gamma(1, 1, (P, G)), rng.gamma(1, 1, (P, G)), rng.gamma(1, 1, G)
    rows, columns = rng.permutation(P), rng.permutation(G)

    def scores(p: np.ndarray, o: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                metrics.mse(p, o),
                metrics.pearson(p, o),
                metrics.pearson_delta(p, o, c),
                metrics.pds_cosine(p, o, c),
                metrics.centroid_accuracy(p, o),
                metrics.wmse(p, o, p - o),
            ]
        )

    before = scores(predicted, observed, control)
    after = scores(predicted[rows][:, columns], observed[rows][:, columns], control[columns])
    np.testing.assert_allclose(after, before[:, rows], atol=1e-10)
    assert metrics.collapse_ratio(predicted[rows][:, columns], observed[rows][:, columns]) == pytest.approx(
        metrics.collapse_ratio(predicted, observed)
    )


def test_nan_stays_in_its_own_row(tables: dict[str, np.ndarray]) -> None:
    predicted, observed = tables["predicted"].copy(), tables["observed"].copy()
    predicted[0, 2] = np.nan
    observed[1, 2] = np.nan
    for score in (
        metrics.mse(predicted, observed),
        metrics.pearson_delta(predicted, observed, tables["control"]),
        metrics.pds_cosine(predicted, observed, tables["control"]),
        metrics.centroid_accuracy(predicted, observed),
    ):
        np.testing.assert_array_equal(np.isnan(score), [True, True] + [False] * (P - 2))
    clean = np.delete(observed, 1, axis=0)
    np.testing.assert_allclose(
        metrics.pds_cosine(predicted, observed, tables["control"])[2:],
        metrics.pds_cosine(np.delete(predicted, 1, axis=0), clean, tables["control"])[1:],
    )


def test_one_perturbation_cannot_be_told_from_others(tables: dict[str, np.ndarray]) -> None:
    one = tables["predicted"][:1], tables["observed"][:1]
    assert np.isnan(metrics.pds_cosine(*one, tables["control"])).all()
    assert np.isnan(metrics.centroid_accuracy(*one)).all()
    assert math.isnan(metrics.collapse_ratio(*one))


def test_labels_in_another_order_are_refused(tables: dict[str, np.ndarray]) -> None:
    names, genes = [f"P{i}" for i in range(P)], [f"G{i}" for i in range(G)]
    predicted = pd.DataFrame(tables["predicted"], index=names, columns=genes)
    observed = pd.DataFrame(tables["observed"], index=names, columns=genes)
    control = pd.Series(tables["control"], index=genes)
    np.testing.assert_allclose(
        metrics.pearson_delta(predicted, observed, control),
        metrics.pearson_delta(tables["predicted"], tables["observed"], tables["control"]),
        rtol=1e-12,
    )
    with pytest.raises(DataError, match="different perturbations or in another order"):
        metrics.mse(predicted, observed.iloc[::-1])
    with pytest.raises(DataError, match=r"different genes or in another order.*G0"):
        metrics.pearson_delta(predicted, observed, control.iloc[::-1])


@pytest.mark.parametrize(
    ("predicted", "observed", "control"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), np.ones(3)),
        (np.ones(3), np.ones(3), np.ones(3)),
        (np.ones((2, 3)), np.ones((2, 3)), np.ones(2)),
        (np.ones((2, 0)), np.ones((2, 0)), np.ones(0)),
    ],
    ids=["genes", "vectors", "control", "no gene"],
)
def test_shapes_that_do_not_fit_are_refused(predicted: np.ndarray, observed: np.ndarray, control: np.ndarray) -> None:
    with pytest.raises(DataError, match="perturbations x genes"):
        metrics.pearson_delta(predicted, observed, control)


def test_bad_genes_and_exclude_are_refused(tables: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="genes must be whole numbers"):
        metrics.mse(tables["predicted"], tables["observed"], genes=np.ones(G, dtype=bool))
    with pytest.raises(DataError, match="exclude must name some"):
        metrics.pds_cosine(tables["predicted"], tables["observed"], tables["control"], exclude=np.ones(G, dtype=bool))


def test_equal_to_cell_gears(golden: Path) -> None:
    folder = golden / "metrics"
    results = json.loads((folder / "results.json").read_text())
    cells = read_archive(folder / "test_res.npz")
    names = list(results["compute_metrics_pert"])
    predicted, observed, predicted_de, observed_de = (
        np.stack([cells[key][cells["pert_cat"] == name].mean(axis=0) for name in names])
        for key in ("pred", "truth", "pred_de", "truth_de")
    )
    genes = np.array([results["de_idx"][name] for name in names])
    np.testing.assert_array_equal(np.take_along_axis(predicted, genes, axis=1), predicted_de)
    np.testing.assert_array_equal(np.take_along_axis(observed, genes, axis=1), observed_de)
    processed = ad.read_h5ad(folder / "processed.h5ad")
    control = np.asarray(processed[processed.obs["condition"] == "ctrl"].X.mean(axis=0)).ravel()

    ours = {
        "mse": metrics.mse(predicted, observed),
        "mse_de": metrics.mse(predicted, observed, genes=genes),
        "pearson": metrics.pearson(predicted, observed),
        "pearson_de": metrics.pearson(predicted, observed, genes=genes),
        "pearson_delta": metrics.pearson_delta(predicted, observed, control),
        "pearson_delta_de": metrics.pearson_delta(predicted, observed, control, genes=genes),
    }
    for key, score in ours.items():
        source = "deeper_analysis" if "delta" in key else "compute_metrics_pert"
        np.testing.assert_allclose(score, [results[source][name][key] for name in names], rtol=1e-6, err_msg=key)
        if key in results["compute_metrics"]:
            assert score.mean() == pytest.approx(results["compute_metrics"][key], rel=1e-6)
    # the original writes 0 where a correlation is undefined; here it stays undefined
    assert results["constant_pred_metrics"]["pearson"] == 0
    assert np.isnan(metrics.pearson(np.ones_like(observed), observed)).all()


def test_the_door_shows_the_scores() -> None:
    assert metrics.__all__ == sorted(metrics.__all__)
    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
