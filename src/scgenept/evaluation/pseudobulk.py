"""Pseudobulks: mean, spread and number of the cells of each perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from .. import _keys
from .._errors import DataError, listing, near_names
from ..data.expression import expression
from ..data.setup import read_setup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pseudobulk:
    """Cells summed up per perturbation, controls included; rows sorted by name, genes as in the AnnData.

    Attributes
    ----------
    mean
        Perturbations x genes, mean over cells, unit of the cells (log1p of counts per 1e4).
    std
        Perturbations x genes, standard deviation over cells with ``ddof=1``, same unit; NaN for a single cell.
    n
        Number of cells per perturbation.
    """

    mean: pd.DataFrame
    std: pd.DataFrame
    n: pd.Series[int]


def pseudobulk(
    adata: AnnData,
    *,
    layer: str | None = None,
    by: str | None = None,
    perturbations: Iterable[str] | None = None,
) -> Pseudobulk:
    """Sum up the cells of each perturbation by mean, standard deviation and number.

    Works group by group on numpy, sparse and backed matrices; the whole matrix is never made dense. Cells without a
    label belong to no group.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4.
    layer
        Layer to read instead of ``X``.
    by
        Column of ``obs`` with the perturbations; the one of :func:`scgenept.pp.setup_perturbations` otherwise.
    perturbations
        Labels to keep, in this order; all otherwise, sorted.

    Returns
    -------
    Means and standard deviations in float64, and numbers of cells.

    Raises
    ------
    DataError
        The column or layer does not exist, or a label asked for occurs in no cell.
    """
    labels = perturbation_labels(adata, by=by)
    matrix = expression(adata, layer)
    codes, found = pd.factorize(labels, sort=True)
    names = [str(name) for name in found]
    wanted = names if perturbations is None else list(perturbations)
    if missing := [name for name in wanted if name not in names]:
        hint = near_names(missing[0], names)
        msg = f"{len(missing)} perturbations occur in no cell: {listing(missing)}.{hint} Labels seen: {listing(names)}."
        raise DataError(msg)
    groups = [np.flatnonzero(codes == names.index(name)) for name in wanted]
    figures = [moments(matrix[rows]) for rows in groups]
    index = pd.Index(wanted, name=_keys.PERTURBATION)
    shape = (len(wanted), adata.n_vars)
    mean = np.stack([mean for mean, _ in figures]) if figures else np.empty(shape)
    std = np.stack([std for _, std in figures]) if figures else np.empty(shape)
    return Pseudobulk(
        mean=pd.DataFrame(mean, index=index, columns=adata.var_names),
        std=pd.DataFrame(std, index=index, columns=adata.var_names),
        n=pd.Series([len(rows) for rows in groups], index=index, name="n_cells", dtype=np.int64),
    )


def perturbation_labels(adata: AnnData, *, by: str | None = None) -> pd.Series[str]:
    """Return the column of ``obs`` that names the perturbation of each cell, set up or named by the caller."""
    if by is None:
        setup = read_setup(adata, missing_ok=True)
        by = _keys.PERTURBATION if setup is None else setup.perturbation_key
    if by not in adata.obs:
        msg = (
            f"obs has no column {by!r}; its columns are {listing(adata.obs.columns)}. "
            "Run sgp.pp.setup_perturbations first, or name the column with by=."
        )
        raise DataError(msg)
    column: pd.Series[str] = adata.obs[by].astype(object)
    return column


def moments(block: Any) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (``ddof=1``) over the rows of a numpy or sparse block, cells x genes.

    Two passes, so that a gene of large mean and small spread loses no digits.
    """
    n_cells, n_genes = block.shape
    if n_cells == 0:
        return np.full(n_genes, np.nan), np.full(n_genes, np.nan)
    if sparse.issparse(block):
        rows = block.tocsr()
        rows.sum_duplicates()
        values = rows.data.astype(np.float64)
        mean = np.bincount(rows.indices, weights=values, minlength=n_genes) / n_cells
        squares = np.bincount(rows.indices, weights=(values - mean[rows.indices]) ** 2, minlength=n_genes)
        squares += (n_cells - np.bincount(rows.indices, minlength=n_genes)) * mean**2
    else:
        dense = np.asarray(block, dtype=np.float64)
        mean = dense.mean(axis=0)
        squares = ((dense - mean) ** 2).sum(axis=0)
    std = np.sqrt(squares / (n_cells - 1)) if n_cells > 1 else np.full(n_genes, np.nan)
    return mean, std
