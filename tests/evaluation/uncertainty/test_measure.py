"""How intervals fared: every number of the report against the scores themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from scgenept import metrics
from scgenept.evaluation.uncertainty.intervals import Intervals
from scgenept.evaluation.uncertainty.measure import measure_intervals

if TYPE_CHECKING:
    from scgenept.evaluation.uncertainty.measure import IntervalReport

LEVELS = [0.5, 0.9]


def report(
    n: int = 12, n_genes: int = 40
) -> tuple[IntervalReport, np.ndarray, np.ndarray, np.ndarray, list[Intervals]]:
    rng = np.random.default_rng(0)
    observed = rng.normal(size=(n, n_genes))
    std = rng.exponential(size=(n, 1)) * np.ones(n_genes) + 0.1
    predicted = observed + std * rng.normal(size=(n, n_genes))
    made = [
        Intervals(np.stack([p - z * s for z in (0.674, 1.645)]), np.stack([p + z * s for z in (0.674, 1.645)]), s)
        for p, s in zip(predicted, std, strict=True)
    ]
    labels = pd.DataFrame(
        {
            "perturbation": [f"P{i}" for i in range(n)],
            "stratum": ["a"] * (n - 1) + ["b"],
            "source": "conformal",
            "group": "a",
        }
    )
    found = measure_intervals(
        observed, predicted, np.zeros(n_genes), made, LEVELS, labels=labels, notes=["said"], rng=rng
    )
    return found, observed, predicted, std, made


def test_scores_per_perturbation() -> None:
    found, observed, predicted, std, made = report()
    table = found.per_perturbation
    assert len(table) == 24
    wide = table[table["level"] == 0.9].reset_index(drop=True)
    lower, upper = np.stack([m.lower[1] for m in made]), np.stack([m.upper[1] for m in made])
    np.testing.assert_allclose(wide["coverage"], metrics.interval_coverage(observed, lower, upper))
    np.testing.assert_allclose(wide["crps"], metrics.crps(predicted, observed, std=std))
    np.testing.assert_allclose(wide["confidence"], -std[:, 0])
    for i in range(12):
        top = np.argsort(-np.abs(observed[i]))[:20]
        assert wide["coverage_top20"][i] == np.mean((lower[i] <= observed[i])[top] & (observed[i] <= upper[i])[top])


def test_summary_is_over_perturbations() -> None:
    found, *_ = report()
    assert found.summary[["stratum", "level", "n"]].to_numpy().tolist() == [
        ["all", 0.5, 12],
        ["all", 0.9, 12],
        ["a", 0.5, 11],
        ["a", 0.9, 11],
        ["b", 0.5, 1],
        ["b", 0.9, 1],
    ]
    everything, single = found.summary.iloc[1], found.summary.iloc[5]
    wide = found.per_perturbation.query("level == 0.9")
    assert everything["coverage"] == pytest.approx(wide["coverage"].mean())
    assert everything["coverage_low"] < everything["coverage"] < everything["coverage_high"]
    assert everything["aurc"] == pytest.approx(metrics.aurc(wide["confidence"], wide["error"]))
    assert (
        everything["aurc_best"] <= everything["aurc"] < everything["aurc_random"] == pytest.approx(wide["error"].mean())
    )
    assert everything["confidence_error_spearman"] < -0.9
    assert np.isnan(single["coverage_low"])
    assert np.isnan(single["confidence_error_spearman"])
    assert str(found).endswith("- said")
