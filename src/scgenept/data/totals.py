"""Counts of a cell over all genes, where only some of them are there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, listing, near_names
from .records import read_record

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

TOTAL_COLUMNS: Final = {"n_counts", "ncounts", "total_counts", "ncount_rna", "umi_count", "n_umi", "numi", "n_umis"}
"""Names, in lower case, under which scanpy, Seurat and scPerturb keep the counts of a cell over all genes."""
MIN_SHARE: Final = 0.9
MIN_COUNTS: Final = 200


def read_totals(obs: pd.DataFrame, key: str, present: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts of each cell over all genes, from a column of obs.

    Parameters
    ----------
    obs
        Of the cells.
    key
        The column.
    present
        Counts of each cell over the genes that are there.

    Raises
    ------
    DataError
        There is no such column, it holds no numbers, or a cell has fewer counts in it than are there.
    """
    if key not in obs:
        msg = f"obs has no column {key!r}.{near_names(key, obs.columns)} Columns: {listing(obs.columns) or 'none'}."
        raise DataError(msg)
    if not pd.api.types.is_numeric_dtype(obs[key]) or pd.api.types.is_bool_dtype(obs[key]):
        msg = f"obs[{key!r}] should hold the counts of each cell over all genes; it is {obs[key].dtype}."
        raise DataError(msg)
    totals = obs[key].to_numpy(dtype=np.float64)
    less = ~(totals >= present)
    if less.any():
        first = int(np.argmax(less))
        msg = (
            f"obs[{key!r}] should hold the counts of each cell over all genes, and {int(less.sum()):,} cells have more "
            f"counts in adata than that, or none there: {obs.index[first]} has {present[first]:,.0f}, and "
            f"{totals[first]:,.0f} in obs."
        )
        raise DataError(msg)
    return totals


def warn_of_left_out_genes(adata: AnnData, present: NDArray[np.float64]) -> None:
    """Warn where adata holds, or seems to hold, only some genes: counts per 1e4 of these are too high.

    Parameters
    ----------
    adata
        Whose counts are about to be normalised.
    present
        Counts of each cell over the genes that are there.
    """
    obs, median = adata.obs, float(np.median(present))
    before = read_record(adata, _keys.PREPARE) or {}
    if (n_left_out := before.get("n_genes_before", 0) - before.get("n_genes", 0)) > 0:
        msg = (
            f"scgenept.pp.prepare left out {n_left_out:,} genes before, and counts per 1e4 of the rest alone are too "
            "high. Prepare from the original data, or pass total= with the counts over all genes."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
        return
    for name in obs.columns[obs.columns.str.casefold().isin(TOTAL_COLUMNS)]:
        try:
            share = np.median(present[present > 0] / read_totals(obs, name, present)[present > 0])
        except DataError:
            continue
        if share < MIN_SHARE:
            msg = (
                f"The genes of adata hold {share:.0%} of the counts that obs[{name!r}] gives for a cell: counts per "
                f"1e4 of these alone are too high. Pass total={name!r}, or prepare before genes are left out."
            )
            warnings.warn(msg, UserWarning, stacklevel=3)
            return
    if median < MIN_COUNTS:
        msg = (
            f"The median cell has {median:,.0f} counts. If genes were left out before, counts per 1e4 of the rest are "
            "too high: prepare first, or pass total= with the counts over all genes."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
