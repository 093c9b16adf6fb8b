"""Pseudobulks over every kind of matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scgenept import _keys
from scgenept._errors import DataError
from scgenept.evaluation.pseudobulk import pseudobulk, pseudobulks_within, rest
from scgenept.pp import setup_perturbations

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["ctrl", "B", "A+B", "B", "ctrl", "A+B", "ctrl", "single", "B", "ctrl"]


def cells(kind: type | None = None, dtype: type = np.float32) -> ad.AnnData:
    rng = np.random.default_rng(0)
    values = (rng.gamma(1, 1, (len(LABELS), 6)) * rng.integers(0, 2, (len(LABELS), 6))).astype(dtype)
    obs = pd.DataFrame({_keys.PERTURBATION: pd.Categorical(LABELS)}, index=[f"c{i}" for i in range(len(LABELS))])
    var = pd.DataFrame(index=[f"g{i}" for i in range(6)])
    return ad.AnnData(values if kind is None else kind(values), obs=obs, var=var)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [None, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_equals_a_loop(kind: type | None, dtype: type) -> None:
    adata = cells(kind, dtype)
    values = cells(None, dtype).X.astype(np.float64)
    bulk = pseudobulk(adata)
    assert list(bulk.mean.index) == ["A+B", "B", "ctrl", "single"]
    assert list(bulk.mean.columns) == list(adata.var_names)
    for name in bulk.mean.index:
        rows = [i for i, label in enumerate(LABELS) if label == name]
        assert bulk.n[name] == len(rows)
        for g, gene in enumerate(adata.var_names):
            column = [values[i, g] for i in rows]
            mean = sum(column) / len(column)
            assert bulk.mean.loc[name, gene] == pytest.approx(mean, rel=1e-12, abs=1e-15)
            if len(rows) > 1:
                spread = (sum((v - mean) ** 2 for v in column) / (len(column) - 1)) ** 0.5
                assert bulk.std.loc[name, gene] == pytest.approx(spread, rel=1e-12, abs=1e-15)
    assert bulk.std.loc["single"].isna().all()
    assert all(dtype == np.float64 for table in (bulk.mean, bulk.std) for dtype in table.dtypes)


@pytest.mark.parametrize("kind", [None, sparse.csr_matrix, sparse.csc_matrix])
def test_backed_files_and_views(tmp_path: Path, kind: type | None) -> None:
    adata = cells(kind)
    expected = pseudobulk(cells())
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    try:
        pd.testing.assert_frame_equal(pseudobulk(backed).mean, expected.mean)
    finally:
        backed.file.close()
    view = cells(kind)[::-1]
    pd.testing.assert_frame_equal(pseudobulk(view).std, expected.std)


def test_layer_column_and_choice_of_perturbations() -> None:
    adata = cells()
    adata.layers["double"] = 2 * adata.X
    adata.obs["other"] = adata.obs.pop(_keys.PERTURBATION)
    setup_perturbations(adata, key="other", key_added="other", overwrite=True, modality="CRISPRa")
    bulk = pseudobulk(adata, layer="double", perturbations=["ctrl", "B"])
    assert list(bulk.n.index) == ["ctrl", "B"]
    np.testing.assert_allclose(bulk.mean.loc["B"], 2 * pseudobulk(cells()).mean.loc["B"])
    pd.testing.assert_frame_equal(pseudobulk(adata, by="other").mean, pseudobulk(adata).mean)


def test_unlabelled_cells_belong_to_no_group() -> None:
    adata = cells()
    adata.obs[_keys.PERTURBATION] = [None if label == "B" else label for label in LABELS]
    assert list(pseudobulk(adata).n.index) == ["A+B", "ctrl", "single"]


def test_errors_say_what_to_do() -> None:
    adata = cells()
    with pytest.raises(DataError, match=r"no column 'condition'.*setup_perturbations"):
        pseudobulk(adata, by="condition")
    with pytest.raises(DataError, match=r"no layer 'log'.*none"):
        pseudobulk(adata, layer="log")
    with pytest.raises(DataError, match=r"1 perturbations occur in no cell: A\+C.*Nearest known names: A\+B"):
        pseudobulk(adata, perturbations=["A+C"])
    del adata.X
    with pytest.raises(DataError, match="adata.X is None"):
        pseudobulk(adata)


def test_rest_equals_the_other_cells() -> None:
    adata = cells()
    adata.X = adata.X.astype(np.float64)
    adata.X[:, 2] = np.where(np.array(LABELS) == "B", 0.1, 0)  # what nobody else expresses leaves no crumbs
    others = rest(pseudobulk(adata))
    labels = np.array(LABELS)
    assert list(others.mean.index) == ["A+B", "B", "single"]
    for name in others.mean.index:
        chosen = adata.X[(labels != name) & (labels != "ctrl")]
        assert others.n[name] == len(chosen)
        np.testing.assert_allclose(others.mean.loc[name], chosen.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(others.std.loc[name], chosen.std(axis=0, ddof=1), rtol=1e-12)
    assert others.mean.loc["B"].iloc[2] == others.std.loc["B"].iloc[2] == 0


def test_rest_of_one_perturbation_is_nothing() -> None:
    adata = cells()
    alone = rest(pseudobulk(adata, perturbations=["ctrl", "B"]))
    assert alone.n.to_dict() == {"B": 0}
    assert alone.mean.isna().all(axis=None)
    assert alone.std.isna().all(axis=None)


@pytest.mark.parametrize("kind", [None, sparse.csr_matrix, sparse.csc_matrix])
def test_within_a_column(kind: type | None) -> None:
    adata = cells(kind)
    adata.obs["line"] = list("xyxyxyxyxx")
    found = pseudobulks_within(adata, "line")
    assert list(found) == ["x", "y"]
    for name, bulk in found.items():
        alone = pseudobulk(adata[adata.obs["line"] == name].copy())
        pd.testing.assert_frame_equal(bulk.mean, alone.mean)
        pd.testing.assert_frame_equal(bulk.std, alone.std)
        pd.testing.assert_series_equal(bulk.n, alone.n)


def test_what_is_stored_by_column_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scgenept.evaluation.pseudobulk._BLOCK", 2 * len(LABELS))  # two columns at a time
    adata = cells(sparse.csc_matrix)
    pd.testing.assert_frame_equal(pseudobulk(adata).std, pseudobulk(cells()).std)


@pytest.mark.parametrize("kind", [None, sparse.csr_matrix, sparse.csc_matrix])
def test_cells_without_any_value(kind: type | None) -> None:
    adata = cells(kind)
    adata.X = sparse.csr_matrix(adata.shape) if kind else np.zeros(adata.shape)
    assert (pseudobulk(adata).std.drop("single") == 0).all(axis=None)
