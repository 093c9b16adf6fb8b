"""Whether a prediction finds the genes that respond, their direction and their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._errors import DataError
from .tables import movement, ratio, read, read_mask, rows_with_nan, undefined_where

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import BoolArray, FloatArray, GeneVector, Pseudobulks


def de_auprc(predicted: Pseudobulks, significant: npt.ArrayLike, control: GeneVector) -> FloatArray:
    """Average precision with which ``|dhat|`` finds the differentially expressed genes.

    ``sum_n (R_n - R_{n-1}) P_n`` over the distinct values of ``|dhat_g|``, strongest first: the area under the
    precision-recall curve as ``sklearn.metrics.average_precision_score`` computes it. A ranking by chance, or no
    change at all, gets the share of genes that are differentially expressed.

    Parameters
    ----------
    predicted
        Perturbations x genes, log1p of counts per 1e4.
    significant
        Boolean, perturbations x genes: the observed set (see :func:`scgenept.evaluation.de.significant_genes`).
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.

    Returns
    -------
    One value in 0..1 per perturbation, 1 is perfect; NaN where no gene is significant or the prediction is not finite.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or ``significant`` is not boolean.

    Examples
    --------
    >>> de_auprc([[3.0, 1.0, 2.0]], [[True, False, True]], [0.0, 0.0, 0.0])
    array([1.])
    """
    strength, truth = _strength(predicted, significant, control)
    return average_precision(strength, truth)


def de_recall_at_k(
    predicted: Pseudobulks, significant: npt.ArrayLike, control: GeneVector, *, k: int | None = None
) -> FloatArray:
    """Share of the differentially expressed genes among the ``k`` with the largest ``|dhat|``.

    ``#(top_k(|dhat|) and S) / #S``. Genes that tie for the last places share them, so no change at all gets what chance
    would, ``k / G``. With ``k=None``, ``k`` is the size of the set, and recall is precision too.

    Parameters
    ----------
    predicted
        Perturbations x genes, log1p of counts per 1e4.
    significant
        Boolean, perturbations x genes: the observed set ``S``.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    k
        Number of genes; all of them where there are fewer.

    Returns
    -------
    One value in 0..1 per perturbation, at most ``k / #S``; NaN where ``S`` is empty or the prediction is not finite.

    Raises
    ------
    DataError
        Shapes or labels do not agree, ``significant`` is not boolean, or ``k`` is less than 1.

    Examples
    --------
    >>> de_recall_at_k([[3.0, 1.0, 2.0]], [[True, True, False]], [0.0, 0.0, 0.0])
    array([0.5])
    """
    strength, truth = _strength(predicted, significant, control)
    size = truth.sum(axis=1)
    found = (_top(strength, size if k is None else np.full(len(truth), _checked(k))) * truth).sum(axis=1)
    return undefined_where(rows_with_nan(strength), ratio(found, size))


def direction_agreement(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, significant: npt.ArrayLike
) -> FloatArray:
    """Share of the differentially expressed genes that are predicted to move the way they move.

    ``mean_{g in S} [sign(dhat_g) = sign(d_g)]``; a gene predicted not to move is not found. Direction match of
    cell-eval and of the Virtual Cell Challenge.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    significant
        Boolean, perturbations x genes: the observed set ``S``.

    Returns
    -------
    One value in 0..1 per perturbation, 0.5 by chance; NaN where ``S`` is empty or a value is not finite.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or ``significant`` is not boolean.

    Examples
    --------
    >>> direction_agreement([[2.0, 0.0]], [[2.0, 2.0]], [1.0, 1.0], significant=[[True, True]])
    array([0.5])
    """
    dhat, d, truth = _changes(predicted, observed, control, significant)
    agreed = ((np.sign(dhat) == np.sign(d)) & truth).sum(axis=1)
    return undefined_where(rows_with_nan(dhat, d), ratio(agreed, truth.sum(axis=1)))


def lfc_nmae(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, significant: npt.ArrayLike
) -> FloatArray:
    """Absolute error of the log fold change of the differentially expressed genes, relative to its size.

    ``sum_{g in S} |dhat_g - d_g| / sum_{g in S} |d_g|`` (normalised mean absolute error; Virtual Cell Challenge 2026).
    The log fold change is the difference of log1p values, that is with a pseudocount of one count per 1e4, so that a
    gene which is absent on one side stays finite. No change gets exactly 1; there is no upper bound.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    significant
        Boolean, perturbations x genes: the observed set ``S``.

    Returns
    -------
    One value per perturbation, no unit, 0 is perfect; NaN where ``S`` is empty, nothing in it moves, or a value is not
    finite.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or ``significant`` is not boolean.

    Examples
    --------
    >>> lfc_nmae([[2.0, 9.0]], [[3.0, 1.0]], [1.0, 1.0], significant=[[True, False]])
    array([0.5])
    """
    dhat, d, truth = _changes(predicted, observed, control, significant)
    error, size = (np.where(truth, np.abs(table), 0.0).sum(axis=1) for table in (dhat - d, d))
    return undefined_where(rows_with_nan(dhat, d), ratio(error, size))


def top_k_overlap(predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, k: int = 20) -> FloatArray:
    """Share of the ``k`` genes that change most which are also predicted to change most.

    ``#(top_k(|dhat|) and top_k(|d|)) / k``. Genes that tie for the last places share them, so no change at all gets
    what chance would, ``k / G``.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    k
        Number of genes; all of them where there are fewer.

    Returns
    -------
    One value in 0..1 per perturbation, 1 is perfect; NaN where a value is not finite.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or ``k`` is less than 1.

    Examples
    --------
    >>> top_k_overlap([[3.0, 1.0, 2.0]], [[3.0, 2.0, 1.0]], [0.0, 0.0, 0.0], k=2)
    array([0.5])
    """
    predicted, observed, control = read(predicted=predicted, observed=observed, control=control)
    dhat, d = (np.abs(movement(table, control)) for table in (predicted, observed))
    size = np.full(len(d), min(_checked(k), d.shape[1]))
    shared: FloatArray = (_top(dhat, size) * _top(d, size)).sum(axis=1) / size
    return undefined_where(rows_with_nan(dhat, d), shared)


def average_precision(strength: FloatArray, truth: BoolArray) -> FloatArray:
    """Average precision row by row; equal strengths are one step of the curve."""
    order = np.argsort(-strength, axis=1)
    ranked, hits = np.take_along_axis(strength, order, axis=1), np.take_along_axis(truth, order, axis=1)
    n_genes = strength.shape[1]
    last_of_tie = np.ones(ranked.shape, dtype=bool)
    last_of_tie[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    place = np.where(last_of_tie, np.arange(n_genes), n_genes)
    end = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    end = np.minimum(end, n_genes - 1)
    precision = np.take_along_axis(np.cumsum(hits, axis=1), end, axis=1) / (end + 1)
    return undefined_where(rows_with_nan(strength), ratio((precision * hits).sum(axis=1), hits.sum(axis=1)))


def _top(strength: FloatArray, size: npt.NDArray[np.integer]) -> FloatArray:
    """Weight of each gene in the top: 1 inside, 0 outside, a fair share of the places left for those that tie."""
    n_genes = strength.shape[1]
    size = np.minimum(size, n_genes)
    ranked = np.sort(strength, axis=1)
    last = np.take_along_axis(ranked, np.clip(n_genes - size, 0, n_genes - 1)[:, None], axis=1)
    inside, tied = strength > last, strength == last
    places = size[:, None] - inside.sum(axis=1, keepdims=True)
    share = np.where(places > 0, ratio(places, tied.sum(axis=1, keepdims=True)), 0.0)
    return np.where(size[:, None] > 0, inside + tied * share, 0.0)


def _strength(predicted: Pseudobulks, significant: npt.ArrayLike, control: GeneVector) -> tuple[FloatArray, BoolArray]:
    values, _, reference = read(predicted=predicted, significant=significant, control=control)
    return np.abs(movement(values, reference)), read_mask(values, significant=significant)


def _changes(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, significant: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, BoolArray]:
    values, truth, _, reference = read(predicted=predicted, observed=observed, significant=significant, control=control)
    return movement(values, reference), movement(truth, reference), read_mask(values, significant=significant)


def _checked(k: int) -> int:
    if k < 1:
        msg = f"k must be at least 1; got {k}."
        raise DataError(msg)
    return k
