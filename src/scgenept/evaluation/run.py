"""From predictors to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys
from ..data.setup import read_setup
from .calibration import HalfScores, score_all, score_on_halves
from .diagnosis import SPREAD, collapse_notes, spread, summary_notes
from .predictors import notes_on_pairs
from .report import Report
from .scores import mean_correlation_between_predictions
from .strata import strata
from .summary import Scored, compare, per_perturbation, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalog import Metric
    from .diagnosis import Spread
    from .experiment import Experiment
    from .halvings import Halvings
    from .predictors import Predictor


def run(
    predictors: Sequence[Predictor],
    experiment: Experiment,
    metrics: Sequence[Metric],
    *,
    halvings: Halvings | None,
    n_boot: int,
    rng: np.random.Generator,
    notes: Sequence[str] = (),
) -> Report:
    """Score predictors, calibrate, compare, and say in words what the numbers do not.

    Parameters
    ----------
    predictors
        What is judged, then baselines, the mean among them.
    experiment
        What they are judged by.
    metrics
        The scores.
    halvings
        Halves of the cells to calibrate on; ``None`` leaves the calibration out.
    n_boot
        Draws of the bootstrap.
    rng
        Generator.
    notes
        What reading the predictions had to say.
    """
    seen = experiment.seen
    full = score_all({p.name: p.guess(seen, experiment) for p in predictors}, seen, metrics)
    halves = HalfScores({}, ())
    if halvings is not None:
        halves = score_on_halves(predictors, experiment, metrics, halvings)
    scored = Scored(
        _strata(experiment), metrics, full, halves.values, tuple(p.name for p in predictors if not p.is_baseline)
    )
    summary = summarise(scored, n_boot=n_boot, rng=rng)
    spreads = spread(predictors, experiment)
    observed = mean_correlation_between_predictions(seen.mean, seen.control)
    words = [
        *collapse_notes(spreads, scored.judged, observed),
        *notes,
        *experiment.notes,
        *halves.notes,
        *(notes_on_pairs(predictors, seen) if halvings is not None and any(m.pairs for m in metrics) else []),
        *summary_notes(summary, scored.judged, calibrated=halvings is not None),
    ]
    if len(experiment.test) == 1:
        words.append(
            "With a single test perturbation there are no intervals, no tests and no discrimination scores, and nobody "
            "knows whether a score can rank predictors (?)."
        )
    return Report(
        per_perturbation=per_perturbation(scored),
        summary=pd.concat([summary, _spread_rows(spreads, summary, len(experiment.test))], ignore_index=True),
        comparisons=compare(scored, n_boot=n_boot, rng=rng),
        notes=tuple(dict.fromkeys(words)),
        about=_about(experiment, scored, 0 if halvings is None else len(halvings), n_boot),
    )


def _strata(experiment: Experiment) -> pd.DataFrame:
    seen = experiment.seen
    size = np.linalg.norm(seen.mean - seen.control, axis=1)
    n_cells = seen.bulk.n.loc[list(experiment.test)].to_numpy()
    return strata(experiment.test, experiment.training, effect_size=size, n_cells=n_cells)


def _spread_rows(spreads: dict[str, Spread], summary: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the two figures of collapse as rows of the summary: of all perturbations together, no mean over them."""
    first = summary.drop_duplicates("predictor").set_index("predictor")["is_baseline"]
    rows = [
        {
            "metric": metric,
            "stratum_of": "panel",
            "stratum": "panel",
            "predictor": name,
            "is_baseline": bool(first[name]),
            "higher_is_better": metric == SPREAD[0],
            "value": figures[i],
            "n": n,
            "n_nan": 0,
            "n_nan_on_halves": n,
            "can_rank": False,
        }
        for i, metric in enumerate(SPREAD)
        for name, figures in spreads.items()
    ]
    table = pd.DataFrame(rows)
    return table.reindex(columns=summary.columns).astype(
        {name: kind for name, kind in summary.dtypes.items() if kind.kind == "f"}
    )


def _about(experiment: Experiment, scored: Scored, n_halvings: int, n_boot: int) -> dict[str, Any]:
    setup = read_setup(experiment.adata)
    n = experiment.seen.bulk.n
    return {
        "predictors": ", ".join(scored.judged),
        "n_test": len(experiment.test),
        "n_training": len(experiment.training),
        "n_test_cells": int(n.loc[list(experiment.test)].sum()),
        "n_control_cells": int(n[_keys.CONTROL]),
        "n_genes": len(experiment.genes),
        "modality": str(setup.modality),
        "cell_type": setup.cell_type,
        "n_halvings": n_halvings,
        "n_boot": n_boot,
    }
