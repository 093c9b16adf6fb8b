"""How far a prediction is from what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tables import TIE, ratio, read, take

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import FloatArray, GeneVector, IntArray, Pseudobulks


def mse(predicted: Pseudobulks, observed: Pseudobulks, *, genes: IntArray | None = None) -> FloatArray:
    """Mean squared error of the predicted pseudobulk: ``mean_g (yhat_g - y_g)^2``.

    Equal to ``mse`` and, with the top 20 differentially expressed genes as ``genes``, to ``mse_de`` of cell-gears 0.0.2
    (Roohani et al., Nat Biotechnol 2024).

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value per perturbation, squared log1p units; 0 is perfect.

    Raises
    ------
    DataError
        Shapes or labels of the inputs do not agree.

    Examples
    --------
    >>> mse([[1.0, 2.0]], [[1.0, 4.0]])
    array([2.])
    """
    predicted, observed = read(predicted=predicted, observed=observed)
    score: FloatArray = (take(predicted - observed, genes) ** 2).mean(axis=1)
    return score


def wmse(predicted: Pseudobulks, observed: Pseudobulks, statistic: npt.ArrayLike) -> FloatArray:
    """Squared error weighted by how strongly each gene responds: ``sum_g w_g (yhat_g - y_g)^2``, ``w = t^2 / sum t^2``.

    A gene that this perturbation does not move weighs nothing, so predicting the mean of everything no longer pays
    (Mejia et al., 2025).

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    statistic
        ``t``, perturbations x genes, no unit: Welch statistic of each perturbation against all other perturbed cells.

    Returns
    -------
    One value per perturbation, squared log1p units; NaN where the statistic is zero for all genes or not finite.

    Examples
    --------
    >>> wmse([[1.0, 2.0]], [[2.0, 2.5]], [[0.0, 5.0]])
    array([0.25])
    """
    predicted, observed, statistic = read(predicted=predicted, observed=observed, statistic=statistic)
    score: FloatArray = (_weights(statistic) * (predicted - observed) ** 2).sum(axis=1)
    return score


def weighted_r2_delta(
    predicted: Pseudobulks, observed: Pseudobulks, statistic: npt.ArrayLike, *, reference: GeneVector
) -> FloatArray:
    """Share of the change that is explained: R2 of the change, with the weights of :func:`wmse`.

    ``1 - sum_g w_g (dhat_g - d_g)^2 / sum_g w_g (d_g - dbar)^2`` with ``d = y - r``, ``dhat = yhat - r``, ``w`` as in
    :func:`wmse` and ``dbar = sum_g w_g d_g`` (Mejia et al., 2025). With the mean of the training perturbations as ``r``
    the mean predictor gets no credit: 0 at most.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    statistic
        ``t``, perturbations x genes, no unit: Welch statistic of each perturbation against all other perturbed cells.
    reference
        ``r``, what the change is counted from, one value per gene, log1p of counts per 1e4: the mean over the training
        perturbations as published, or the control.

    Returns
    -------
    One value per perturbation, no unit, 1 is perfect, without a lower bound; NaN where the statistic is zero for all
    genes or not finite, or where the observed change is the same for all genes that weigh.

    Examples
    --------
    >>> weighted_r2_delta([[1.0, 3.0]], [[1.0, 4.0]], [[2.0, 2.0]], reference=[1.0, 1.0]).round(3)
    array([0.778])
    """
    predicted, observed, statistic, reference = read(
        predicted=predicted, observed=observed, statistic=statistic, reference=reference
    )
    weight = _weights(statistic)
    change = observed - reference
    centred = change - (weight * change).sum(axis=1, keepdims=True)
    spread = (weight * centred**2).sum(axis=1)
    # what remains of a constant after subtracting its own weighted mean
    rounding = (TIE * np.abs(change).max(axis=1)) ** 2
    return 1.0 - ratio((weight * (predicted - observed) ** 2).sum(axis=1), np.where(spread <= rounding, 0.0, spread))


def _weights(statistic: FloatArray) -> FloatArray:
    """Return ``t^2 / sum t^2`` per row; NaN where nothing weighs."""
    squares = statistic**2
    return ratio(squares, squares.sum(axis=1, keepdims=True))
