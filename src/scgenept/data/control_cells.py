"""The control cell that each perturbed cell is paired with, kept by name so that it survives subsetting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from .._types import RNGLike


def draw_controls(
    is_control: np.ndarray, codes: np.ndarray, names: Sequence[str], *, by: Sequence[str], rng: RNGLike
) -> np.ndarray:
    """Draw a control cell of the same group for each perturbed cell.

    Parameters
    ----------
    is_control
        (cells,), bool.
    codes
        Group of each cell, (cells,), int64.
    names
        Of the groups.
    by
        What the groups are, for messages.
    rng
        Seed or generator.

    Returns
    -------
    Position of the control cell, (cells,), int64; -1 for control cells.

    Raises
    ------
    DataError
        If there are no control cells or no perturbed ones, or a group has perturbed cells but no control.
    """
    n_controls, n_perturbed = int(is_control.sum()), int((~is_control).sum())
    if not n_controls or not n_perturbed:
        msg = (
            f"Pairs need control cells and perturbed cells; found {n_controls:,} and {n_perturbed:,}. Was adata "
            "subset, or the wrong label named as control? scgenept.pp.setup_perturbations(adata, key=..., control=...)."
        )
        raise DataError(msg)
    controls = np.bincount(codes[is_control], minlength=len(names))
    perturbed = np.bincount(codes[~is_control], minlength=len(names))
    if len(lonely := np.flatnonzero((perturbed > 0) & (controls == 0))):
        which = listing(f"{names[i]} ({perturbed[i]:,} cells)" for i in lonely.tolist())
        msg = (
            f"{len(lonely)} of {len(names)} groups by {' and '.join(by)} have perturbed cells but no control cell: "
            f"{which}. Pair by fewer columns, or leave these cells out."
        )
        raise DataError(msg)
    at = np.flatnonzero(is_control)
    at = at[np.argsort(codes[at], kind="stable")]
    start = np.cumsum(controls) - controls
    wanted = codes[~is_control]
    positions = np.full(len(codes), -1, dtype=np.int64)
    positions[~is_control] = at[start[wanted] + np.random.default_rng(rng).integers(controls[wanted])]
    return positions


def resolve_controls(adata: AnnData) -> np.ndarray:
    """Return the position of the control cell of each cell, (cells,), int64; -1 where none is named.

    Parameters
    ----------
    adata
        Cells x genes, paired by :func:`scgenept.pp.pair_controls`; may be a subset of what was paired.

    Raises
    ------
    DataError
        If nothing is paired, or control cells that are named are no longer in ``adata``.
    """
    if _keys.CONTROL_CELL not in adata.obs:
        msg = "No control cells are chosen: run scgenept.pp.pair_controls(adata)."
        raise DataError(msg)
    column = adata.obs[_keys.CONTROL_CELL]
    codes, names = pd.factorize(column)
    there = adata.obs_names.get_indexer([str(name) for name in names])
    # An empty name means none, as a missing one does.
    there = np.append(there, -1)
    empty = np.append(np.array([str(name) == "" for name in names], dtype=bool), True)
    if len(lost := np.flatnonzero((there < 0) & ~empty)):
        n_cells = int(np.isin(codes, lost).sum())
        msg = (
            f"{len(lost):,} control cells that obs[{_keys.CONTROL_CELL!r}] names for {n_cells:,} cells are not in "
            f"adata: {listing(names[lost])}. Keep them when you subset, or pair anew: scgenept.pp.pair_controls(adata)."
        )
        raise DataError(msg)
    positions: np.ndarray = there[codes].astype(np.int64)
    return positions
