"""The experiment that predictions are judged by: which perturbations are test, which training, and their cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .. import _keys
from .._errors import DataError, listing
from ..data.checks import check_shape, check_unique_genes, require_anndata
from ..data.records import split_key
from ..data.select import require_log_expression
from ..data.setup import read_setup
from ..perturbation import Perturbation
from .observation import Observation
from .pseudobulk import pseudobulk

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from anndata import AnnData

    from .observation import FloatArray

SplitLike: TypeAlias = "str | Iterable[str]"
TRAINING = "train"


@dataclass(frozen=True, eq=False)
class Experiment:
    """Test and training perturbations of an AnnData.

    Attributes
    ----------
    adata
        Cells x genes.
    layer
        Where the expression is; ``X`` if ``None``.
    key
        Column of ``obs`` with the canonical perturbation.
    seen
        What was observed, with all cells.
    training
        Names of the training perturbations.
    notes
        Which cells count though the split puts them elsewhere.
    """

    adata: AnnData
    layer: str | None
    key: str
    seen: Observation
    training: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def test(self) -> tuple[str, ...]:
        """Names of the test perturbations, sorted."""
        return self.seen.test

    @property
    def genes(self) -> pd.Index[str]:
        """Names of the genes."""
        return self.seen.bulk.mean.columns

    @property
    def training_table(self) -> pd.DataFrame:
        """Pseudobulks of the training perturbations."""
        return self.seen.bulk.mean.loc[list(self.training)]

    @property
    def control(self) -> FloatArray:
        """Mean of the control cells."""
        return self.seen.control


def read_experiment(adata: AnnData, *, split: SplitLike, layer: str | None) -> Experiment:
    """Find the test and training perturbations and sum up their cells.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4, set up.
    split
        The part of ``obs["split"]`` to score, or the test perturbations themselves; all others are then training.
    layer
        Layer to read instead of ``X``.

    Raises
    ------
    DataError
        There is no setup, no split, no test perturbation, no training perturbation or no control cell; cells of one
        perturbation are both in training and test; or the values are not log1p of counts.
    """
    require_anndata(adata)
    setup = read_setup(adata)
    check_shape(adata.n_obs, adata.n_vars, min_genes=1)
    check_unique_genes(adata.var_names)
    labels = adata.obs[setup.perturbation_key].astype(object)
    if _keys.CONTROL not in set(labels):
        msg = (
            f"No cell is a control ({_keys.CONTROL!r} in obs[{setup.perturbation_key!r}]): there is no change to "
            "score. Keep the controls when you subset."
        )
        raise DataError(msg)
    require_log_expression(adata, np.flatnonzero(labels.notna()), layer)
    test, training = _parts(adata, labels, split)
    bulk = pseudobulk(adata, layer=layer, by=setup.perturbation_key)
    mean = bulk.mean.loc[training].to_numpy().mean(axis=0)
    seen = Observation(bulk, tuple(test), mean)
    notes = _strays(adata, labels, split, test, training) if isinstance(split, str) else ()
    return Experiment(adata, layer, setup.perturbation_key, seen, tuple(training), notes)


def _parts(adata: AnnData, labels: pd.Series[str], split: SplitLike) -> tuple[list[str], list[str]]:
    perturbed = sorted(set(labels.dropna()) - {_keys.CONTROL})
    if isinstance(split, str):
        test, training = _from_column(adata, labels, split)
    else:
        test = sorted({str(Perturbation.parse(name)) for name in split} - {_keys.CONTROL})
        if absent := [name for name in test if name not in set(perturbed)]:
            msg = f"{len(absent)} test perturbations occur in no cell: {listing(absent)}. Seen: {listing(perturbed)}."
            raise DataError(msg)
        training = [name for name in perturbed if name not in set(test)]
    if not test:
        msg = f"No perturbation is in split {split!r}: there is nothing to score. Perturbations: {listing(perturbed)}."
        raise DataError(msg)
    if not training:
        msg = (
            "No perturbation is in the training split, and without one there is no mean to compare with. "
            f"Mark some with {TRAINING!r} in obs[{_keys.SPLIT!r}]."
        )
        raise DataError(msg)
    return test, training


def _from_column(adata: AnnData, labels: pd.Series[str], split: str) -> tuple[list[str], list[str]]:
    key = split_key(adata)
    if key not in adata.obs:
        msg = (
            f"obs has no column {key!r}. Run sgp.pp.split(adata), write {TRAINING!r} and {split!r} there "
            "yourself, or pass the test perturbations: split=['KLF1', ...]."
        )
        raise DataError(msg)
    column = adata.obs[key].astype(object)
    if split == TRAINING or split not in set(column.dropna()):
        parts = sorted(set(column.dropna().astype(str)) - {TRAINING})
        msg = f"split={split!r} is no part that can be scored. Parts of obs[{key!r}]: {listing(parts) or 'none'}."
        raise DataError(msg)
    perturbed = labels.notna() & (labels != _keys.CONTROL)
    by_part = {part: set(labels[perturbed & (column == part)]) for part in set(column.dropna())}
    test = by_part[split]
    if both := sorted({name for part, names in by_part.items() if part != split for name in names & test}):
        msg = (
            f"{len(both)} test perturbations have cells in another part of the split too: {listing(both)}. "
            "Whole perturbations are scored, so each must be in one part."
        )
        raise DataError(msg)
    return sorted(test), sorted(by_part.get(TRAINING, set()))


def _strays(
    adata: AnnData, labels: pd.Series[str], split: str, test: list[str], training: list[str]
) -> tuple[str, ...]:
    """Say which cells are outside of the part of their perturbation; perturbations are taken whole."""
    key = split_key(adata)
    column = adata.obs[key].astype(object)
    notes = []
    for part, names, of in ((split, test, "test"), (TRAINING, training, "training")):
        outside = labels[labels.isin(names) & (column != part)]
        if len(outside):
            strays = sorted(set(outside))
            notes.append(
                f"{len(outside):,} cells of {len(strays)} {of} perturbations are not in part {part!r} of obs[{key!r}] "
                f"and count all the same, since perturbations are taken whole: {listing(strays)}. Drop these cells if "
                "they should not."
            )
    return tuple(notes)
