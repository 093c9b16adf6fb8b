"""Perturbations that a model was not trained on, with what was observed of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _keys
from .._errors import DataError, listing, near_names
from ..data.checks import check_shape, check_unique_genes, require_anndata
from ..data.records import split_key
from ..data.select import input_rows, require_log_expression
from ..data.setup import read_setup
from ..evaluation.pseudobulk import pseudobulk
from ..evaluation.uncertainty.conformal import control_spread
from ..perturbation import Perturbation
from ..weights.gene_index import GeneIndex
from ._intervals import stratum_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from anndata import AnnData

    from .._types import RNGLike
    from ..data.setup import Setup
    from ..weights.model import ScGenePT


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out perturbations of an AnnData.

    Attributes
    ----------
    setup
        Of the AnnData.
    perturbations, strata
        Canonical names, sorted, and their strata.
    seen
        Genes perturbed in training.
    observed
        Perturbations x genes, mean over cells, log1p of counts per 1e4, float64.
    control, spread
        Mean and (lifted) standard deviation over all control cells, (genes,), same unit.
    rows
        The control cells to predict from.
    """

    setup: Setup
    perturbations: tuple[str, ...]
    strata: tuple[str, ...]
    seen: tuple[str, ...]
    observed: np.ndarray
    control: np.ndarray
    spread: np.ndarray
    rows: np.ndarray


def read_held_out(
    adata: AnnData,
    models: Sequence[ScGenePT],
    *,
    split: str | Iterable[str],
    layer: str | None,
    n_cells: int | None,
    rng: RNGLike,
) -> HeldOut:
    """Find perturbations of a part of the split, or those named, and require that no model was trained on them.

    Raises
    ------
    DataError
        There is no setup, control cell or such perturbation; one was trained on; or it is not known which were.
    """
    require_anndata(adata)
    check_shape(adata.n_obs, adata.n_vars)
    check_unique_genes(adata.var_names)
    setup = read_setup(adata)
    labels = adata.obs[setup.perturbation_key].astype(object)
    names = _names(adata, labels, split)
    trained = {name for model in models for name in _trained(model, adata, labels)}
    seen = sorted({gene for name in trained for gene in Perturbation.parse(name).genes})
    index = GeneIndex(models[0], seen)
    if overlap := [name for name in names if _as_in_training(index, seen, name) in trained]:
        msg = (
            f"{len(overlap)} of {len(names)} perturbations were trained on: {listing(overlap)}. Errors on them say "
            "nothing of those on new ones; take perturbations that were held out."
        )
        raise DataError(msg)
    rows = input_rows(adata, setup, obs_mask=None, n_cells=n_cells, rng=rng)
    is_used = labels.isin([*names, _keys.CONTROL]).to_numpy()
    require_log_expression(adata, np.flatnonzero(is_used), layer)
    bulk = pseudobulk(adata, layer=layer, by=setup.perturbation_key, perturbations=[*names, _keys.CONTROL])
    strata = stratum_of(models[0], [Perturbation.parse(name) for name in names], seen)
    return HeldOut(
        setup=setup,
        perturbations=tuple(names),
        strata=tuple(strata),
        seen=tuple(seen),
        observed=bulk.mean.loc[names].to_numpy(),
        control=bulk.mean.loc[_keys.CONTROL].to_numpy(),
        spread=control_spread(bulk.std.loc[_keys.CONTROL].to_numpy(), int(bulk.n[_keys.CONTROL])),
        rows=rows,
    )


def _names(adata: AnnData, labels: pd.Series[str], split: str | Iterable[str]) -> list[str]:
    present = set(labels.dropna()) - {_keys.CONTROL}
    if not isinstance(split, str):
        names = sorted({str(Perturbation.parse(name)) for name in split} - {_keys.CONTROL})
        if absent := [name for name in names if name not in present]:
            hint = near_names(absent[0], present)
            msg = f"{len(absent)} perturbations occur in no cell: {listing(absent)}.{hint}"
            raise DataError(msg)
    else:
        names = _of_part(adata, labels, split)
    if not names:
        msg = f"No perturbation is in {split!r}. Perturbations of adata: {listing(sorted(present)) or 'none'}."
        raise DataError(msg)
    return names


def _of_part(adata: AnnData, labels: pd.Series[str], part: str) -> list[str]:
    key = split_key(adata)
    if key not in adata.obs:
        msg = (
            f"obs has no column {key!r}: run scgenept.pp.split(adata) as for the training, or name the "
            "perturbations: split=['KLF1', ...]."
        )
        raise DataError(msg)
    column = adata.obs[key].astype(object)
    return sorted(set(labels[(column == part).to_numpy()].dropna()) - {_keys.CONTROL})


def _as_in_training(index: GeneIndex, seen: list[str], name: str) -> str:
    """Return a perturbation under the names that its genes have in training, where they were perturbed there."""
    genes = Perturbation.parse(name).genes
    positions = index.positions(genes)
    return str(Perturbation.parse([seen[i] if i >= 0 else gene for gene, i in zip(genes, positions, strict=True)]))


def _trained(model: ScGenePT, adata: AnnData, labels: pd.Series[str]) -> list[str]:
    """Return the perturbations that a model was trained on: those on its card, else the training part of the data."""
    on_card = [str(Perturbation.parse(label)) for label in sorted(model.card.trained_on)]
    if model.card.perturbed_genes is not None:
        return on_card
    if split_key(adata) in adata.obs and (names := _of_part(adata, labels, "train")):
        return [*on_card, *names]
    msg = (
        f"The card of {model.name} does not list the perturbations that it was trained on, and neither does "
        f"obs[{split_key(adata)!r}]. Run scgenept.pp.split(adata) as for its training (official models: "
        "scheme='simulation', seed=1)."
    )
    raise DataError(msg)
