"""Reports that are made without an experiment: random scores, tables by the code that makes them of real ones."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from scgenept.evaluation.calibration import REPLICATE
from scgenept.evaluation.catalog import METRICS
from scgenept.evaluation.report import Report
from scgenept.evaluation.strata import strata
from scgenept.evaluation.summary import COMPARISON_COLUMNS, Scored, summarise

SCORES = ("pearson_delta", "mse", "pearson_delta_ref_mean", "pds_cosine")
TRAINING = ("A", "B", "A+G")
TEST = ("C", "D", "E", "A+C", "B+D", "B+C", "C+D", "D+E", "G", "A+B")
BASELINES = ("mean", "no_change", "additive", "knn")


def scored(
    judged: tuple[str, ...] = ("model",),
    baselines: tuple[str, ...] = BASELINES,
    test: tuple[str, ...] = TEST,
    *,
    seed: int = 0,
) -> Scored:
    """Scores that rank: the mean is bad, the replicate good, the others between."""
    rng = np.random.default_rng(seed)
    metrics = [METRICS[name] for name in SCORES]
    sign = np.array([1.0 if metric.higher_is_better else -1.0 for metric in metrics])
    level = {
        "mean": 0.1,
        REPLICATE: 0.9,
        **{name: rng.uniform(0.1, 0.8) for name in (*judged, *baselines) if name != "mean"},
    }

    def draw(name: str) -> np.ndarray:
        return 1.0 + sign * (level[name] - 1 + rng.normal(0, 0.05, (len(test), len(metrics))))

    full = {name: draw(name) for name in (*judged, *baselines)}
    halves = {name: draw(name) for name in (REPLICATE, *judged, *baselines)}
    frame = strata(test, TRAINING, effect_size=rng.uniform(1, 5, len(test)), n_cells=np.arange(len(test)) + 50)
    return Scored(frame, metrics, full, halves, judged)


def report_of(made: Scored, *, n_boot: int = 50) -> Report:
    rng = np.random.default_rng(0)
    about = SimpleNamespace(
        predictors=", ".join(made.judged),
        n_test=len(made.strata),
        n_training=len(TRAINING),
        n_genes=500,
        modality="CRISPRa",
        cell_type="K562",
        n_halvings=5 if made.halves else 0,
        n_boot=n_boot,
    )
    # figures read the summary alone
    others = made.strata.reset_index(), pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    return Report(others[0], summarise(made, n_boot=n_boot, rng=rng), others[1], (), vars(about))
