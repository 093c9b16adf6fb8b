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
_TIE = 1e-9
"""Sums that differ by no more than this share of their terms are equal."""


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


def two_sided_p(draws: FloatArray) -> FloatArray:
    """Return how rarely the sign of a mean difference turns, ``2 min(#(d <= 0) + 1, #(d >= 0) + 1) / (n + 1)``.

    Never 0, since ``n`` draws cannot tell; NaN where a column holds no value. Of a dozen differences it comes out too
    small, as their spread does: see :func:`sign_flip_p`.

    Parameters
    ----------
    draws
        Draws x columns: bootstrapped mean differences.
    """
    n = (~np.isnan(draws)).sum(axis=0)
    tail = np.minimum((draws <= 0).sum(axis=0), (draws >= 0).sum(axis=0)) + 1
    return np.where(n > 0, np.minimum(1.0, 2.0 * tail / (n + 1)), np.nan)


def sign_flip_p(differences: FloatArray, *, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Return how often the sum of differences is as large if each could as well have had the other sign.

    Fisher's randomisation test: of all signs where there are no more than ``n_draws`` of them, else of as many drawn
    ones and the observed. Exact if differences are symmetric around 0, however few they are; what is 0 counts for
    nothing.

    Parameters
    ----------
    differences
        Perturbations x columns; NaN is no difference.
    n_draws
        Number of draws.
    rng
        Generator.

    Returns
    -------
    One two-sided p-value per column; NaN where a column holds no value.
    """
    d = np.nan_to_num(differences)
    least = np.abs(d.sum(axis=0)) - _TIE * np.abs(d).sum(axis=0)
    n = len(d)
    if exact := n < n_draws.bit_length():
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        hits = (np.abs(signs @ d) >= least).sum(axis=0)
    else:
        hits = np.ones(d.shape[1])
        for start in range(0, n_draws, step := max(1, _BLOCK // max(n, 1))):
            signs = rng.choice([-1.0, 1.0], size=(min(step, n_draws - start), n))
            hits += (np.abs(signs @ d) >= least).sum(axis=0)
    p = hits / (2**n if exact else n_draws + 1)
    return np.where(np.isfinite(differences).any(axis=0), p, np.nan)


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
