"""Codes of the groups of cells that belong to one experiment: a batch, a cell line, a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
        Column, or columns; ``None`` puts all cells into one group.

    Returns
    -------
    Code per cell, (cells,), int64, and the name of each code.

    Raises
    ------
    DataError
        A column does not exist, or cells have no value in it.
    """
    if by is None:
        return np.zeros(adata.n_obs, dtype=np.int64), ["all"]
    columns = [by] if isinstance(by, str) else list(by)
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
    grouped = adata.obs.groupby(columns, observed=True, sort=True)
    codes: np.ndarray = grouped.ngroup().to_numpy(dtype=np.int64)
    names = [", ".join(map(str, np.atleast_1d(np.asarray(key, dtype=object)))) for key in grouped.groups]
    return codes, names
