"""What a reader of the tables should be told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from .._errors import listing
from . import scores
from .summary import ALL, FEWEST, MEAN

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from .experiment import Experiment
    from .observation import FloatArray
    from .predictors import Predictor

COLLAPSED_CORRELATION: Final = 0.99
COLLAPSED_SHARE: Final = 0.05
FEW_PERTURBATIONS: Final = 8
"""A bootstrap over fewer perturbations makes intervals that are too narrow."""
SPREAD: Final = ("collapse_ratio", "mean_correlation_between_predictions")


class Spread(NamedTuple):
    """How far predictions for different perturbations differ.

    Attributes
    ----------
    ratio
        :func:`~scgenept.metrics.collapse_ratio`, a mean over genes: the noise of genes that nothing moves hides how
        those vary that something does.
    correlation
        :func:`~scgenept.metrics.mean_correlation_between_predictions`.
    share
        Variance between perturbations, summed over genes, over that of the observed means without the noise of sampling
        cells: ``sum_g Var_p(yhat) / (sum_g Var_p(y) - (P - 1) / P mean_p sum_g s_pg^2 / n_p)``. NaN where the observed
        means differ by no more than noise.
    """

    ratio: float
    correlation: float
    share: float


def spread(predictors: Iterable[Predictor], experiment: Experiment) -> dict[str, Spread]:
    """Return per predictor how far its predictions differ."""
    seen = experiment.seen
    n_cells = seen.bulk.n.loc[list(seen.test)].to_numpy()
    noise = np.square(seen.bulk.std.loc[list(seen.test)].to_numpy()).sum(axis=1) / n_cells
    return {
        p.name: Spread(
            scores.collapse_ratio(p.values, seen.mean),
            scores.mean_correlation_between_predictions(p.values, p.control),
            _share(p.values, seen.mean, noise),
        )
        for p in predictors
    }


def _share(predicted: FloatArray, observed: FloatArray, noise: FloatArray) -> float:
    known = np.isfinite(predicted).all(axis=1)
    if known.sum() < 2 or not np.isfinite(noise[known]).any():
        return float("nan")
    sampled = (1 - 1 / known.sum()) * np.nanmean(noise[known])
    real = observed[known].var(axis=0).sum() - sampled
    return float(predicted[known].var(axis=0).sum() / real) if real > 0 else float("nan")


def collapse_notes(spreads: dict[str, Spread], judged: Iterable[str], observed: float) -> list[str]:
    """Say of which predictors the predictions are one response, or hardly differ between perturbations."""
    notes = []
    for name in judged:
        _, correlation, share = spreads[name]
        varied = (
            ""
            if np.isnan(share)
            else f"the variance of its predictions between perturbations is {share:.1%} of that of the observed means"
        )
        alike = f"correlate at {correlation:.3f} (observed {observed:.2f})"
        if correlation > COLLAPSED_CORRELATION:
            strength = ", in different strengths" if share >= COLLAPSED_SHARE else ""
            notes.append(
                f"{name} has collapsed: it predicts one response whatever is perturbed{strength}. Its predicted "
                f"changes {alike}{', and ' * bool(varied)}{varied}."
            )
        elif share < COLLAPSED_SHARE:
            direction = (
                f". Its predicted changes are not one response, they {alike}, but what tells them apart is small"
            )
            notes.append(
                f"{name} has collapsed: it predicts almost no difference between perturbations; {varied}"
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
                "experiment does not score clearly better than the mean of the training perturbations, or fewer than "
                f"{FEWEST} of them have both scores."
            )
    notes += small_strata_notes(summary, what="Their intervals are")
    for name in judged:
        own = overall[(overall["predictor"] == name) & (overall["n_nan"] > 0)]
        if len(own):
            counts = [f"{metric} {n}" for metric, n in zip(own["metric"], own["n_nan"], strict=True)]
            notes.append(
                f"Undefined scores of {name}, of {int(own['n'].iloc[0])} perturbations: {listing(counts, first=20)}. "
                "They are left out of the means."
            )
    return notes


def small_strata_notes(summary: pd.DataFrame, *, what: str) -> list[str]:
    """Say of which strata the bootstrap makes intervals that are too narrow; a single perturbation has none."""
    sizes = summary.drop_duplicates("stratum").set_index("stratum")["n"]
    small = [f"{name} ({n})" for name, n in sizes.items() if n < FEW_PERTURBATIONS]
    if not small or sizes[ALL] == 1:
        return []
    note = (
        f"Strata of fewer than {FEW_PERTURBATIONS} perturbations: {listing(small, first=12)}. {what} too narrow; read "
        "them as examples."
    )
    return [note]
