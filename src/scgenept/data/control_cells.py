"""The control cell that each perturbed cell is paired with, kept by name so that it survives subsetting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _keys
from .._errors import DataError, listing

if TYPE_CHECKING:
    from anndata import AnnData


def resolve_controls(adata: AnnData) -> np.ndarray:
    """Return the position of the control cell of each cell, (cells,), int64; -1 where none is named.

    Raises
    ------
    DataError
        Control cells that are named are no longer in ``adata``.
    """
    column = adata.obs[_keys.CONTROL_CELL]
    names = column.astype(object).where(column.notna(), "").astype(str).to_numpy()
    positions = adata.obs_names.get_indexer(names)
    if len(lost := sorted(set(names[(positions < 0) & (names != "")]))):
        msg = (
            f"{len(lost)} control cells that obs[{_keys.CONTROL_CELL!r}] names are not in adata: {listing(lost)}. "
            "Pair anew: scgenept.pp.pair_controls(adata)."
        )
        raise DataError(msg)
    found: np.ndarray = positions.astype(np.int64)
    return found
