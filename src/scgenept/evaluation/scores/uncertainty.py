"""Whether a prediction knows how sure it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from ..._errors import DataError
from .directions import within_range
from .tables import correlation, ratio, read

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import FloatArray, Pseudobulks


def interval_coverage(observed: Pseudobulks, lower: Pseudobulks, upper: Pseudobulks) -> FloatArray:
    """Share of genes whose observed mean lies in the predicted interval: ``mean_g [lower_g <= y_g <= upper_g]``.

    An interval of 90 % should cover 90 %, over perturbations: genes of one perturbation are not independent.

    Parameters
    ----------
    observed, lower, upper
        Perturbations x genes, log1p of counts per 1e4.

    Returns
    -------
    One value in 0..1 per perturbation; NaN where a value is not a number.

    Raises
    ------
    DataError
        Shapes or labels do not agree.

    Examples
    --------
    >>> interval_coverage([[1.0, 2.0]], [[0.0, 3.0]], [[2.0, 4.0]])
    array([0.5])
    """
    return within_range(observed, lower, upper)


def interval_width(lower: Pseudobulks, upper: Pseudobulks) -> FloatArray:
    """Mean width of the predicted intervals: ``mean_g (upper_g - lower_g)``. Of two that cover, the narrower is better.

    Parameters
    ----------
    lower, upper
        Perturbations x genes, log1p of counts per 1e4.

    Returns
    -------
    One value per perturbation, log1p units; infinite where an interval is.

    Raises
    ------
    DataError
        Shapes or labels do not agree.

    Examples
    --------
    >>> interval_width([[0.0, 3.0]], [[2.0, 4.0]])
    array([1.5])
    """
    lower, upper = read(lower=lower, upper=upper)
    width: FloatArray = (upper - lower).mean(axis=1)
    return width


def crps(predicted: npt.ArrayLike, observed: Pseudobulks, *, std: npt.ArrayLike | None = None) -> FloatArray:
    """Continuous ranked probability score of a predictive distribution, mean over genes.

    ``E|X - y| - E|X - X'| / 2``, a proper score in the unit of the data; of a point it is the absolute error (Gneiting
    & Raftery, JASA 2007). With ``std`` it is Gaussian: ``s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))``,
    ``z = (y - yhat) / s``. Without, ``predicted`` is an ensemble, and ``E|X - X'|`` runs over pairs of different
    members, so that an ensemble of five is not punished for being small (the fair score of Ferro, QJRMS 2014).

    Parameters
    ----------
    predicted
        Mean, perturbations x genes, with ``std``; otherwise members x perturbations x genes, two members at least. In
        log1p of counts per 1e4.
    observed
        Perturbations x genes, log1p of counts per 1e4.
    std
        Standard deviation of the prediction, perturbations x genes, log1p units; 0 is a point.

    Returns
    -------
    One value per perturbation, log1p units, 0 is perfect; NaN where a value is not a number or a ``std`` is negative.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or there are fewer than two members.

    Examples
    --------
    >>> crps([[0.0]], [[0.0]], std=[[1.0]]).round(4)
    array([0.2337])
    >>> crps([[[0.0]], [[2.0]]], [[1.0]])
    array([0.])
    """
    if std is not None:
        mean, truth, spread = read(predicted=predicted, observed=observed, std=std)
        z = ratio(truth - mean, spread)
        closed = spread * (z * (2.0 * stats.norm.cdf(z) - 1.0) + 2.0 * stats.norm.pdf(z) - 1.0 / np.sqrt(np.pi))
        each = np.where(spread == 0, np.abs(truth - mean), np.where(spread < 0, np.nan, closed))
        return np.asarray(each.mean(axis=1), dtype=np.float64)
    members = np.asarray(predicted, dtype=np.float64)
    if members.ndim != 3 or len(members) < 2:
        msg = (
            f"Without std, predicted must be members x perturbations x genes, two members or more; got {members.shape}."
        )
        raise DataError(msg)
    _, truth = read(predicted=members[0], observed=observed)
    n = len(members)
    error = np.abs(members - truth).mean(axis=0)
    # sum over pairs i < j of x_(j) - x_(i), from the ordered members
    rank = (2.0 * np.arange(n) - n + 1.0)[:, None, None]
    spread = (rank * np.sort(members, axis=0)).sum(axis=0) / (n * (n - 1))
    return np.asarray((error - spread).mean(axis=1), dtype=np.float64)


def risk_coverage(confidence: npt.ArrayLike, error: npt.ArrayLike) -> pd.DataFrame:
    """Mean error of the most confident predictions, for every share of them that one could keep.

    ``risk(k / n) = mean error of the k most confident`` (Geifman & El-Yaniv, NeurIPS 2017). Equal confidence counts as
    in a random order, so the curve does not depend on the order of the perturbations.

    Parameters
    ----------
    confidence
        One value per perturbation, larger is surer, any unit: minus the width of its interval, for example.
    error
        One value per perturbation, any score for which less is better.

    Returns
    -------
    One row per perturbation with both values: ``coverage`` (k / n) and ``risk`` (unit of the error). Perturbations with
    a NaN are left out.

    Raises
    ------
    DataError
        The two are not one value per perturbation each.

    Examples
    --------
    >>> risk_coverage([3.0, 1.0, 2.0], [0.0, 4.0, 2.0])["risk"].tolist()
    [0.0, 1.0, 2.0]
    """
    sure, wrong = _both_known(confidence, error)
    _, group = np.unique(-sure, return_inverse=True)
    size = np.bincount(group)
    expected = np.bincount(group, weights=wrong)[group] / size[group] if len(sure) else wrong
    kept = np.arange(1, len(sure) + 1)
    risk = np.cumsum(expected[np.argsort(group, kind="stable")]) / kept
    return pd.DataFrame({"coverage": kept / max(len(sure), 1), "risk": risk})


def aurc(confidence: npt.ArrayLike, error: npt.ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean of ``risk(k / n)`` over k (Geifman et al., ICLR 2019).

    Confidence that says nothing gets the mean error. Lower is better; the least possible is that of ``-error``.

    Parameters
    ----------
    confidence
        One value per perturbation, larger is surer, any unit.
    error
        One value per perturbation, any score for which less is better.

    Returns
    -------
    One number in the unit of the error; NaN where no perturbation has both values.

    Raises
    ------
    DataError
        The two are not one value per perturbation each.

    Examples
    --------
    >>> aurc([3.0, 1.0, 2.0], [0.0, 4.0, 2.0])
    1.0
    """
    risk = risk_coverage(confidence, error)["risk"]
    return float(risk.mean())


