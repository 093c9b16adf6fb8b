"""Whether the predictions for different perturbations differ at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tables import ROUNDING, TIE, change, read, rows_with_nan, unit

if TYPE_CHECKING:
    from .tables import GeneVector, Pseudobulks


def collapse_ratio(predicted: Pseudobulks, observed: Pseudobulks) -> float:
    """Spread of the predictions across perturbations over that of the observations: ``mean_g Var_p yhat / Var_p y``.

    0: the same prediction for every perturbation, the usual failure of transformers. 1: as varied as reality (or as
    noisy: the number says nothing of correctness). Genes of which all observations are equal are left out, and so are
    perturbations with a value that is not finite. A mean over genes, in which those that nothing moves count as much as
    the others: their noise alone makes it small, so a report calls a collapse by the sums of both variances instead.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.

    Returns
    -------
    One number, no unit; NaN with one perturbation or where nothing varies.

    Examples
    --------
    >>> collapse_ratio([[1.0], [2.0]], [[1.0], [3.0]])
    0.25
    """
    predicted, observed = read(predicted=predicted, observed=observed)
    known = ~rows_with_nan(predicted, observed)
    predicted, observed = predicted[known], observed[known]
    if len(observed) < 2:
        return float("nan")
    moved = ~(np.ptp(observed, axis=0) <= ROUNDING * np.abs(observed).max(axis=0))
    if not moved.any():
        return float("nan")
    return float((predicted[:, moved].var(axis=0) / observed[:, moved].var(axis=0)).mean())


def mean_correlation_between_predictions(predicted: Pseudobulks, control: GeneVector) -> float:
    """Mean Pearson correlation between the changes predicted for different perturbations.

    ``mean_{p<q} corr_g(dhat_p, dhat_q)``. 1: one and the same response whatever is perturbed. A collapse is called
    above 0.99; read it beside the same number of the observations, which is not zero either.

    Parameters
    ----------
    predicted
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.

    Returns
    -------
    One number, no unit; NaN with fewer than two perturbations for which a change is predicted. Perturbations with a
    value that is not finite, or with the same change for all genes, are left out.

    Examples
    --------
    >>> mean_correlation_between_predictions([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], [0.0, 0.0, 0.0])
    1.0
    """
    predicted, control = read(predicted=predicted, control=control)
    delta = change(predicted, control)
    centred = delta - delta.mean(axis=1, keepdims=True)
    # NaN compares false
    varied = np.linalg.norm(centred, axis=1) > TIE * np.linalg.norm(delta, axis=1)
    n = int(varied.sum())
    if n < 2:
        return float("nan")
    total = np.square(unit(centred[varied]).sum(axis=0)).sum()
    return float(np.clip((total - n) / (n * (n - 1)), -1.0, 1.0).round(15))
