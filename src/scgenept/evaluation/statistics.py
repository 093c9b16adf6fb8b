"""Statistics over perturbations: bootstrap means and intervals, p-values, Holm's correction."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray: TypeAlias = npt.NDArray[np.float64]

LEVEL = 0.95
_BLOCK = 4_000_000
"""Numbers of resampled counts held at once."""


def bootstrap_means(tables: Sequence[FloatArray], *, n_boot: int, rng: np.random.Generator) -> list[FloatArray]:
    """Resample perturbations with replacement and average each column over those that have a value.

    All tables and columns see the same perturbations in a draw, so that differences and ratios of their means are
    paired.

    Parameters
    ----------
    tables
        Perturbations x columns each, the same perturbations in every table; NaN is no value.
    n_boot
        Number of draws.
    rng
        Generator.

    Returns
    -------
    Draws x columns for each table, float64; NaN where a draw holds no value of a column.
    """
    n = len(tables[0])
    joined = np.concatenate(tables, axis=1)
    known = np.isfinite(joined)
    filled = np.where(known, joined, 0.0)
    partly = not known.all()
    means = np.empty((n_boot, joined.shape[1]))
    step = max(1, _BLOCK // max(n, 1))
    for start in range(0, n_boot, step):
        stop = min(start + step, n_boot)
        counts = rng.multinomial(n, np.full(n, 1.0 / n), size=stop - start).astype(np.float64)
        number = counts @ known if partly else float(n)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[start:stop] = (counts @ filled) / number
    edges = np.cumsum([0, *(table.shape[1] for table in tables)])
    return [means[:, first:last] for first, last in itertools.pairwise(edges)]


def interval(draws: FloatArray, *, level: float = LEVEL) -> tuple[FloatArray, FloatArray]:
    """Return the percentile interval of each column, NaN left out; NaN where a column holds nothing else.

    Parameters
    ----------
    draws
        Draws x columns.
    level
        Share of the draws inside.
    """
    tails = (50 * (1 - level), 50 * (1 + level))
    low, high = np.full((2, draws.shape[1]), np.nan)
    missing = np.isnan(draws)
    whole = ~missing.any(axis=0)
    if whole.any():
        low[whole], high[whole] = np.percentile(draws[:, whole], tails, axis=0)
    for column in np.flatnonzero(~whole & ~missing.all(axis=0)):
        low[column], high[column] = np.percentile(draws[~missing[:, column], column], tails)
    return low, high


def two_sided_p(draws: FloatArray, n: npt.ArrayLike) -> FloatArray:
    """Return how rarely the sign of a mean difference turns, ``2 min(#(d <= 0) + 1, #(d >= 0) + 1) / (n_boot + 1)``.

    Never 0, since a number of draws cannot tell, and never below ``2^(1 - n)``, the least that the exact test of signs
    gives for ``n`` differences: three that are positive by chance are one case in four, however often they are drawn
    again. NaN where a column holds no value.

    Parameters
    ----------
    draws
        Draws x columns: bootstrapped mean differences.
    n
        Of how many differences, per column.
    """
    n_boot = (~np.isnan(draws)).sum(axis=0)
    tail = np.minimum((draws <= 0).sum(axis=0), (draws >= 0).sum(axis=0)) + 1
    p = np.maximum(2.0 * tail / (n_boot + 1), 2.0 ** (1 - np.asarray(n, dtype=np.float64)))
    return np.where(n_boot > 0, np.minimum(1.0, p), np.nan)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Correct p-values of one family of tests after Holm (1979); NaN is no test and stays NaN.

    ``max over j <= i of (m - j + 1) p_(j)``, at most 1, for the ``i``-th smallest of ``m`` p-values.

    Parameters
    ----------
    p_values
        One family, in any order.

    Returns
    -------
    Adjusted p-values in the same order.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, float("nan")])
    array([0.03, 0.06, 0.06,  nan])
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return adjusted
