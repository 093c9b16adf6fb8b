"""Predictions that need no network. A model that does not beat them has learned nothing special.

All share one signature: ``(training, control, perturbations) -> perturbations x genes``, where ``training`` holds the
observed pseudobulks of the training perturbations and ``control`` the mean of the control cells, in log1p of counts
per 1e4. A control row in ``training`` is not a perturbation and is left out. Rows of the result carry canonical names.

With ``c`` the control, ``m`` the mean over training perturbations and ``d_a`` the change that gene ``a`` alone causes:

==================  ====================================================================
:func:`no_change`   ``c``
:func:`mean`        ``m``
:func:`additive`    ``c + d_a + d_b``; ``m - c`` in place of the change of an unseen gene
==================  ====================================================================

Mean and additive beat or tie every published deep model on Pearson delta (Ahlmann-Eltze et al., Nat Methods 2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import _keys
from .._errors import DataError, listing
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..perturbation import PerturbationLike

FloatArray: TypeAlias = npt.NDArray[np.float64]


def no_change(
    training: pd.DataFrame, control: pd.Series[float], perturbations: Iterable[PerturbationLike]
) -> pd.DataFrame:
    """Predict the control mean ``c`` for every perturbation.

    Parameters
    ----------
    training
        Training perturbations x genes; only its genes are looked at.
    control
        Mean of the control cells, one value per gene.
    perturbations
        What to predict.

    Returns
    -------
    Perturbations x genes, log1p of counts per 1e4.
    """
    _, start = _read(training, control)
    return _table([np.asarray(start, dtype=np.float64)] * len(wanted := _parse(perturbations)), wanted, start.index)


def mean(training: pd.DataFrame, control: pd.Series[float], perturbations: Iterable[PerturbationLike]) -> pd.DataFrame:
    """Predict ``m``, the mean over training perturbations of their pseudobulks, whatever is asked.

    Every perturbation weighs the same, however many cells it has.

    Parameters
    ----------
    training
        Training perturbations x genes.
    control
        Mean of the control cells, one value per gene; not used but for its genes.
    perturbations
        What to predict.

    Returns
    -------
    Perturbations x genes, log1p of counts per 1e4.

    Raises
    ------
    DataError
        There is no training perturbation, or the genes of the inputs differ.
    """
    observed, start = _read(training, control)
    return _table([_mean(observed)] * len(wanted := _parse(perturbations)), wanted, start.index)


def additive(
    training: pd.DataFrame, control: pd.Series[float], perturbations: Iterable[PerturbationLike]
) -> pd.DataFrame:
    """Predict ``c + d_a + d_b``: the changes of the single perturbations, added up.

    The change of a gene that was never perturbed alone in training is taken to be ``m - c``, the mean change.

    Parameters
    ----------
    training
        Training perturbations x genes; its single-gene rows give the changes.
    control
        Mean of the control cells, one value per gene.
    perturbations
        What to predict; any number of genes each.

    Returns
    -------
    Perturbations x genes, log1p of counts per 1e4.

    Raises
    ------
    DataError
        There is no training perturbation, or the genes of the inputs differ.
    """
    observed, start = _read(training, control)
    baseline = start.to_numpy(dtype=np.float64)
    mean_change = _mean(observed) - baseline
    singles = {
        p.genes[0]: row - baseline
        for p, row in zip(_parse(observed.index), observed.to_numpy(), strict=True)
        if len(p) == 1
    }
    wanted = _parse(perturbations)
    rows = [
        baseline + sum((singles.get(gene, mean_change) for gene in p.genes), np.zeros_like(baseline)) for p in wanted
    ]
    return _table(rows, wanted, start.index)


def _read(training: pd.DataFrame, control: pd.Series[float]) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Check that both speak of the same genes, drop control rows, and name the rest canonically."""
    if list(training.columns) != list(control.index):
        odd = sorted(set(map(str, training.columns)) ^ set(map(str, control.index)))
        what = f"{len(odd)} are on one side only: {listing(odd)}" if odd else "they are in another order"
        msg = f"training and control do not list the same genes: {what}. Bring both into one order with .reindex."
        raise DataError(msg)
    parsed = _parse(training.index)
    rows = [not p.is_control for p in parsed]
    observed = training.loc[rows].astype(np.float64)
    observed.index = pd.Index([str(p) for p in parsed if not p.is_control], name=_keys.PERTURBATION)
    if repeated := sorted(set(observed.index[observed.index.duplicated()])):
        msg = (
            f"{len(repeated)} training perturbations occur twice: {listing(repeated)}. "
            "Labels such as A+ctrl and ctrl+A are one perturbation: pool their cells first."
        )
        raise DataError(msg)
    return observed, control.astype(np.float64)


def _mean(observed: pd.DataFrame) -> FloatArray:
    if observed.empty:
        msg = "There is no training perturbation, so there is no mean to predict."
        raise DataError(msg)
    mean_over_perturbations: FloatArray = observed.to_numpy().mean(axis=0)
    return mean_over_perturbations


def _parse(perturbations: Iterable[PerturbationLike]) -> list[Perturbation]:
    return [Perturbation.parse(p) for p in perturbations]


def _table(rows: list[FloatArray], wanted: list[Perturbation], genes: pd.Index[str]) -> pd.DataFrame:
    index = pd.Index([str(p) for p in wanted], name=_keys.PERTURBATION)
    values = np.stack(rows) if rows else np.empty((0, len(genes)))
    return pd.DataFrame(values, index=index, columns=genes)
