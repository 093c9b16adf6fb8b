"""Whether a prediction knows what two perturbations do together beyond what they do alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ... import _keys
from ..._errors import DataError, listing
from ...perturbation import Perturbation
from .de import average_precision
from .tables import correlation, movement, read, read_mask

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import FloatArray, GeneVector, Pseudobulks


def non_additivity(table: pd.DataFrame, control: pd.Series[float]) -> pd.DataFrame:
    """Return what each pair does beyond its two perturbations alone: ``e_ab = y_ab - (c + d_a + d_b)``.

    On log1p values additive means multiplicative in counts (Norman et al., Science 2019, and Ahlmann-Eltze et al.,
    Nat Methods 2025, measure genetic interactions against it).

    Parameters
    ----------
    table
        Perturbations x genes, pairs and singles, log1p of counts per 1e4; labels in any spelling of ``A+B``.
    control
        Mean of the control cells, one value per gene, log1p of counts per 1e4.

    Returns
    -------
    One row for each pair of which both singles are in the table, under its canonical name, in the order of the table;
    same columns and unit. Empty where there is none.

    Raises
    ------
    DataError
        The genes of the inputs differ, or a perturbation occurs twice.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"HBZ": [2.0, 1.5, 4.0]}, index=["KLF1", "FOSB", "KLF1+FOSB"])
    >>> non_additivity(table, pd.Series({"HBZ": 1.0}))
                  HBZ
    perturbation
    FOSB+KLF1     1.5
    """
    values, start = read(table=table, control=control)
    parsed = [Perturbation.parse(label) for label in table.index]
    rows = {perturbation: row for row, perturbation in enumerate(parsed)}
    if repeated := sorted({str(p) for row, p in enumerate(parsed) if rows[p] != row}):
        msg = f"{len(repeated)} perturbations occur twice: {listing(repeated)}. Pool their cells first."
        raise DataError(msg)
    singles = {p.genes[0]: row for p, row in rows.items() if len(p) == 1}
    pairs = [p for p in parsed if len(p) == 2 and all(gene in singles for gene in p)]
    own = values[[rows[p] for p in pairs]]
    first, second = (values[[singles[p.genes[i]] for p in pairs]] for i in (0, 1))
    index = pd.Index([str(p) for p in pairs], name=_keys.PERTURBATION, dtype=object)
    return pd.DataFrame(own - (first + second - start), index=index, columns=table.columns)


def non_additivity_correlation(
    predicted: Pseudobulks,
    observed: Pseudobulks,
    additive: Pseudobulks,
    *,
    predicted_additive: Pseudobulks | None = None,
) -> FloatArray:
    """Pearson correlation of predicted and observed non-additivity: ``corr_g(ehat_g, e_g)``.

    ``e = y - a`` and ``ehat = yhat - a``, ``a = c + d_a + d_b`` from the observed singles: the additive prediction is
    undefined by construction. The noise of the singles then stands on both sides, so that even no change correlates
    with the truth; where the model predicts the singles too, give ``predicted_additive`` and ``ehat`` is free of it.

    Parameters
    ----------
    predicted, observed
        Pairs x genes, log1p of counts per 1e4.
    additive
        ``a``, pairs x genes, log1p of counts per 1e4: :class:`scgenept.evaluation.baselines.Additive`.
    predicted_additive
        The same from the predicted singles.

    Returns
    -------
    One value per pair, no unit, 1 is perfect; NaN where the prediction is additive.

    Raises
    ------
    DataError
        Shapes or labels do not agree.

    Examples
    --------
    >>> non_additivity_correlation([[3.0, 1.0, 1.0]], [[4.0, 1.0, 0.0]], [[2.0, 1.0, 1.0]]).round(3)
    array([0.945])
    """
    ehat, e = _excess(predicted, observed, additive, predicted_additive)
    return correlation(ehat, e)


def non_additive_auprc(
    predicted: Pseudobulks,
    significant: npt.ArrayLike,
    additive: Pseudobulks,
    *,
    predicted_additive: Pseudobulks | None = None,
) -> FloatArray:
    """Average precision with which ``|ehat|`` finds the genes that respond to a pair other than additively.

    As :func:`de_auprc`, with the predicted non-additivity ``ehat = yhat - a`` in place of the change over control. The
    additive prediction gets what chance would, the share of genes that are non-additive.

    Parameters
    ----------
    predicted
        Pairs x genes, log1p of counts per 1e4.
    significant
        Boolean, pairs x genes: the observed set (see :func:`scgenept.evaluation.de.non_additive_genes`).
    additive
        ``a``, pairs x genes, log1p of counts per 1e4.
    predicted_additive
        The same from the predicted singles.

    Returns
    -------
    One value in 0..1 per pair, 1 is perfect; NaN where no gene is significant or the prediction is not finite.

    Raises
    ------
    DataError
        Shapes or labels do not agree, or ``significant`` is not boolean.

    Examples
    --------
    >>> non_additive_auprc([[3.0, 1.0, 1.0]], [[True, False, False]], [[2.0, 1.0, 1.0]])
    array([1.])
    """
    ehat, mask = _excess(predicted, significant, additive, predicted_additive)
    return average_precision(np.abs(ehat), read_mask(mask, significant=significant))


def _excess(
    predicted: Pseudobulks, observed: npt.ArrayLike, additive: GeneVector, predicted_additive: Pseudobulks | None
) -> tuple[FloatArray, FloatArray]:
    """Return ``yhat - ahat`` and ``y - a``; the second means nothing where a mask is given as ``observed``."""
    own = additive if predicted_additive is None else predicted_additive
    values, truth, expected, own = read(
        predicted=predicted, observed=observed, additive=additive, predicted_additive=own
    )
    return movement(values, own), movement(truth, expected)
