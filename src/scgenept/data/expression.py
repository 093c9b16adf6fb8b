"""Expression values: take them out, normalise them, choose the genes that vary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import scipy.sparse as sp

from .. import _keys
from .._errors import DataError, listing, near_names

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

TARGET_SUM: Final = 1e4
"""Counts per cell after normalisation: what scGPT, GEARS and scGenePT were trained on."""
_ROWS: Final = 4096


def expression(adata: AnnData, layer: str | None = None) -> Any:
    """Return ``X`` or a layer as it is stored: numpy, sparse, or an open file.

    Raises
    ------
    DataError
        If there is none.
    """
    if layer is None:
        if adata.X is None:
            msg = "adata.X is None. Name the layer that holds the values with layer=."
            raise DataError(msg)
        return adata.X
    layers = [key for key in adata.layers if key is not None]
    if str(layer) not in layers:
        msg = f"There is no layer {layer!r}.{near_names(layer, layers)} Layers: {listing(layers) or 'none'}."
        raise DataError(msg)
    return adata.layers[layer]


def as_float32(values: Any) -> Any:
    """Return values in memory as float32: csr from any sparse storage, numpy from any dense one.

    No value of a csr is in several entries, and those of a cell are in the order of genes.
    """
    loaded = values if sp.issparse(values) or isinstance(values, np.ndarray) else values[:]
    if sp.issparse(loaded):
        rows = loaded.tocsr().astype(np.float32, copy=False)
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        return rows
    return np.asarray(loaded, dtype=np.float32)


def log_normalise(counts: Any, *, totals: NDArray[Any] | None = None, target_sum: float = TARGET_SUM) -> Any:
    r"""Return log1p of counts per ``target_sum``, :math:`\log(1 + 10^4 \, x_{ig} / \sum_h x_{ih})`.

    Parameters
    ----------
    counts
        Cells x genes, csr or numpy. A cell without counts stays 0.
    totals
        Counts of each cell over all genes, where ``counts`` holds only some of them.
    target_sum
        Counts per cell after normalisation.

    Returns
    -------
    Cells x genes, float32, of the same storage. Computed in float64, some thousand cells at a time.
    """
    out = as_float32(counts)
    out = out.copy() if np.may_share_memory(_stored(out), _stored(counts)) else out
    stored = _stored(out)
    for start in range(0, out.shape[0], _ROWS):
        stop = min(start + _ROWS, out.shape[0])
        block = out[start:stop]
        total = cell_totals(block) if totals is None else np.asarray(totals[start:stop], dtype=np.float64)
        factor = np.divide(target_sum, total, out=np.zeros_like(total), where=total > 0)
        if sp.issparse(out):
            values = slice(out.indptr[start], out.indptr[stop])
            stored[values] = np.log1p(stored[values] * np.repeat(factor, np.diff(out.indptr[start : stop + 1])))
        else:
            stored[start:stop] = np.log1p(block * factor[:, None])
    return out


def cell_totals(values: Any) -> NDArray[np.float64]:
    """Return the sum over genes of each cell, float64."""
    return np.asarray(values.sum(axis=1, dtype=np.float64)).ravel()


def highly_variable(log_expression: Any, n_top_genes: int) -> NDArray[np.bool_]:
    """Choose the genes of largest normalised dispersion, flavour ``seurat``, as for GEARS and scGPT.

    Dispersion is the variance over the mean of the counts per 1e4, in log; it is normalised within twenty bins of
    genes of like mean (Satija et al., Nat Biotech 2015, as :func:`scanpy.pp.highly_variable_genes` computes it).

    Parameters
    ----------
    log_expression
        Cells x genes, log1p of counts per 1e4.
    n_top_genes
        How many to choose.

    Returns
    -------
    One boolean per gene.
    """
    import scanpy as sc
    from anndata import AnnData

    # scanpy reads no sparse arrays yet; the matrix shares their memory.
    cells = AnnData(sp.csr_matrix(log_expression) if sp.issparse(log_expression) else log_expression)
    table = sc.pp.highly_variable_genes(cells, n_top_genes=n_top_genes, flavor="seurat", inplace=False)
    return np.asarray(table[_keys.HIGHLY_VARIABLE], dtype=bool)


def _stored(values: Any) -> NDArray[Any]:
    stored: NDArray[Any] = values.data if sp.issparse(values) else values
    return stored
