"""Scores of predicted against observed pseudobulks. The unit of every score is the perturbation.

Notation, per perturbation p over genes g, all in log1p of counts per 1e4:

====================  ============================================  =========================
symbol                meaning                                       argument
====================  ============================================  =========================
``y``                 observed mean over cells                      ``observed``
``yhat``              predicted mean over cells                     ``predicted``
``c``                 mean of the control cells                     ``control``
``m``                 mean over the *training* perturbations' y     ``reference_mean``
``d``, ``dhat``       change over control: y - c, yhat - c
====================  ============================================  =========================

Arrays are (perturbations, genes); a DataFrame with perturbations as rows does as well, and where two inputs carry
labels these must be the same in the same order. ``genes=`` restricts a score to k genes of each perturbation, given
as an index array (perturbations, k): ``mse_top20`` of the literature is ``mse(..., genes=top_gene_indices(...))``.

A score that is undefined, a correlation with a constant above all, is NaN and stays NaN: report how many there are.
Differences smaller than the rounding of float32 count as no difference, so that a mean predictor is undefined and not
a correlation of rounding errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from .._errors import DataError, listing

if TYPE_CHECKING:
    import pandas as pd

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
Pseudobulks: TypeAlias = "npt.ArrayLike | pd.DataFrame"
"""Perturbations x genes, log1p of counts per 1e4."""
GeneVector: TypeAlias = "npt.ArrayLike | pd.Series[float]"
"""One value per gene, log1p of counts per 1e4."""

_ROUNDING: Final = 1e-6
"""Relative error of a float32 mean over cells; a smaller difference is no difference."""
_TIE: Final = 1e-12
"""Two cosine distances closer than this are tied."""


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
    predicted, observed = _read(predicted=predicted, observed=observed)
    score: FloatArray = (_take(predicted - observed, genes) ** 2).mean(axis=1)
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
    predicted, observed, statistic = _read(predicted=predicted, observed=observed, statistic=statistic)
    weight = statistic**2
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
    score: FloatArray = (weight * (predicted - observed) ** 2).sum(axis=1)
    return score


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
    predicted, observed = _read(predicted=predicted, observed=observed)
    return _correlation(_take(predicted, genes), _take(observed, genes))


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
    predicted, observed, control = _read(predicted=predicted, observed=observed, control=control)
    return _correlation(_take(_change(predicted, control), genes), _take(_change(observed, control), genes))


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


def pds_cosine(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, exclude: npt.ArrayLike | None = None
) -> FloatArray:
    """Perturbation discrimination: how near the top its own observation ranks among those of all perturbations.

    ``D_pq = 1 - cos(dhat_p, d_q)`` over the genes not excluded, ``k_p = #{q: D_pq < D_pp}`` plus half of the ties,
    score ``1 - k_p / (n - 1)`` (Virtual Cell Challenge 2026). Any prediction that is the same for all perturbations,
    no change included, averages exactly 0.5. No change has no direction: its distance to everything is 1.

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.
    exclude
        Boolean, one per gene: the targets of the whole panel, which would give the answer away.

    Returns
    -------
    One value in 0..1 per perturbation, 1 is perfect; NaN where a row is not finite, or where there is nothing to tell
    it apart from.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or every gene is excluded.

    Examples
    --------
    >>> observed = [[2.0, 1.0], [1.0, 2.0], [3.0, 3.0]]
    >>> pds_cosine(observed, observed, control=[1.0, 1.0])
    array([1., 1., 1.])
    >>> pds_cosine([[1.0, 1.0]] * 3, observed, control=[1.0, 1.0])
    array([0.5, 0.5, 0.5])
    """
    predicted, observed, control = _read(predicted=predicted, observed=observed, control=control)
    keep = np.ones(control.shape, dtype=bool) if exclude is None else ~np.asarray(exclude, dtype=bool)
    if keep.shape != control.shape or not keep.any():
        msg = f"exclude must name some but not all of {control.size} genes, one boolean each; got {(~keep).sum()}."
        raise DataError(msg)
    towards = _unit(_change(predicted, control)[:, keep])
    distance = 1.0 - towards @ _unit(_change(observed, control)[:, keep]).T
    own = np.diagonal(distance)[:, None]
    known = np.isfinite(observed).all(axis=1)
    tied = np.abs(distance - own) <= _TIE
    nearer = (distance < own) & ~tied
    np.fill_diagonal(tied, val=False)
    with np.errstate(invalid="ignore", divide="ignore"):
        score: FloatArray = 1.0 - (nearer.sum(axis=1) + tied.sum(axis=1) / 2) / np.float64(known.sum() - 1)
    return np.where(np.isfinite(own[:, 0]) & (known.sum() > 1), score, np.nan)


def centroid_accuracy(predicted: Pseudobulks, observed: Pseudobulks) -> FloatArray:
    """Share of the other perturbations whose observation lies farther from the prediction than its own does.

    ``#{q != p: |yhat_p - y_p| < |yhat_p - y_q|} / (P - 1)``, Euclidean over genes: the normalised inverse rank, or
    centroid accuracy, of Systema (Viñas Torné et al., Nat Biotechnol 2025).

    Parameters
    ----------
    predicted, observed
        Perturbations x genes, log1p of counts per 1e4.

    Returns
    -------
    One value in 0..1 per perturbation, 1 is perfect; NaN where a row is not finite or there is one perturbation only.

    Examples
    --------
    >>> centroid_accuracy([[0.0], [2.0], [2.0]], [[0.0], [1.0], [2.0]])
    array([1. , 0.5, 1. ])
    """
    predicted, observed = _read(predicted=predicted, observed=observed)
    distance = cdist(predicted, observed)
    own = np.diagonal(distance)
    others = np.isfinite(observed).all(axis=1).sum() - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        score: FloatArray = (own[:, None] < distance).sum(axis=1) / np.float64(others)
    return np.where(np.isfinite(own) & (others > 0), score, np.nan)


def collapse_ratio(predicted: Pseudobulks, observed: Pseudobulks) -> float:
    """Spread of the predictions across perturbations over that of the observations: ``mean_g Var_p yhat / Var_p y``.

    0: the same prediction for every perturbation, the usual failure of transformers. 1: as varied as reality (or as
    noisy: the number says nothing of correctness). Genes that no perturbation moves are left out.

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
    predicted, observed = _read(predicted=predicted, observed=observed)
    if len(observed) < 2:
        return float("nan")
    moved = ~(np.ptp(observed, axis=0) <= _ROUNDING * np.abs(observed).max(axis=0))
    if not moved.any():
        return float("nan")
    return float((predicted[:, moved].var(axis=0) / observed[:, moved].var(axis=0)).mean())


