"""Normalisation and choice of genes, beside scanpy's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp

from scgenept._errors import DataError
from scgenept.data import expression as module
from scgenept.data.expression import as_float32, expression, highly_variable, log_normalise
from tests.storage import STORAGES, stored

if TYPE_CHECKING:
    from pathlib import Path


def counts() -> np.ndarray:
    values = np.random.default_rng(1).poisson(np.geomspace(0.05, 20, 60), size=(40, 60)).astype(float)
    values[7] = 0
    return values


def dense(values: Any) -> np.ndarray:
    return values.toarray() if sp.issparse(values) else np.asarray(values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("storage", STORAGES)
def test_log_normalise(storage: str, dtype: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)
    raw = counts().astype(dtype)
    values = as_float32(stored(raw, storage, tmp_path))
    before = dense(values).copy()
    result = log_normalise(values)
    np.testing.assert_array_equal(dense(values), before)
    assert result.dtype == np.float32
    assert isinstance(result, np.ndarray) if "numpy" in storage else result.format == "csr"
    for cell, row in zip(raw, dense(result), strict=True):
        total = cell.sum() or 1.0
        np.testing.assert_allclose(row, [np.log(1 + 1e4 * value / total) for value in cell], rtol=2e-7)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.coo_matrix])
def test_a_value_in_several_entries_is_their_sum(kind: Any) -> None:
    raw = counts()
    cells, genes = np.nonzero(raw)
    largest = np.ceil(raw[cells, genes] / 2)
    halves = np.concatenate([raw[cells, genes] - largest, largest]).astype(np.float32)
    at = (np.concatenate([cells, cells]), np.concatenate([genes, genes]))
    if kind is sp.coo_matrix:
        values = kind((halves, at), shape=raw.shape)
    else:  # row by row or column by column, as the format wants it, in entries that stay apart
        major, minor = (at[1], at[0]) if kind is sp.csc_matrix else at
        order = np.argsort(major, kind="stable")
        starts = np.searchsorted(major[order], np.arange(raw.shape[kind is sp.csc_matrix] + 1))
        values = kind((halves[order], minor[order], starts), shape=raw.shape)
    n_entries = values.nnz
    np.testing.assert_allclose(dense(log_normalise(values)), log_normalise(raw), rtol=2e-7)
    assert values.nnz == n_entries, "the user's matrix stays as it was"


def test_it_is_scanpys() -> None:
    adata = ad.AnnData(sp.csr_matrix(counts()[:7]))
    ours = log_normalise(adata.X)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    np.testing.assert_allclose(ours.toarray(), adata.X.toarray(), rtol=1e-6)
    sc.pp.highly_variable_genes(adata, n_top_genes=12, flavor="seurat")
    np.testing.assert_array_equal(highly_variable(ours, 12), adata.var["highly_variable"])


def test_expression() -> None:
    adata = ad.AnnData(counts(), layers={"counts": counts()})
    assert expression(adata).shape == expression(adata, "counts").shape
    with pytest.raises(DataError, match=r"no layer 'count'\. Nearest known names: counts\. Layers: counts\."):
        expression(adata, "count")
    with pytest.raises(DataError, match=r"X is None.*layer="):
        expression(ad.AnnData(obs={"a": [1]}))
