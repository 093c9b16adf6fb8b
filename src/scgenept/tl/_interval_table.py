"""How the conformal intervals of a calibrated model fare, from predictions that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..evaluation.uncertainty.conformal import n_needed
from ..evaluation.uncertainty.intervals import LEVELS, Uncertainty
from ..evaluation.uncertainty.measure import measure_intervals
from ..perturbation import Perturbation
from ._intervals import calibration_of, make_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..evaluation.uncertainty.measure import IntervalReport
    from ..weights.model import ScGenePT
    from ._intervals import Made


def interval_table(
    model: ScGenePT,
    genes: Sequence[str],
    perturbations: Sequence[str],
    *,
    observed: np.ndarray,
    predicted: np.ndarray,
    control: np.ndarray,
    rng: np.random.Generator,
) -> IntervalReport | None:
    """Measure the intervals of a model that was just evaluated, without predicting again.

    Parameters
    ----------
    model
        Calibrated or not.
    genes, perturbations
        Names of columns and rows.
    observed, predicted
        Perturbations x genes, mean over cells, log1p of counts per 1e4; rows that are not predicted are NaN.
    control
        Mean of the control cells that were predicted from, (genes,), same unit.
    rng
        Of the bootstrap over perturbations.

    Returns
    -------
    What :func:`scgenept.tl.evaluate_intervals` does, for the perturbations that are predicted and were not calibrated
    on; ``None`` where the model is not calibrated or none is left.
    """
    if model.calibration is None:
        return None
    calibration = calibration_of(model)
    levels = [level for level in LEVELS if n_needed(level) <= len(calibration.perturbations)]
    known = ~np.isnan(predicted).any(axis=1)
    rows = [i for i in np.flatnonzero(known).tolist() if perturbations[i] not in calibration.perturbations]
    if not rows or not levels:
        return None
    wish = Uncertainty("conformal", level=0.9 if 0.9 in levels else levels[-1])
    made = [
        make_intervals(
            wish,
            levels,
            model=model,
            perturbation=Perturbation.parse(perturbations[i]),
            genes=genes,
            cells=predicted[i : i + 1],
            member_means=predicted[i : i + 1],
            control_mean=control,
            modality="unknown",
            rng=rng,
        )
        for i in rows
    ]
    return fared(
        made,
        levels,
        perturbations=[perturbations[i] for i in rows],
        strata=[each.facts["interval_stratum"] for each in made],
        source="conformal",
        tables=(observed[rows], predicted[rows], control),
        rng=rng,
    )


def fared(
    made: Sequence[Made],
    levels: Sequence[float],
    *,
    perturbations: Sequence[str],
    strata: Sequence[str],
    source: str,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
    notes: Sequence[str] = (),
    rng: np.random.Generator,
) -> IntervalReport:
    """Hold intervals against what was observed.

    Parameters
    ----------
    made
        One per perturbation.
    levels
        Of their rows.
    perturbations, strata
        Of the perturbations.
    source
        Of the intervals.
    tables
        Observed and predicted means, perturbations x genes, and the control mean, (genes,), log1p of counts per 1e4.
    notes
        To be said first; what was said of the intervals follows.
    rng
        Of the bootstrap over perturbations.
    """
    labels = pd.DataFrame(
        {
            "perturbation": list(perturbations),
            "stratum": list(strata),
            "source": source,
            "group": [str(each.facts.get("interval_group", "")) for each in made],
        }
    )
    words = dict.fromkeys([*notes, *(word for each in made for word in each.words)])
    observed, predicted, control = tables
    return measure_intervals(
        observed,
        predicted,
        control,
        [each.intervals for each in made],
        levels,
        labels=labels,
        notes=list(words),
        rng=rng,
    )
