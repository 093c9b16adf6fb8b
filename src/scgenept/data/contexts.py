"""Codes of the groups of cells that belong to one experiment: a batch, a cell line, a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._errors import DataError, listing, near_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


def context_codes(adata: AnnData, by: str | Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """Return a number for each group of cells that agree in some columns of ``obs``.

    Parameters
    ----------
    adata
        Cells x genes.
    by
        Column, or columns; ``None`` or none puts all cells into one group.

    Returns
    -------
    Code per cell, (cells,), int64, from 0 without gaps, and the name of each code: its values joined by ``", "``.

    Raises
    ------
    DataError
        A column does not exist, or cells have no value in it.
    """
    columns = [by] if isinstance(by, str) else [] if by is None else list(by)
    if not columns:
        return np.zeros(adata.n_obs, dtype=np.int64), ["all"]
    if absent := [name for name in columns if name not in adata.obs]:
        msg = (
            f"obs has no column {absent[0]!r}.{near_names(absent[0], map(str, adata.obs))} "
            f"Columns: {listing(adata.obs.columns)}."
        )
        raise DataError(msg)
    for name in columns:
        if missing := int(adata.obs[name].isna().sum()):
            msg = f"{missing:,} of {adata.n_obs:,} cells have no value in obs[{name!r}]: fill it in or leave them out."
            raise DataError(msg)
    codes, names = np.zeros(adata.n_obs, dtype=np.int64), [""]
    for name in columns:
        values, found = pd.factorize(adata.obs[name])
        combined, pairs = pd.factorize(codes * len(found) + values, sort=True)
        codes = combined.astype(np.int64)
        names = [f"{names[pair // len(found)]}, {found[pair % len(found)]}" for pair in pairs.tolist()]
    return codes, [name.removeprefix(", ") for name in names]
