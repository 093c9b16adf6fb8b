"""Signs, fold changes and ranges: the figures that cell-gears adds to error and correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tables import movement, ratio, read, rows_with_nan, take, undefined_where

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import FloatArray, GeneVector, IntArray, Pseudobulks


def correct_direction(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, genes: IntArray | None = None
) -> FloatArray:
    """Share of genes that are predicted to move the way they move: ``mean_g [sign(dhat_g) = sign(d_g)]``.

    ``frac_correct_direction_all`` of cell-gears 0.0.2, but for rounding: a gene that stays as it is, or differs by no
    more than single precision can tell, has the sign 0. On all genes the number is mostly noise: give the
    differentially expressed ones, or see :func:`direction_agreement`.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value in 0..1 per perturbation; NaN where a value is not finite.

    Examples
    --------
    >>> correct_direction([[2.0, 0.0, 1.0]], [[3.0, 2.0, 1.0]], [1.0, 1.0, 1.0]).round(3)
    array([0.667])
    """
    return _share_of_sign_difference(predicted, observed, control, genes, 0)


def opposite_direction(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, genes: IntArray | None = None
) -> FloatArray:
    """Share of genes that are predicted to move the wrong way: ``mean_g [sign(dhat_g) = -sign(d_g), d_g != 0]``.

    ``frac_opposite_direction_*`` of cell-gears 0.0.2, but for rounding (:func:`correct_direction`). What is neither
    correct nor opposite stays as it is on one side only.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value in 0..1 per perturbation; NaN where a value is not finite.

    Examples
    --------
    >>> opposite_direction([[2.0, 0.0, 1.0]], [[3.0, 2.0, 1.0]], [1.0, 1.0, 1.0]).round(3)
    array([0.333])
    """
    return _share_of_sign_difference(predicted, observed, control, genes, 2)


def fold_change_gap(
    predicted: Pseudobulks,
    observed: Pseudobulks,
    control: GeneVector,
    *,
    above: float = 0.0,
    below: float = np.inf,
    minimum: float = 0.5,
) -> FloatArray:
    """Mean distance of predicted from observed fold change: ``mean_g |yhat_g / c_g - y_g / c_g|``.

    Over the genes whose observed fold change ``y_g / c_g`` lies strictly between ``above`` and ``below``, and whose
    observed expression is at least ``minimum``. It is a ratio of log1p values, as cell-gears 0.0.2 computes it
    (``fold_change_gap_*``); for a log fold change see :func:`lfc_nmae`.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    above, below
        Bounds of the observed fold change, no unit.
    minimum
        Least observed expression, log1p of counts per 1e4.

    Returns
    -------
    One value per perturbation, no unit, 0 is perfect; NaN where no gene qualifies.

    Examples
    --------
    >>> fold_change_gap([[2.0, 1.0]], [[4.0, 1.0]], [1.0, 1.0], above=3.0)
    array([2.])
    """
    predicted, observed, control = read(predicted=predicted, observed=observed, control=control)
    fold = ratio(observed, np.broadcast_to(control, observed.shape))
    chosen = (fold > above) & (fold < below) & np.isfinite(fold) & (observed >= minimum)
    gap = np.where(chosen, np.abs(ratio(predicted - observed, np.broadcast_to(control, observed.shape))), 0.0)
    return undefined_where(rows_with_nan(observed, control), ratio(gap.sum(axis=1), chosen.sum(axis=1)))


def within_range(
    values: Pseudobulks, lower: Pseudobulks, upper: Pseudobulks, *, genes: IntArray | None = None
) -> FloatArray:
    """Share of genes whose value lies in a range: ``mean_g [lower_g <= value_g <= upper_g]``.

    With the predicted means as values, and quantiles over the observed cells as bounds, it is ``frac_in_range_*`` of
    cell-gears 0.0.2.

    Parameters
    ----------
    values, lower, upper
        Perturbations x genes, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value in 0..1 per perturbation; NaN where a value is not a number.

    Examples
    --------
    >>> within_range([[1.0, 2.0]], [[0.0, 3.0]], [[1.0, 4.0]])
    array([0.5])
    """
    values, lower, upper = (take(table, genes) for table in read(values=values, lower=lower, upper=upper))
    inside = ((lower <= values) & (values <= upper)).mean(axis=1)
    unknown = np.isnan(values) | np.isnan(lower) | np.isnan(upper)
    return undefined_where(unknown.any(axis=1), inside)


def mean_sigma(
    predicted: Pseudobulks, observed: Pseudobulks, std: npt.ArrayLike, *, genes: IntArray | None = None
) -> FloatArray:
    """Mean distance from the observation in standard deviations of its cells: ``mean_g |yhat_g - y_g| / s_g``.

    Over the genes that vary among the observed cells; with the population standard deviation (``ddof=0``) it is
    ``mean_sigma`` of cell-gears 0.0.2.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    std
        ``s``, standard deviation over the observed cells, perturbations x genes, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value per perturbation, no unit, 0 is perfect; NaN where no gene varies.

    Examples
    --------
    >>> mean_sigma([[1.0, 2.0]], [[2.0, 5.0]], [[0.5, 0.0]])
    array([2.])
    """
    predicted, observed, std = (take(t, genes) for t in read(predicted=predicted, observed=observed, std=std))
    varies = std > 0
    sigma = np.where(varies, np.abs(ratio(predicted - observed, std)), 0.0)
    unknown = rows_with_nan(predicted, observed, std)
    return undefined_where(unknown, ratio(sigma.sum(axis=1), varies.sum(axis=1)))


def _share_of_sign_difference(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, genes: IntArray | None, difference: int
) -> FloatArray:
    predicted, observed, control = read(predicted=predicted, observed=observed, control=control)
    signs = [np.sign(take(movement(table, control), genes)) for table in (predicted, observed)]
    apart = np.abs(signs[0] - signs[1])
    return undefined_where(np.isnan(apart).any(axis=1), (apart == difference).mean(axis=1))
