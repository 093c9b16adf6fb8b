"""Whether intervals cover what was observed, and whether the surest predictions are the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..diagnosis import small_strata_notes
from ..scores import aurc, confidence_error_spearman, crps, interval_coverage, interval_width
from ..statistics import bootstrap_means, interval
from .conformal import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..scores.tables import BoolArray, FloatArray
    from .intervals import Intervals

N_TOP = 20
_MEANS = ("coverage", "coverage_top20", "width", "crps", "error")
_N_BOOT = 2000


@dataclass(frozen=True, eq=False)
class IntervalReport:
    """How intervals fared; :func:`scgenept.tl.evaluate_intervals` makes it. The unit is the perturbation.

    Attributes
    ----------
    per_perturbation
        One row per test perturbation and level, scores over the genes with an interval in all of them:
        ``perturbation``, ``stratum``, ``source``, ``group`` (what a conformal interval was calibrated on, ``"all"``
        where the stratum was too small, empty for other sources), ``level``; ``coverage``, the share of genes whose
        observed mean lies inside; ``coverage_top20``, the same of the 20 genes that were seen to change most;
        ``width``, mean over genes; ``crps`` of a normal distribution with the predicted mean and its ``std``;
        ``error``, the mean absolute error; ``confidence``, minus the mean ``std``. Widths, errors and CRPS in log1p of
        counts per 1e4; NaN where nothing is predicted.
    summary
        One row per stratum (``"all"`` first) and level: ``n`` perturbations, the means of the columns above, a 95 %
        interval of the coverage by bootstrap over perturbations (``coverage_low``, ``coverage_high``; NaN for a single
        one), ``aurc`` (area under the risk-coverage curve of confidence against error), ``aurc_random`` (what
        confidence that says nothing gets, the mean error), ``aurc_best`` (what an oracle gets) and
        ``confidence_error_spearman`` (-1 where the surest is always the best).
    notes
        What to know before believing a number.
    """

    per_perturbation: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Return the summary and the notes as plain text."""
        table = self.summary.round(4).to_string(index=False)
        return "\n".join([table, *(f"- {note}" for note in self.notes)])


def measure_intervals(
    observed: FloatArray,
    predicted: FloatArray,
    control: FloatArray,
    intervals: Sequence[Intervals],
    levels: Sequence[float],
    *,
    labels: pd.DataFrame,
    notes: Sequence[str] = (),
    rng: np.random.Generator,
) -> IntervalReport:
    """Score the intervals of some perturbations against what was observed.

    All of them over the same genes: those that have an interval in every perturbation with any.

    Parameters
    ----------
    observed, predicted
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, same unit.
    intervals
        One per perturbation, each levels x genes.
    levels
        Of the rows of the intervals.
    labels
        One row per perturbation: ``perturbation``, ``stratum`` and whatever else is to stand beside the scores.
    notes
        Said beside the tables.
    rng
        Of the bootstrap over perturbations.
    """
    std = np.stack([each.std for each in intervals])
    bounds = {side: np.stack([getattr(each, side) for each in intervals], axis=1) for side in ("lower", "upper")}
    known = _with_interval(std, *bounds.values())
    if not known.all():
        notes = [*notes, f"Scores are over the {known.sum():,} of {len(known):,} genes that have an interval."]
    observed, predicted, control, std = observed[:, known], predicted[:, known], control[known], std[:, known]
    top = np.argsort(-np.abs(observed - control), axis=1, kind="stable")[:, :N_TOP]
    shared: dict[str, FloatArray] = {
        "crps": crps(predicted, observed, std=std),
        "error": np.abs(predicted - observed).mean(axis=1),
        "confidence": -std.mean(axis=1),
    }
    blocks = []
    for row, level in enumerate(levels):
        lower, upper = (table[row][:, known] for table in bounds.values())
        inside = [np.take_along_axis(table, top, axis=1) for table in (observed, lower, upper)]
        scores: dict[str, FloatArray] = {
            "level": np.full(len(observed), level),
            "coverage": interval_coverage(observed, lower, upper),
            "coverage_top20": interval_coverage(inside[0], inside[1], inside[2]),
            "width": interval_width(lower, upper),
        }
        blocks.append(labels.reset_index(drop=True).assign(**scores, **shared))
    table = pd.concat(blocks, ignore_index=True)
    strata = [ALL, *sorted(set(labels["stratum"]))]
    rows = [
        {"stratum": stratum, "level": float(level)} | _summary(chosen, rng)
        for stratum in strata
        for level in levels
        if len(chosen := table[(table["level"] == level) & ((stratum == ALL) | (table["stratum"] == stratum))])
    ]
    summary = pd.DataFrame(rows)
    return IntervalReport(
        table, summary, (*notes, *small_strata_notes(summary, what="The intervals of their coverage are"))
    )


def _with_interval(std: FloatArray, lower: FloatArray, upper: FloatArray) -> BoolArray:
    """Say which genes have an interval wherever a perturbation has any; all of them where there is none at all."""
    has: BoolArray = ~(np.isnan(std) | np.isnan(lower).any(axis=0) | np.isnan(upper).any(axis=0))
    known: BoolArray = np.all(has[has.any(axis=1)], axis=0)
    return known if known.any() else np.ones_like(known)


def _summary(table: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    """Average over perturbations, and say what confidence is worth."""
    low = high = float("nan")
    if len(table) > 1:
        draws = bootstrap_means([table[["coverage"]].to_numpy()], n_boot=_N_BOOT, rng=rng)[0]
        low, high = (float(side[0]) for side in interval(draws))
    confidence, error = (table[name].to_numpy() for name in ("confidence", "error"))
    return {
        "n": len(table),
        **{name: float(table[name].mean()) for name in _MEANS},
        "coverage_low": low,
        "coverage_high": high,
        "aurc": aurc(confidence, error),
        "aurc_random": aurc(np.zeros(len(error)), error),
        "aurc_best": aurc(-error, error),
        "confidence_error_spearman": confidence_error_spearman(confidence, error),
    }
