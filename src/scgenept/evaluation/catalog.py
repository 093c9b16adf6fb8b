"""The scores that a report shows, each as a function of a guess and an observation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from .._errors import UnknownNameError, listing, near_names
from . import scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .observation import FloatArray, Guess, Observation

MetricsLike: TypeAlias = "Literal['default', 'all'] | str | Iterable[str]"


@dataclass(frozen=True)
class Metric:
    """A score and how to read it.

    Attributes
    ----------
    name
        Name in the tables.
    score
        One value per test perturbation; NaN where undefined.
    question
        What it answers, in words.
    higher_is_better
        Which way is up.
    constant
        What a prediction that is the mean of training gets in the calibration, where the formula leaves it undefined.
    default
        Whether a report shows it unless told otherwise.
    pairs
        Whether only pairs have it.
    """

    name: str
    score: Callable[[Guess, Observation], FloatArray]
    question: str
    higher_is_better: bool = True
    constant: float | None = None
    default: bool = True
    pairs: bool = False


def _on_pairs(values: FloatArray, seen: Observation) -> FloatArray:
    spread = np.full(len(seen.test), np.nan)
    spread[seen.pairs] = values
    return spread


def _non_additivity(guess: Guess, seen: Observation) -> FloatArray:
    if not len(seen.pairs):
        return np.full(len(seen.test), np.nan)
    return _on_pairs(
        scores.non_additivity_correlation(
            guess.pairs, seen.mean[seen.pairs], seen.additive, predicted_additive=guess.additive
        ),
        seen,
    )


def _non_additive_genes(guess: Guess, seen: Observation) -> FloatArray:
    if not len(seen.pairs):
        return np.full(len(seen.test), np.nan)
    return _on_pairs(
        scores.non_additive_auprc(guess.pairs, seen.non_additive, seen.additive, predicted_additive=guess.additive),
        seen,
    )


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric(
            "pearson_delta",
            lambda guess, seen: scores.pearson_delta(guess.over(seen.control), seen.mean, seen.control),
            "is the change over control right, over all genes",
        ),
        Metric(
            "pearson_delta_top20",
            lambda guess, seen: scores.pearson_delta(guess.over(seen.control), seen.mean, seen.control, genes=seen.top),
            "the same over the 20 genes moved most surely",
        ),
        Metric(
            "mse",
            lambda guess, seen: scores.mse(guess.values, seen.mean),
            "how far off, over all genes",
            higher_is_better=False,
        ),
        Metric(
            "mse_top20",
            lambda guess, seen: scores.mse(guess.values, seen.mean, genes=seen.top),
            "how far off, over the 20 genes moved most surely",
            higher_is_better=False,
        ),
        Metric(
            "pearson_delta_ref_mean",
            lambda guess, seen: scores.pearson_delta_ref_mean(guess.values, seen.mean, seen.reference_mean),
            "is what is special to the perturbation right",
            constant=0.0,
        ),
        Metric(
            "wmse",
            lambda guess, seen: scores.wmse(guess.values, seen.mean, seen.statistic),
            "how far off where this perturbation differs from others",
            higher_is_better=False,
        ),
        Metric(
            "weighted_r2_delta",
            lambda guess, seen: scores.weighted_r2_delta(
                guess.values, seen.mean, seen.statistic, reference=seen.reference_mean
            ),
            "share explained of what is special to the perturbation",
        ),
        Metric(
            "pds_cosine",
            lambda guess, seen: scores.pds_cosine(
                guess.over(seen.control), seen.mean, seen.control, exclude=seen.targets
            ),
            "does the prediction know which perturbation it was (chance: 0.5)",
        ),
        Metric(
            "centroid_accuracy",
            lambda guess, seen: scores.centroid_accuracy(guess.values, seen.mean),
            "is the own observation nearer than those of others (chance: 0.5)",
        ),
        Metric(
            "de_auprc",
            lambda guess, seen: scores.de_auprc(guess.over(seen.control), seen.significant, seen.control),
            "are the responding genes found",
        ),
        Metric(
            "de_recall_at_k",
            lambda guess, seen: scores.de_recall_at_k(guess.over(seen.control), seen.significant, seen.control),
            "share of the responding genes among as many predicted ones",
        ),
        Metric(
            "direction_agreement",
            lambda guess, seen: scores.direction_agreement(
                guess.over(seen.control), seen.mean, seen.control, significant=seen.significant
            ),
            "do responding genes move the right way (chance: 0.5)",
        ),
        Metric(
            "lfc_nmae",
            lambda guess, seen: scores.lfc_nmae(
                guess.over(seen.control), seen.mean, seen.control, significant=seen.significant
            ),
            "relative error of the fold change of responding genes (no change: 1)",
            higher_is_better=False,
        ),
        Metric(
            "top_k_overlap",
            lambda guess, seen: scores.top_k_overlap(guess.over(seen.control), seen.mean, seen.control),
            "overlap of the 20 largest changes",
        ),
        Metric(
            "non_additivity_correlation",
            _non_additivity,
            "is what a pair does beyond its singles right",
            pairs=True,
        ),
        Metric(
            "non_additive_auprc",
            _non_additive_genes,
            "are the genes found that respond to a pair other than additively",
            pairs=True,
        ),
        Metric(
            "pearson",
            lambda guess, seen: scores.pearson(guess.values, seen.mean),
            "correlation of expression: near 1 for any prediction",
            default=False,
        ),
        Metric(
            "correct_direction",
            lambda guess, seen: scores.correct_direction(guess.over(seen.control), seen.mean, seen.control),
            "share of all genes that move the right way: mostly noise",
            default=False,
        ),
        Metric(
            "opposite_direction_top20",
            lambda guess, seen: scores.opposite_direction(
                guess.over(seen.control), seen.mean, seen.control, genes=seen.top
            ),
            "share of the 20 genes moved most surely that move the wrong way",
            higher_is_better=False,
            default=False,
        ),
    )
}
"""Name -> score, the published ones first."""


def choose_metrics(wanted: MetricsLike, *, has_pairs: bool) -> list[Metric]:
    """Return the scores asked for.

    Parameters
    ----------
    wanted
        ``"default"``, ``"all"``, one name or several.
    has_pairs
        Whether there is a pair whose genes were observed alone; without one, ``"default"`` and ``"all"`` leave out
        the scores of pairs.

    Raises
    ------
    UnknownNameError
        No score has that name, or none is asked for.
    """
    if isinstance(wanted, str) and wanted in {"default", "all"}:
        return [m for m in METRICS.values() if (m.default or wanted == "all") and (has_pairs or not m.pairs)]
    names = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
    if unknown := [name for name in names if name not in METRICS]:
        msg = (
            f"There is no score {listing(unknown)}.{near_names(str(unknown[0]), METRICS)} Known: {', '.join(METRICS)}."
        )
        raise UnknownNameError(msg)
    if not names:
        msg = f"metrics names no score. Known: {', '.join(METRICS)}."
        raise UnknownNameError(msg)
    return [METRICS[name] for name in names]