def _read(**inputs: Any) -> tuple[FloatArray, ...]:
    """Return float64 arrays; the first two inputs are tables, a third may be a table or a vector over genes."""
    _require_same_labels(inputs)
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
    table = next(iter(arrays.values())).shape
    for position, (name, array) in enumerate(arrays.items()):
        fits = array.shape == table or (position > 1 and name != "statistic" and array.shape == table[1:])
        if array.ndim == 0 or len(table) != 2 or not fits or table[1] == 0:
            shapes = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
            msg = f"Scores take tables of perturbations x genes, and one value per gene for a reference; got {shapes}."
            raise DataError(msg)
    return tuple(arrays.values())


def _require_same_labels(inputs: dict[str, Any]) -> None:
    """Refuse tables whose rows or columns are labelled differently: their numbers would be compared all the same."""
    for of, where in (("genes", -1), ("perturbations", 0)):
        labelled = {
            name: list(value.axes[where])
            for name, value in inputs.items()
            if hasattr(value, "axes") and (of == "genes" or len(value.axes) == 2)
        }
        if not labelled:
            continue
        first, *others = labelled
        for other in others:
            if labelled[first] != labelled[other]:
                odd = [a for a, b in zip(labelled[first], labelled[other], strict=False) if a != b]
                msg = (
                    f"{first} and {other} are labelled with different {of} or in another order "
                    f"({len(labelled[first])} and {len(labelled[other])}; first difference at: {listing(odd)}). "
                    f"Bring both into one order, for example with .reindex."
                )
                raise DataError(msg)


def _take(table: FloatArray, genes: IntArray | None) -> FloatArray:
    """Select k genes of each perturbation: (perturbations, genes) -> (perturbations, k)."""
    if genes is None:
        return table
    index = np.asarray(genes)
    if index.ndim != 2 or len(index) != len(table) or index.dtype.kind not in "iu":
        msg = f"genes must be whole numbers, {len(table)} perturbations x k; got {index.dtype} of shape {index.shape}."
        raise DataError(msg)
    return np.take_along_axis(table, index, axis=1)


def _change(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Subtract the reference; a row that differs from it by rounding only becomes exactly zero."""
    change = values - reference
    scale = np.maximum(np.abs(values).max(axis=1), np.abs(reference).max())
    rounding = np.abs(change).max(axis=1) <= _ROUNDING * scale
    return np.where(rounding[:, None], 0.0, change)


def _correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pearson correlation row by row, NaN where a row is constant."""
    centred_a, centred_b = (table - table.mean(axis=1, keepdims=True) for table in (a, b))
    norm_a, norm_b = (np.linalg.norm(table, axis=1) for table in (centred_a, centred_b))
    constant = (norm_a <= _TIE * np.linalg.norm(a, axis=1)) | (norm_b <= _TIE * np.linalg.norm(b, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: FloatArray = (centred_a * centred_b).sum(axis=1) / (norm_a * norm_b)
    return np.where(constant, np.nan, np.clip(correlation, -1.0, 1.0))


def _unit(table: FloatArray) -> FloatArray:
    """Scale rows to length 1; a zero row stays zero."""
    norm = np.linalg.norm(table, axis=1, keepdims=True)
    unit: FloatArray = np.divide(table, norm, out=np.zeros_like(table), where=norm != 0)
    return unit
