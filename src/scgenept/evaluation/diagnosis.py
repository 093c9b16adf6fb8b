"""What a reader of the tables should be told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from .._errors import listing
from . import scores
from .summary import ALL, MEAN

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from .experiment import Experiment
    from .predictors import Predictor

COLLAPSED_CORRELATION: Final = 0.99
COLLAPSED_RATIO: Final = 0.05
FEW_PERTURBATIONS: Final = 8
"""A bootstrap over fewer perturbations makes intervals that are too narrow."""
SPREAD: Final = ("collapse_ratio", "mean_correlation_between_predictions")


def spread(predictors: Iterable[Predictor], experiment: Experiment) -> dict[str, tuple[float, float]]:
    """Return per predictor the collapse ratio and the mean correlation between its predicted changes."""
    seen = experiment.seen
    return {
        p.name: (
            scores.collapse_ratio(p.values, seen.mean),
            scores.mean_correlation_between_predictions(p.values, p.control),
        )
        for p in predictors
    }


def collapse_notes(spreads: dict[str, tuple[float, float]], judged: Iterable[str], observed: float) -> list[str]:
    """Say of which predictors the predictions are one response, or hardly differ between perturbations."""
    notes = []
    for name in judged:
        ratio, correlation = spreads[name]
        spread_of_it = f"the spread of its predictions over perturbations is {ratio:.1%} of what was observed"
        alike = f"correlate at {correlation:.3f} (observed {observed:.2f})"
        if correlation > COLLAPSED_CORRELATION:
            strength = ", in different strengths" if ratio >= COLLAPSED_RATIO else ""
            notes.append(
                f"{name} has collapsed: it predicts one response whatever is perturbed{strength}. Its predicted "
                f"changes {alike}, and {spread_of_it}."
            )
        elif ratio < COLLAPSED_RATIO:
            direction = (
                f". Its predicted changes are not one response, they {alike}, but what tells them apart is small"
            )
            notes.append(
                f"{name} has collapsed: it predicts almost no difference between perturbations; {spread_of_it}"
                f"{'' if np.isnan(correlation) else direction}."
            )
    return notes


def summary_notes(summary: pd.DataFrame, judged: Iterable[str], *, calibrated: bool) -> list[str]:
    """Say which scores cannot rank anybody, which strata are small, and how many scores are undefined."""
    notes = []
    overall = summary[summary["stratum"] == ALL]
    if calibrated:
        one = overall[(overall["predictor"] == MEAN) & (overall["n"] > 1)]
        if blunt := list(one.loc[~one["can_rank"], "metric"]):
            notes.append(
                f"Here {listing(blunt, first=20)} cannot rank predictors: on these perturbations a replicate of the "
                "experiment does not score clearly better than the mean of the training perturbations, or one of "
                "them has no score."
            )
    sizes = summary.drop_duplicates("stratum").set_index("stratum")["n"]
    small = [f"{name} ({n})" for name, n in sizes.items() if n < FEW_PERTURBATIONS]
    if small and sizes[ALL] > 1:
        notes.append(
            f"Strata of fewer than {FEW_PERTURBATIONS} perturbations: {listing(small, first=12)}. Their intervals are "
            "too narrow; read them as examples."
        )
    for name in judged:
        own = overall[(overall["predictor"] == name) & (overall["n_nan"] > 0)]
        if len(own):
            counts = [f"{metric} {n}" for metric, n in zip(own["metric"], own["n_nan"], strict=True)]
            notes.append(
                f"Undefined scores of {name}, of {int(own['n'].iloc[0])} perturbations: {listing(counts, first=20)}. "
                "They are left out of the means."
            )
    return notes
