"""Whether a prediction knows which perturbation it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from ..._errors import DataError
from .tables import TIE, change, ratio, read, rows_with_nan, undefined_where, unit

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import FloatArray, GeneVector, IntArray, Pseudobulks


def pds_cosine(
    predicted: Pseudobulks, observed: Pseudobulks, control: GeneVector, *, exclude: npt.ArrayLike | None = None
) -> FloatArray:
    """Perturbation discrimination: how near the top its own observation ranks among those of all perturbations.

    ``D_pq = 1 - cos(dhat_p, d_q)`` over the genes not excluded, ``k_p = #{q: D_pq < D_pp}`` plus half of the ties,
    score ``1 - k_p / (n - 1)`` (Virtual Cell Challenge 2026). Any prediction that is the same for all perturbations,
    no change included, averages exactly 0.5. No change has no direction: its distance to everything is 1. ``q`` runs
    over the ``n`` distinct observations, so a perturbation listed twice changes nobody's score.

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
    predicted, observed, control = read(predicted=predicted, observed=observed, control=control)
    keep = np.ones(control.shape, dtype=bool) if exclude is None else ~np.asarray(exclude, dtype=bool)
    if keep.shape != control.shape or not keep.any():
        msg = f"exclude must name some but not all of {control.size} genes, one boolean each; got {(~keep).sum()}."
        raise DataError(msg)
    panel, own_column = _panel(observed)
    towards = unit(change(predicted, control)[:, keep])
    distance = 1.0 - towards @ unit(change(panel, control)[:, keep]).T
    own = np.take_along_axis(distance, own_column[:, None], axis=1)
    tied = np.abs(distance - own) <= TIE
    nearer = (distance < own) & ~tied
    others_tied = tied.sum(axis=1) - 1  # its own observation ties with itself
    score = 1.0 - ratio(nearer.sum(axis=1) + others_tied / 2, len(panel) - 1)
    return undefined_where(rows_with_nan(observed, own), score)


def centroid_accuracy(predicted: Pseudobulks, observed: Pseudobulks) -> FloatArray:
    """Share of the other perturbations whose observation lies farther from the prediction than its own does.

    ``#{q != p: |yhat_p - y_p| < |yhat_p - y_q|} / (P - 1)``, Euclidean over genes: the normalised inverse rank, or
    centroid accuracy, of Systema (Viñas Torné et al., Nat Biotechnol 2025). ``q`` runs over the ``P`` distinct
    observations, so a perturbation listed twice changes nobody's score; a tie is no success.

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
    predicted, observed = read(predicted=predicted, observed=observed)
    panel, own_column = _panel(observed)
    distance = cdist(predicted, panel)
    own = np.take_along_axis(distance, own_column[:, None], axis=1)
    score = ratio((distance - own > TIE * own).sum(axis=1), len(panel) - 1)
    return undefined_where(rows_with_nan(observed, own), score)


def _panel(observed: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the distinct finite observations, and for each perturbation the row of its own among them.

    A perturbation listed twice is one rival and no rival of itself, so duplicated rows change no score.
    """
    known = np.flatnonzero(np.isfinite(observed).all(axis=1))
    rows = {observed[p].tobytes(): p for p in reversed(known)}
    first = sorted(rows.values())
    place = {p: column for column, p in enumerate(first)}
    own_column = np.zeros(len(observed), dtype=np.intp)
    own_column[known] = [place[rows[observed[p].tobytes()]] for p in known]
    return observed[first] if first else np.full((1, observed.shape[1]), np.nan), own_column