def confidence_error_spearman(confidence: npt.ArrayLike, error: npt.ArrayLike) -> float:
    """Spearman correlation of confidence with error: -1 where the surest prediction is always the best.

    Parameters
    ----------
    confidence
        One value per perturbation, larger is surer, any unit.
    error
        One value per perturbation, any score for which less is better.

    Returns
    -------
    One number in -1..1, 0 by chance; NaN with fewer than two perturbations with both values, or where one is constant.

    Raises
    ------
    DataError
        The two are not one value per perturbation each.

    Examples
    --------
    >>> confidence_error_spearman([3.0, 1.0, 2.0], [0.0, 4.0, 2.0])
    -1.0
    """
    sure, wrong = _both_known(confidence, error)
    if len(sure) < 2:
        return float("nan")
    ranks = [stats.rankdata(values)[None, :] for values in (sure, wrong)]
    return float(correlation(*ranks)[0].round(15))


def _both_known(confidence: npt.ArrayLike, error: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    sure, wrong = (np.asarray(values, dtype=np.float64) for values in (confidence, error))
    if sure.ndim != 1 or sure.shape != wrong.shape:
        msg = f"confidence and error must be one value per perturbation each; got {sure.shape} and {wrong.shape}."
        raise DataError(msg)
    known = ~np.isnan(sure) & ~np.isnan(wrong)
    return sure[known], wrong[known]
