"""Split-conformal intervals: as wide as the errors on perturbations that were held out.

The unit is the perturbation. For a gene, the error on a new perturbation is as likely to rank anywhere among the errors
on n held-out ones of its stratum, so the ``ceil((n + 1) level)``-th smallest of them is exceeded with a probability of
``1 - level`` at most, whatever the model and whatever the distribution (Vovk, Gammerman & Shafer 2005; Lei et al.,
JASA 2018). That holds gene by gene and on average over perturbations, not for every perturbation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..._errors import DataError
from .intervals import ONE_SD, Intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ...weights.calibration import Calibration
    from ..scores.tables import FloatArray

ALL: Final = "all"
"""The group that small strata are pooled into: every calibration perturbation."""
_ROUNDING: Final = 1e-6
"""Relative error of a stored score: a residual that ties with the quantile must not fall out by rounding."""


class Quantile(NamedTuple):
    """The errors that a share of new perturbations stays below, and from whom they are.

    Attributes
    ----------
    values
        One value per gene, in units of :func:`scale`.
    group
        The stratum, or ``"all"`` where it was too small and pooled.
    n
        Number of calibration perturbations in that group.
    """

    values: FloatArray
    group: str
    n: int


def n_needed(level: float) -> int:
    """Return how many calibration perturbations an interval of this level takes: ``ceil(1 / (1 - level)) - 1``.

    Examples
    --------
    >>> [n_needed(level) for level in (0.5, 0.8, 0.9, 0.95)]
    [1, 4, 9, 19]
    """
    return max(1, math.ceil(round(1.0 / (1.0 - level), 9)) - 1)


def conformal_quantile(scores: npt.ArrayLike, level: float) -> FloatArray:
    """Return, per gene, the ``ceil((n + 1) level)``-th smallest of n scores; infinite where n is too small.

    Parameters
    ----------
    scores
        Calibration perturbations x genes.
    level
        Between 0 and 1.

    Examples
    --------
    >>> conformal_quantile([[3.0], [1.0], [2.0], [4.0]], 0.8)
    array([4.])
    >>> conformal_quantile([[3.0], [1.0], [2.0]], 0.8)
    array([inf])
    """
    table = np.asarray(scores, dtype=np.float64)
    n = len(table)
    if n < n_needed(level):
        return np.full(table.shape[1], np.inf)
    # in double precision 0.9 * 10 is a hair over 9 or under it
    rank = min(n, math.ceil(round((n + 1) * level, 9)))
    quantile: FloatArray = np.partition(table, rank - 1, axis=0)[rank - 1]
    return quantile


def scale(spread: FloatArray, change: FloatArray) -> FloatArray:
    """Return what an error is measured in: ``sqrt(spread_g^2 + change_pg^2)``, log1p units.

    The spread over control cells says how noisy a gene is, the predicted change how much is at stake: a gene that is
    said to move far may be wrong by far. Any scale would keep the coverage; this one makes intervals differ between
    perturbations of a stratum.
    """
    found: FloatArray = np.sqrt(spread**2 + change**2)
    return np.where(found == 0, 1.0, found)


def control_spread(std: npt.ArrayLike, n_cells: int) -> FloatArray:
    """Return the standard deviation of each gene over control cells, those of silent genes lifted off zero.

    ``sqrt(((n - 1) s_g^2 + mean(s^2)) / n)``: one cell's worth of the average gene.
    """
    squares = np.nan_to_num(np.asarray(std, dtype=np.float64)) ** 2
    lifted: FloatArray = np.sqrt(((n_cells - 1) * squares + squares.mean()) / n_cells)
    return lifted


def stratum_quantile(scores: FloatArray, strata: npt.ArrayLike, stratum: str, level: float) -> Quantile:
    """Return the conformal quantile of a stratum, pooled with all others where it is too small.

    A pooled quantile is never below the largest error of the stratum itself, so that intervals grow with their level.

    Parameters
    ----------
    scores
        Calibration perturbations x genes.
    strata
        Stratum of each of them.
    stratum
        The one asked for.
    level
        Between 0 and 1.
    """
    own = scores[np.asarray(strata, dtype=object) == stratum]
    if len(own) >= n_needed(level):
        return Quantile(conformal_quantile(own, level), stratum, len(own))
    pooled = conformal_quantile(scores, level)
    if len(own):
        pooled = np.maximum(pooled, own.max(axis=0))
    return Quantile(pooled, ALL, len(scores))


def conformal_intervals(
    mean: FloatArray, change: FloatArray, calibration: Calibration, stratum: str, levels: Sequence[float]
) -> Intervals:
    """Return intervals around a predicted mean from the stored scores.

    Parameters
    ----------
    mean
        Predicted mean of the genes of the calibration, in their order, log1p of counts per 1e4; NaN where unknown.
    change
        The same less the mean of the control cells.
    calibration
        Of the model.
    stratum
        Of the perturbation.
    levels
        Each between 0 and 1.

    Raises
    ------
    DataError
        There are too few calibration perturbations for a level.
    """
    require_reachable(calibration, max(levels))
    unit = scale(np.asarray(calibration.spread, dtype=np.float64), change) * (1.0 + _ROUNDING)
    scores = np.asarray(calibration.scores, dtype=np.float64)
    halves = [stratum_quantile(scores, calibration.strata, stratum, level).values * unit for level in levels]
    n = len(scores)
    std = stratum_quantile(scores, calibration.strata, stratum, min(ONE_SD, n / (n + 1))).values * unit
    half = np.stack(halves)
    return Intervals(mean - half, mean + half, std)


def require_reachable(calibration: Calibration, level: float) -> None:
    """Refuse a level that the calibration has too few perturbations for, all strata together."""
    n, needed = len(calibration.perturbations), n_needed(level)
    if n < needed:
        msg = (
            f"An interval of {level:.4g} takes {needed} calibration perturbations, and there are {n}: at most "
            f"level={math.floor(1e4 * n / (n + 1)) / 1e4:g}. Run scgenept.tl.calibrate on more, or ask for less."
        )
        raise DataError(msg)


def calibration_table(calibration: Calibration, levels: Sequence[float]) -> list[dict[str, Any]]:
    """Sum up a calibration for the card: one row per stratum and level.

    Returns
    -------
    ``stratum``; ``level``; ``n`` calibration perturbations of the stratum; ``group`` that the quantile is from, the
    stratum itself or ``"all"``, with ``n_group`` perturbations; ``quantile``, the median over genes, in units of
    :func:`scale` (NaN where even all of them are too few); and, where pooled, ``pooled_coverage``: the mean over the
    perturbations of the stratum of the share of genes covered when each is left out. (In a group of its own that is
    mere counting, the same for any model; test perturbations measure it.)
    """
    scores = np.asarray(calibration.scores, dtype=np.float64)
    strata = np.array(calibration.strata, dtype=object)
    rows: list[dict[str, Any]] = []
    for stratum in sorted(set(strata)):
        members = np.flatnonzero(strata == stratum)
        for level in sorted(levels):
            found = stratum_quantile(scores, strata, stratum, level)
            reached = bool(np.isfinite(found.values).all())
            is_pooled = found.group == ALL
            left_out = [_covered_when_left_out(scores, strata, i, level) for i in members.tolist()] if is_pooled else []
            rows.append(
                {
                    "stratum": str(stratum),
                    "level": float(level),
                    "n": len(members),
                    "group": found.group,
                    "n_group": found.n,
                    "quantile": float(np.median(found.values)) if reached else float("nan"),
                    "pooled_coverage": float(np.mean(left_out)) if is_pooled else float("nan"),
                }
            )
    return rows


def _covered_when_left_out(scores: FloatArray, strata: npt.NDArray[np.object_], i: int, level: float) -> float:
    """Share of genes of perturbation i whose score is within the quantile of the others; NaN where they are too few."""
    others = np.arange(len(scores)) != i
    if others.sum() < n_needed(level):
        return float("nan")
    quantile = stratum_quantile(scores[others], strata[others], strata[i], level).values
    return float((scores[i] <= quantile).mean())
