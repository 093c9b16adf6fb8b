"""How well a prediction correlates with what was observed, over genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tables import change, correlation, read, take

if TYPE_CHECKING:
    from .tables import FloatArray, GeneVector, IntArray, Pseudobulks


def pearson(predicted: Pseudobulks, observed: Pseudobulks, *, genes: IntArray | None = None) -> FloatArray:
    """Pearson correlation over genes of two tables, row by row: ``corr_g(yhat_g, y_g)``.

    On expression itself it is near 1 for any prediction, because genes differ more than perturbations do: the parity
    view ``pearson`` and ``pearson_de`` of cell-gears 0.0.2, and the tool with which the other correlations are made.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value per perturbation, no unit; NaN where either side is constant.

    Examples
    --------
    >>> pearson([[0.0, 1.0, 2.0]], [[0.0, 2.0, 4.0]])
    array([1.])
    """
    predicted, observed = read(predicted=predicted, observed=observed)
    return correlation(take(predicted, genes), take(observed, genes))


def pearson_delta(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, genes: IntArray | None = None
) -> FloatArray:
    """Pearson correlation of the changes over control: ``corr_g(yhat_g - c_g, y_g - c_g)``.

    The published headline score. It rewards whatever all perturbations have in common; read it beside
    :func:`pearson_delta_ref_mean`. Equal to ``pearson_delta`` and ``pearson_delta_de`` of cell-gears 0.0.2.

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
    One value per perturbation, no unit, 1 is perfect; NaN where no change is predicted or observed.

    Examples
    --------
    >>> pearson_delta([[1.0, 3.0, 0.0]], [[1.0, 5.0, 0.0]], control=[1.0, 1.0, 1.0]).round(3)
    array([0.99])
    """
    predicted, observed, control = read(predicted=predicted, observed=observed, control=control)
    return correlation(take(change(predicted, control), genes), take(change(observed, control), genes))


def pearson_delta_ref_mean(
    predicted: Pseudobulks, observed: Pseudobulks, reference_mean: GeneVector, *, genes: IntArray | None = None
) -> FloatArray:
    """Pearson correlation of what is special to the perturbation: ``corr_g(yhat_g - m_g, y_g - m_g)``.

    With the mean of the training perturbations as the reference, a prediction that is the same for every perturbation
    has nothing left to correlate: the mean predictor is undefined by construction (Systema: Viñas Torné et al.,
    Nat Biotechnol 2025).

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    reference_mean
        ``m``, mean over training perturbations of their pseudobulks, one value per gene, log1p of counts per 1e4.
    genes
        Column indices, perturbations x k; all genes otherwise.

    Returns
    -------
    One value per perturbation, no unit, 1 is perfect; NaN where the prediction is the reference.

    Examples
    --------
    >>> pearson_delta_ref_mean([[1.0, 2.0, 5.0], [1.0, 2.0, 3.0]], [[1.0, 3.0, 5.0]] * 2, [1.0, 2.0, 3.0])
    array([0.8660254,       nan])
    """
    return pearson_delta(predicted, observed, reference_mean, genes=genes)
