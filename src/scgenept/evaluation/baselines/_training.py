"""What a baseline is fitted to: pseudobulks of the training perturbations and the mean of the control cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from ... import _keys
from ..._errors import DataError, listing
from ...data.checks import require_anndata
from ...data.records import split_key
from ...data.select import control_mask, require_log_expression
from ...data.setup import read_setup
from ...perturbation import Perturbation
from ..pseudobulk import pseudobulk

if TYPE_CHECKING:
    from anndata import AnnData

    from ...perturbation import PerturbationLike

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Training:
    """Training pseudobulks, checked and sorted by name, so that the order they came in changes nothing.

    Attributes
    ----------
    perturbations
        The n training perturbations, without the control.
    profiles
        n x genes, mean over cells, log1p of counts per 1e4, float64.
    control
        (genes,) mean of the control cells, same unit.
    genes
        Names of the genes.
    n_cells
        (n,) number of cells, where known.
    """

    perturbations: tuple[Perturbation, ...]
    profiles: FloatArray
    control: FloatArray
    genes: pd.Index[Any]
    n_cells: FloatArray | None = None

    @property
    def changes(self) -> FloatArray:
        """``d``: profiles less control, n x genes."""
        return self.profiles - self.control

    @property
    def mean(self) -> FloatArray:
        """``m``: mean over perturbations of their profiles, (genes,)."""
        mean: FloatArray = self.profiles.mean(axis=0)
        return mean

    @property
    def singles(self) -> dict[str, FloatArray]:
        """Profiles of the perturbations of one gene, by that gene."""
        return {p.genes[0]: row for p, row in zip(self.perturbations, self.profiles, strict=True) if len(p) == 1}


def parse(perturbations: Iterable[PerturbationLike]) -> list[Perturbation]:
    """Read labels as perturbations; one string is one label, which is not meant."""
    if isinstance(perturbations, str):
        msg = f"perturbations is a collection of them, not one label. Write [{perturbations!r}]."
        raise DataError(msg)
    given: object = perturbations
    if not isinstance(given, Iterable):
        msg = f"perturbations is a collection of labels, not {type(given).__name__}. Write ['KLF1', ...]."
        raise DataError(msg)
    return [Perturbation.parse(p) for p in perturbations]


def read_training(training: pd.DataFrame, control: pd.Series[float], n_cells: pd.Series[int] | None = None) -> Training:
    """Check tables of pseudobulks and bring them into one order.

    Parameters
    ----------
    training
        Perturbations x genes; a control row is no perturbation and is left out.
    control
        One value per gene, in the order of the columns of ``training``.
    n_cells
        Number of cells per row of ``training``.

    Raises
    ------
    DataError
        Genes differ or occur twice, a perturbation occurs twice, or a value is NaN or infinite.
    """
    _check_genes(training, control)
    parsed = parse(training.index)
    names = [str(p) for p in parsed]
    seen = pd.Index([name for name in names if name != _keys.CONTROL])
    if repeated := sorted(set(seen[seen.duplicated()])):
        msg = (
            f"{len(repeated)} training perturbations occur twice: {listing(repeated)}. "
            "Labels such as A+ctrl and ctrl+A are one perturbation: pool their cells first."
        )
        raise DataError(msg)
    order = sorted((i for i, p in enumerate(parsed) if not p.is_control), key=names.__getitem__)
    profiles = training.to_numpy(dtype=np.float64)[order]
    start: FloatArray = np.asarray(control, dtype=np.float64)
    if bad := [names[i] for i, row in zip(order, np.isfinite(profiles).all(axis=1), strict=True) if not row]:
        msg = (
            f"{len(bad)} of {len(order)} training pseudobulks hold NaN or infinite values: {listing(bad)}. "
            "Leave them out, or start from the counts."
        )
        raise DataError(msg)
    if not np.isfinite(start).all():
        missing = control.index[~np.isfinite(start)]
        msg = (
            f"The control mean is NaN or infinite for {len(missing)} genes: {listing(missing)}. Start from the counts, "
            "or leave these genes out."
        )
        raise DataError(msg)
    return Training(
        perturbations=tuple(parsed[i] for i in order),
        profiles=profiles,
        control=start,
        genes=control.index,
        n_cells=None if n_cells is None else _cell_numbers(n_cells, [names[i] for i in order]),
    )


def training_pseudobulks(adata: AnnData) -> tuple[pd.DataFrame, pd.Series[float], pd.Series[int]]:
    """Sum up the cells of an AnnData that a baseline may be fitted to.

    Training perturbations are those of the cells with ``obs["split"] == "train"``, or all where there is no split. The
    control mean is over the control cells of the training split, or over all of them where the split names none.

    Returns
    -------
    Means, perturbations x genes; the mean of the control cells; the numbers of cells.

    Raises
    ------
    DataError
        There is no setup, no control cell, or ``X`` is not log1p of counts.
    """
    controls, perturbed_rows = training_rows(adata)
    rows = np.sort(np.concatenate([controls, perturbed_rows]))
    require_log_expression(adata, rows, None)
    bulk = pseudobulk(adata[rows])
    perturbed = [name for name in bulk.mean.index if name != _keys.CONTROL]
    control: pd.Series[float] = bulk.mean.T[_keys.CONTROL]
    return bulk.mean.loc[perturbed], control, bulk.n.loc[perturbed]


def training_rows(adata: AnnData) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the positions of the control cells and of the perturbed cells of the training split.

    Raises
    ------
    DataError
        There is no setup, no control cell, or it is not known which they are.
    """
    require_anndata(adata)
    setup = read_setup(adata)
    is_control = control_mask(adata, setup)
    in_training = np.ones(adata.n_obs, dtype=bool)
    if (key := split_key(adata)) in adata.obs:
        in_training = (adata.obs[key].astype(object) == "train").to_numpy(dtype=bool)
    controls = is_control & in_training if (is_control & in_training).any() else is_control
    if not controls.any():
        msg = (
            "There are no control cells, so there is nothing that a change could be counted from. Keep them when you "
            "subset, or name their label: scgenept.pp.setup_perturbations(adata, key=..., control=...)."
        )
        raise DataError(msg)
    return np.flatnonzero(controls), np.flatnonzero(in_training & ~is_control)


def _check_genes(training: pd.DataFrame, control: pd.Series[float]) -> None:
    if list(training.columns) != list(control.index):
        odd = sorted(set(map(str, training.columns)) ^ set(map(str, control.index)))
        what = f"{len(odd)} are on one side only: {listing(odd)}" if odd else "they are in another order"
        msg = f"training and control do not list the same genes: {what}. Bring both into one order with .reindex."
        raise DataError(msg)
    if twice := sorted(set(map(str, control.index[control.index.duplicated()]))):
        msg = f"{len(twice)} genes occur twice: {listing(twice)}. Make the names unique."
        raise DataError(msg)


def _cell_numbers(n_cells: pd.Series[int], names: list[str]) -> FloatArray:
    by_name = dict(zip((str(p) for p in parse(n_cells.index)), n_cells.to_numpy(dtype=np.float64), strict=True))
    if missing := [name for name in names if not by_name.get(name, 0) > 0]:
        msg = (
            f"n_cells has no positive number for {len(missing)} training perturbations: {listing(missing)}. Give the "
            "number of cells of each, or leave it out."
        )
        raise DataError(msg)
    return np.array([by_name[name] for name in names])
