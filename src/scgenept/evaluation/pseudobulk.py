"""Pseudobulks: mean, spread and number of the cells of each perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from .. import _keys
from .._errors import DataError, listing, near_names
from ..data.expression import expression
from ..data.setup import read_setup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

FloatArray: TypeAlias = npt.NDArray[np.float64]
_Figures: TypeAlias = tuple[int, FloatArray, FloatArray]
_BLOCK: Final = 1 << 23
"""Values looked at in one go, were they dense."""


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
    return _tables(*group_moments(matrix, groups), [len(rows) for rows in groups], wanted, adata.var_names)


def pseudobulks_within(
    adata: AnnData, context: str, *, layer: str | None = None, by: str | None = None
) -> dict[str, Pseudobulk]:
    """Sum up the cells of each perturbation within each value of a column, such as the cell type; one pass.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4.
    context
        Column of ``obs``. Every cell needs a value.
    layer, by
        As in :func:`pseudobulk`.

    Returns
    -------
    Context -> pseudobulks of the perturbations that occur in it; contexts sorted by name.

    Raises
    ------
    DataError
        A column or the layer does not exist, or cells have no context.
    """
    labels = perturbation_labels(adata, by=by)
    matrix = expression(adata, layer)
    if context not in adata.obs:
        msg = f"obs has no column {context!r}.{near_names(context, map(str, adata.obs.columns))}"
        raise DataError(msg)
    if missing := int(adata.obs[context].isna().sum()):
        msg = f"{missing:,} of {adata.n_obs:,} cells have no value in obs[{context!r}]: fill it, or drop these cells."
        raise DataError(msg)
    where, contexts = pd.factorize(adata.obs[context].astype(str), sort=True)
    which, names = pd.factorize(labels, sort=True)
    keys = sorted({(int(i), int(j)) for i, j in zip(where, which, strict=True) if j >= 0})
    groups = [np.flatnonzero((where == i) & (which == j)) for i, j in keys]
    mean, std = group_moments(matrix, groups)
    found = {}
    for i, name in enumerate(contexts):
        rows = [row for row, key in enumerate(keys) if key[0] == i]
        sizes, present = [len(groups[row]) for row in rows], [str(names[keys[row][1]]) for row in rows]
        found[str(name)] = _tables(mean[rows], std[rows], sizes, present, adata.var_names)
    return found


def rest(bulk: Pseudobulk, *, control: str = _keys.CONTROL) -> Pseudobulk:
    """Sum up, for each perturbation, the cells of all other perturbations; controls belong to neither.

    The figures of the others are merged pairwise (Chan, Golub and LeVeque, 1983), from both ends of the table, so that
    nothing is subtracted: a gene that only one perturbation expresses has a rest of exactly zero mean and spread.

    Parameters
    ----------
    bulk
        Pseudobulks; a row of the control is left out.
    control
        Label of the control row.

    Returns
    -------
    One row per perturbation: mean and standard deviation over the cells of the others, and their number. NaN where
    there are no others.
    """
    names = [name for name in bulk.mean.index if name != control]
    nothing: _Figures = (0, np.zeros(bulk.mean.shape[1]), np.zeros(bulk.mean.shape[1]))
    figures: list[_Figures] = [
        (n, bulk.mean.loc[name].to_numpy(), _squares(bulk.std.loc[name].to_numpy(), n)) if n else nothing
        for name, n in zip(names, map(int, bulk.n.loc[names]), strict=True)
    ]
    after = [nothing]
    for item in reversed(figures):
        after.append(_merge(item, after[-1]))
    before, n = nothing, []
    mean, std = np.empty((2, len(names), bulk.mean.shape[1]))
    for row, item in enumerate(figures):
        size, middle, squares = _merge(before, after[len(names) - 1 - row])
        mean[row] = middle if size else np.nan
        std[row] = np.sqrt(squares / (size - 1)) if size > 1 else np.nan
        n.append(size)
        before = _merge(before, item)
    return _tables(mean, std, n, names, bulk.mean.columns)


def _tables(mean: FloatArray, std: FloatArray, n: list[int], names: list[str], genes: pd.Index[str]) -> Pseudobulk:
    index = pd.Index(names, name=_keys.PERTURBATION)
    return Pseudobulk(
        mean=pd.DataFrame(mean, index=index, columns=genes),
        std=pd.DataFrame(std, index=index, columns=genes),
        n=pd.Series(n, index=index, name="n_cells", dtype=np.int64),
    )


def _squares(std: FloatArray, n: int) -> FloatArray:
    """Return the sum of squared deviations behind a standard deviation."""
    return std**2 * (n - 1) if n > 1 else np.zeros_like(std)


def _merge(a: _Figures, b: _Figures) -> _Figures:
    """Return number, mean and sum of squared deviations of two groups of cells together."""
    n = a[0] + b[0]
    share = b[0] / max(n, 1)
    apart = b[1] - a[1]
    return n, a[1] + apart * share, a[2] + b[2] + apart**2 * (a[0] * share)


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


def group_moments(matrix: Any, groups: Sequence[NDArray[np.intp]]) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation over the rows of each group, groups x genes, for any storage.

    What is stored by column is taken some columns at a time: taking rows would read all of it once per group.
    """
    mean, std = np.empty((2, len(groups), matrix.shape[1]))
    if getattr(matrix, "format", None) == "csc":
        step = max(1, _BLOCK // max(1, matrix.shape[0]))
        for start in range(0, matrix.shape[1], step):
            columns = slice(start, start + step)
            block = matrix[:, columns].tocsr()
            for row, cells in enumerate(groups):
                mean[row, columns], std[row, columns] = moments(block[cells])
    else:
        for row, cells in enumerate(groups):
            mean[row], std[row] = moments(matrix[cells])
    return mean, std


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
        squares = squares + (n_cells - np.bincount(rows.indices, minlength=n_genes)) * mean**2
    else:
        dense = np.asarray(block, dtype=np.float64)
        mean = dense.mean(axis=0)
        squares = ((dense - mean) ** 2).sum(axis=0)
    std = np.sqrt(squares / (n_cells - 1)) if n_cells > 1 else np.full(n_genes, np.nan)
    return mean, std
