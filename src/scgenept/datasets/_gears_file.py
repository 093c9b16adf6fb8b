"""Cells as GEARS processes them, with what is known to be wrong put right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from .. import _keys
from .._logging import logger
from ..data.records import read_record, write_record
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from pathlib import Path

    from .._types import Modality

PROCESSED: Final = "perturb_processed.h5ad"
"""The file in the folders and zips of GEARS."""
CONDITION: Final = "condition"
"""The column of ``obs`` in which GEARS keeps labels, with ``ctrl`` for controls."""
PUBLIC: Final[dict[str, Modality]] = {"norman": "CRISPRa", "adamson": "CRISPRi"}
"""Data sets of GEARS in K562 cells whose files say A549."""
_LISTS: Final = ("rank_genes_groups_cov_all", "top_non_dropout_de_20", "top_non_zero_de_20")
"""Entries of ``uns`` with names of genes per condition."""
_ROWS: Final = 4096


def read_processed(path: Path) -> ad.AnnData:
    """Read the file; counts that are stored densely become csr some rows at a time.

    Raises
    ------
    OSError, KeyError, ValueError
        It is no whole h5ad.
    """
    import h5py

    dense: list[str] = []

    def read(function: Any, _name: str, element: Any, **_: Any) -> Any:
        if element.name == f"/layers/{_keys.COUNTS}" and isinstance(element, h5py.Dataset):
            dense.append(str(element.dtype))
            return _csr(element)
        return function(element)

    with h5py.File(path) as file:
        if "encoding-type" not in file.attrs:  # written before anndata 0.8
            return ad.read_h5ad(path)
        adata: ad.AnnData = ad.experimental.read_dispatched(file, read)
    if dense:
        write_record(adata, _keys.CORRECTIONS, _counts_note(dense[0]))
    return adata


def correct(adata: ad.AnnData, name: str) -> None:
    """Put right what is known to be wrong in files of GEARS, say so, and record it in ``uns``.

    Parameters
    ----------
    adata
        As GEARS processed it, changed in place.
    name
        Of the data set. ``norman`` and ``adamson`` are the public ones.
    """
    noted = read_record(adata, _keys.CORRECTIONS) or {}
    done = {**noted, **_correct_counts(adata), **_correct_cell_type(adata, name), **_correct_names(adata)}
    for what in done.values():
        logger.warning("%s: %s", name, what)
    if CONDITION in adata.obs:
        labels = [str(label) for label in adata.obs[CONDITION].unique()]
        perturbations = {Perturbation.parse(label) for label in labels if label.strip()}
        if twice := len(labels) - len(perturbations):
            logger.info("%s: %d labels name a perturbation that another label names (A+ctrl, ctrl+A).", name, twice)
    write_record(adata, _keys.CORRECTIONS, done)


def _correct_counts(adata: ad.AnnData) -> dict[str, str]:
    if _keys.COUNTS not in adata.layers:
        return {}
    counts = adata.layers[_keys.COUNTS]
    if sparse.issparse(counts) and counts.dtype == np.float32:
        return {}
    adata.layers[_keys.COUNTS] = sparse.csr_matrix(counts, dtype=np.float32)
    return {} if sparse.issparse(counts) else _counts_note(str(counts.dtype))


def _counts_note(dtype: str) -> dict[str, str]:
    return {f"layers_{_keys.COUNTS}": f"layers[{_keys.COUNTS!r}] is a dense table of {dtype} as it came, csr here"}


def _correct_cell_type(adata: ad.AnnData, name: str) -> dict[str, str]:
    if name not in PUBLIC or "cell_type" not in adata.obs or set(adata.obs["cell_type"]) != {"A549"}:
        return {}
    adata.obs["cell_type"] = pd.Categorical.from_codes(
        np.zeros(adata.n_obs, dtype=np.int8), categories=pd.Index(["K562"], dtype=object)
    )
    return {"cell_type": "obs['cell_type'] says A549 for every cell in the file; the cells are K562"}


def _correct_names(adata: ad.AnnData) -> dict[str, str]:
    """Name genes by their symbols, as conditions name targets, where the file keeps symbols in a column."""
    if "gene_name" not in adata.var or "gene_id" in adata.var:
        return {}
    symbols, ids = adata.var["gene_name"].astype(str), adata.var_names.astype(str)
    if symbols.tolist() == ids.tolist():
        return {}
    if symbols.duplicated().any() or adata.var["gene_name"].isna().any():
        logger.warning("var['gene_name'] is not unique, so genes keep the names of the file.")
        return {}
    for key in _LISTS:
        if isinstance(lists := adata.uns.get(key), dict):
            known = dict(zip(ids, symbols, strict=True))
            adata.uns[key] = {
                label: np.array([known.get(str(gene), str(gene)) for gene in genes], dtype=object)
                for label, genes in lists.items()
            }
    adata.var["gene_id"] = np.array(ids, dtype=object)
    adata.var_names = np.array(symbols, dtype=object)
    return {"var_names": "genes are named by var['gene_name'], as targets are; the file's names are in var['gene_id']"}


def _csr(dataset: Any) -> sparse.csr_matrix:
    blocks = [
        sparse.csr_matrix(dataset[start : start + _ROWS], dtype=np.float32)
        for start in range(0, dataset.shape[0], _ROWS)
    ]
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix(dataset.shape, dtype=np.float32)
