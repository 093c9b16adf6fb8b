"""Signs, fold changes and ranges against loops, and every key of cell-gears 0.0.2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scgenept import metrics
from scgenept._errors import DataError
from tests.golden_files import read_archive

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def original(golden: Path) -> dict:
    """What cell-gears was given, averaged as it averages: in float32, by scipy."""
    folder = golden / "metrics"
    processed = ad.read_h5ad(folder / "processed.h5ad")
    labels = processed.obs["condition"]
    means = {name: np.asarray(processed[labels == name].X.mean(axis=0)).ravel() for name in labels.unique()}
    place = {gene: i for i, gene in enumerate(processed.var_names)}
    ranked = json.loads((folder / "uns.json").read_text())["rank_genes_groups_cov_all"]
    full_names = dict(zip(labels.astype(str), processed.obs["condition_name"].astype(str), strict=True))
    return {
        "pseudobulks": pd.DataFrame(means).T,
        "ranking": {n: [place[g] for g in ranked[full]] for n, full in full_names.items() if full in ranked},
        "results": json.loads((folder / "results.json").read_text()),
        "end_to_end": json.loads((folder / "end_to_end.json").read_text()),
        "cells": read_archive(folder / "test_res.npz"),
        "cells_end_to_end": read_archive(folder / "end_to_end_eval.npz"),
    }


def gears(original: dict, cells: str = "cells", **changes: object) -> dict[str, dict[str, float]]:
    given = {
        "labels": original[cells]["pert_cat"],
        "pseudobulks": original["pseudobulks"],
        "ranking": original["ranking"],
        **changes,
    }
    return metrics.gears_metrics(original[cells]["pred"], original[cells]["truth"], **given)


def test_every_key_equals_the_original(original: dict) -> None:
    scores, results = gears(original), original["results"]
    assert list(scores) == list(results["compute_metrics_pert"])
    for name, ours in scores.items():
        theirs = {
            key: value
            for source in ("compute_metrics_pert", "deeper_analysis", "non_dropout_analysis")
            for key, value in results[source][name].items()
        }
        assert set(ours) == set(theirs)
        np.testing.assert_allclose(
            [ours[key] for key in theirs], list(theirs.values()), rtol=1e-6, atol=1e-12, err_msg=name
        )
    summary = metrics.gears_summary(scores)
    for key, value in results["compute_metrics"].items():
        assert summary[f"test_{key}"] == pytest.approx(value, rel=1e-6)


def test_control_cells_have_four_scores(original: dict) -> None:
    results, cells = original["results"], original["cells"]
    control = original["pseudobulks"].loc["ctrl"].to_numpy(dtype=np.float64)
    truth = np.concatenate([cells["truth"], control[None]])
    predicted = np.concatenate([cells["pred"], control[None] + 0.1])
    scores = metrics.gears_metrics(
        predicted,
        truth,
        labels=[*cells["pert_cat"], "ctrl"],
        pseudobulks=original["pseudobulks"],
        ranking=original["ranking"],
    )
    assert scores["ctrl"] == pytest.approx(results["compute_metrics_with_ctrl_pert"]["ctrl"], rel=1e-6)
    summary = metrics.gears_summary(scores)
    for key, value in results["compute_metrics_with_ctrl"].items():
        assert summary[f"test_{key}"] == pytest.approx(value, rel=1e-6)


def test_undefined_is_zero_in_this_view_only(original: dict) -> None:
    cells = original["cells"]
    constant = metrics.gears_metrics(
        np.full_like(cells["truth"], 0.5),
        cells["truth"],
        labels=cells["pert_cat"],
        pseudobulks=original["pseudobulks"],
        ranking=original["ranking"],
    )
    summary = metrics.gears_summary(constant)
    for key, value in original["results"]["constant_pred_metrics"].items():
        assert summary[f"test_{key}"] == pytest.approx(value, rel=1e-6)


def test_a_whole_test_by_subgroup(original: dict) -> None:
    scores, expected = gears(original, "cells_end_to_end"), original["end_to_end"]
    for name, theirs in expected["pert_res"].items():
        assert {key: scores[name][key] for key in theirs} == pytest.approx(theirs, rel=1e-6)
    summary = metrics.gears_summary(scores, subgroups=expected["subgroup"]["test_subgroup"])
    assert summary == pytest.approx({key: float(value) for key, value in expected["test_metrics"].items()}, rel=1e-6)
    assert metrics.gears_summary(scores, subgroups={"combo_seen0": []}) == metrics.gears_summary(scores)


def test_fewer_than_twenty_genes_and_all_zero_cells() -> None:
    rng = np.random.default_rng(0)
    means = pd.DataFrame(rng.gamma(1, 1, (3, 5)), ["ctrl", "A", "B"])
    means.loc["B"] = 0.0
    truth = np.concatenate([rng.gamma(1, 1, (6, 5)), np.zeros((4, 5))])
    scores = metrics.gears_metrics(
        truth + 0.1,
        truth,
        labels=["A"] * 6 + ["B"] * 4,
        pseudobulks=means,
        ranking={"A": [4, 2, 0, 1, 3], "B": [0, 1, 2, 3, 4]},
    )
    assert scores["A"]["mse_de"] == pytest.approx(scores["A"]["mse"])
    assert scores["A"]["frac_in_range"] <= 1
    assert "frac_in_range" not in scores["B"]  # all its cells are zero
    assert "mse_top20_de_non_dropout" not in scores["B"]  # every gene is a dropout


def test_parts_equal_loops() -> None:
    rng = np.random.default_rng(4)
    predicted, observed = (np.round(rng.gamma(1, 1, (4, 9)), 1) for _ in range(2))
    control, std = np.round(rng.gamma(1, 0.5, 9), 1) + 0.1, np.round(rng.gamma(0.5, 0.5, (4, 9)), 1)
    lower, upper = observed - std, observed + std
    genes = np.stack([rng.choice(9, 4, replace=False) for _ in range(4)])
    observed[0, :3] = control[:3]

    def sign(x: float) -> int:
        return int(x > 0) - int(x < 0)

    for p in range(4):
        moves = [(sign(predicted[p, g] - control[g]), sign(observed[p, g] - control[g])) for g in genes[p]]
        correct = metrics.correct_direction(predicted, observed, control, genes=genes)
        opposite = metrics.opposite_direction(predicted, observed, control, genes=genes)
        assert correct[p] == pytest.approx(sum(a == b for a, b in moves) / 4)
        assert opposite[p] == pytest.approx(sum(a * b == -1 for a, b in moves) / 4)
        chosen = [g for g in range(9) if 1.2 < observed[p, g] / control[g] < 9 and observed[p, g] >= 0.3]
        gap = metrics.fold_change_gap(predicted, observed, control, above=1.2, below=9, minimum=0.3)
        assert gap[p] == pytest.approx(
            sum(abs(predicted[p, g] - observed[p, g]) / control[g] for g in chosen) / len(chosen)
        )
        inside = [lower[p, g] <= predicted[p, g] <= upper[p, g] for g in genes[p]]
        assert metrics.within_range(predicted, lower, upper, genes=genes)[p] == pytest.approx(sum(inside) / 4)
        varied = [g for g in range(9) if std[p, g] > 0]
        sigma = [abs(predicted[p, g] - observed[p, g]) / std[p, g] for g in varied]
        assert metrics.mean_sigma(predicted, observed, std)[p] == pytest.approx(sum(sigma) / len(sigma))


def test_rounding_has_a_sign_in_this_view_only() -> None:
    """The original compares with an exact zero; the scores do not take rounding for a direction."""
    control = np.array([0.1, 0.2, 0.3, 0.7, 1.1])
    predicted = np.stack([control, control]).astype(np.float32).astype(float)
    observed = np.stack([control + 1, control + 1])
    scores = metrics.gears_metrics(
        predicted,
        observed,
        labels=["A", "A"],
        pseudobulks=pd.DataFrame([control, control + 1], index=["ctrl", "A"]),
        ranking={"A": range(5)},
    )
    share = sum(a > b for a, b in zip(predicted[0], control, strict=True)) / 5
    assert 0 < share < 1
    assert scores["A"]["frac_correct_direction_all"] == scores["A"]["frac_correct_direction_non_dropout"] == share
    assert metrics.correct_direction(predicted, observed, control).tolist() == [0, 0]


def test_nan_and_nothing_stay_nan() -> None:
    y, nan = np.ones((2, 3)), np.array([[1.0, np.nan, 1.0], [2.0, 2.0, 2.0]])
    c = np.ones(3)
    for score in (
        metrics.correct_direction(nan, y, c),
        metrics.opposite_direction(nan, y, c),
        metrics.within_range(nan, y, y),
        metrics.mean_sigma(nan, y, y),
    ):
        np.testing.assert_array_equal(np.isnan(score), [True, False])
    assert np.isnan(metrics.fold_change_gap(nan, y, c)[0])
    assert np.isnan(metrics.fold_change_gap(y, y, c, above=3)).all()
    assert np.isnan(metrics.mean_sigma(y, y, y * 0)).all()


def test_what_is_missing_is_named() -> None:
    means = pd.DataFrame(np.ones((2, 3)), ["ctrl", "A"])
    with pytest.raises(DataError, match="ranking lacks 1 labels: A"):
        metrics.gears_metrics(np.ones((1, 3)), np.ones((1, 3)), labels=["A"], pseudobulks=means, ranking={})
    with pytest.raises(DataError, match="pseudobulks lacks 1 labels: B"):
        metrics.gears_metrics(np.ones((1, 3)), np.ones((1, 3)), labels=["B"], pseudobulks=means, ranking={})
    with pytest.raises(DataError, match="one label per cell"):
        metrics.gears_metrics(np.ones((2, 3)), np.ones((2, 3)), labels=["A"], pseudobulks=means, ranking={})
