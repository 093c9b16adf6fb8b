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


def test_genes_without_an_interval_are_left_out_of_every_score() -> None:
    whole, observed, predicted, _, made = report()
    lost, kept = [3, 7], np.delete(np.arange(40), [3, 7])
    labels = whole.per_perturbation.iloc[:12][["perturbation", "stratum", "source", "group"]]

    def measured(genes: np.ndarray, intervals: list[Intervals]) -> IntervalReport:
        some = [Intervals(m.lower[:, genes], m.upper[:, genes], m.std[genes]) for m in intervals]
        rng = np.random.default_rng(0)
        tables = observed[:, genes], predicted[:, genes], np.zeros(len(genes))
        return measure_intervals(*tables, some, LEVELS, labels=labels, notes=["said"], rng=rng)

    holes = [Intervals(m.lower.copy(), m.upper.copy(), m.std.copy()) for m in made]
    holes[0].lower[0, 3] = holes[5].std[7] = np.nan
    for name in ("lower", "upper", "std"):
        getattr(holes[2], name)[...] = np.nan  # nothing is predicted for this one
    nothing = [holes[2] if i == 2 else m for i, m in enumerate(made)]
    found, expected = measured(np.arange(40), holes), measured(kept, nothing)
    pd.testing.assert_frame_equal(found.per_perturbation, expected.per_perturbation)
    pd.testing.assert_frame_equal(found.summary, expected.summary)
    assert found.per_perturbation["coverage"].isna().sum() == len(LEVELS)
    assert found.notes[:2] == ("said", f"Scores are over the {40 - len(lost)} of 40 genes that have an interval.")
    assert not any("have an interval" in note for note in expected.notes)


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
    assert found.notes[0] == "said"
    assert str(found).endswith(f"- {found.notes[-1]}")


@pytest.mark.parametrize(
    ("n", "small"), [(1, None), (2, "all (2), a (1), b (1)"), (8, "a (7), b (1)"), (9, "b (1)"), (12, "b (1)")]
)
def test_a_few_perturbations_are_called_few(n: int, small: str | None) -> None:
    found, *_ = report(n)
    said = [note for note in found.notes if "fewer than 8 perturbations" in note]
    assert [f"perturbations: {small}. The intervals" in note for note in said] == ([True] if small else [])
