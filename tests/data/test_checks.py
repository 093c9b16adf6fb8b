"""Checks: counts, log1p or neither, whatever the storage, and nothing is made dense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scgenept._errors import DataError
from scgenept.data import checks
from scgenept.data.checks import (
    check_finite,
    check_shape,
    check_unique_genes,
    check_writable,
    describe_scale,
    detect_scale,
    implied_total,
    summarise,
)
from tests.storage import IN_MEMORY, STORAGES, stored

if TYPE_CHECKING:
    from pathlib import Path


def counts(n_cells: int = 50, n_genes: int = 30) -> np.ndarray:
    return np.random.default_rng(0).poisson(np.geomspace(0.05, 9, n_genes), size=(n_cells, n_genes)).astype(float) + (
        np.arange(n_genes) == 0
    )


def per_cell(values: np.ndarray, total: float = 1e4) -> np.ndarray:
    return values / values.sum(axis=1, keepdims=True) * total


MATRICES = {
    "counts": (counts(), "counts"),
    "log1p": (np.log1p(per_cell(counts())), "log1p"),
    "log1p of some genes": (np.log1p(per_cell(counts()))[:, :4], "log1p"),
    "log1p per million": (np.log1p(per_cell(counts(), 1e6)), "log1p"),
    "not logged": (per_cell(counts()), "unknown"),
    "not logged, small": (per_cell(counts(), 1.0), "unknown"),
    "scaled": ((counts() - counts().mean(0)) / (counts().std(0) + 1), "unknown"),
    "zeros": (np.zeros((50, 30)), "unknown"),
    "one NaN": (np.where(np.arange(1500).reshape(50, 30) == 777, np.nan, counts()), "unknown"),
    "one infinite": (np.where(np.arange(1500).reshape(50, 30) == 777, np.inf, np.log1p(per_cell(counts()))), "unknown"),
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", MATRICES)
def test_detect_scale(name: str, storage: str, tmp_path: Path) -> None:
    values, expected = MATRICES[name]
    assert detect_scale(stored(values, storage, tmp_path)) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint16, np.bool_])
def test_whole_numbers_of_any_type_are_counts(dtype: Any) -> None:
    assert detect_scale(counts().astype(dtype)) == "counts"
    assert detect_scale(sp.csr_matrix(counts().astype(dtype))) == "counts"


@pytest.mark.parametrize("storage", IN_MEMORY)
def test_no_cells_have_no_scale(storage: str, tmp_path: Path) -> None:
    assert detect_scale(stored(np.zeros((0, 30)), storage, tmp_path)) == "unknown"


def test_findings_in_words() -> None:
    assert describe_scale(counts()) == ("counts", f"whole numbers up to {counts().max():.0f}, so raw counts")
    assert "3 NaN and 1 infinite" in describe_scale(np.array([[np.nan] * 3 + [np.inf]]))[1]
    assert "negative values down to -2.5" in describe_scale(np.array([[1.5, -2.5]]))[1]
    assert describe_scale(per_cell(counts()))[1].endswith("not log1p")
    assert "10,000 per cell before the log" in describe_scale(np.log1p(per_cell(counts())))[1]


def test_implied_total() -> None:
    assert implied_total(np.log1p(per_cell(counts(), 1.3e4))) == pytest.approx(1.3e4)
    assert implied_total(sp.csc_matrix(np.log1p(per_cell(counts())))) == pytest.approx(1e4)


@pytest.mark.parametrize("storage", STORAGES)
def test_every_block_is_seen(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "BLOCK", 64)
    values = counts()
    values[-1, -1], values[0, 0], values[20, 3], values[21, 4] = 99.5, -1, np.nan, -np.inf
    found = summarise(stored(values, storage, tmp_path))
    assert (found.minimum, found.maximum, found.n_nan, found.n_infinite, found.whole) == (-1, 99.5, 1, 1, False)


@pytest.mark.parametrize("storage", STORAGES)
def test_check_finite(storage: str, tmp_path: Path) -> None:
    check_finite(stored(counts(), storage, tmp_path))
    values = counts()
    values[3, :2] = np.nan, np.inf
    with pytest.raises(DataError, match="layers\\['x'\\] holds 1 NaN and 1 infinite values"):
        check_finite(stored(values, storage, tmp_path), "layers['x']")


def test_what_is_no_matrix_of_numbers_is_refused() -> None:
    with pytest.raises(DataError, match="X is None"):
        check_finite(None)
    with pytest.raises(DataError, match="numbers, not"):
        detect_scale(np.array([["a"]]))


def test_check_unique_genes() -> None:
    check_unique_genes(["A", "B"])
    with pytest.raises(DataError, match=r"2 gene names appear more than once: B, C\. .*var_names_make_unique"):
        check_unique_genes(["A", "B", "B", "C", "C", "C"])


def test_check_shape() -> None:
    check_shape(1, 20)
    for shape in ((0, 30), (5, 0)):
        with pytest.raises(DataError, match="adata is empty"):
            check_shape(*shape)
    with pytest.raises(DataError, match="19 genes; at least 20"):
        check_shape(5, 19)


def test_check_writable(tmp_path: Path) -> None:
    adata = ad.AnnData(counts())
    check_writable(adata)
    with pytest.raises(DataError, match=r"adata = adata\.copy\(\)"):
        check_writable(adata[:3])
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    check_writable(backed, backed_ok=True)
    with pytest.raises(DataError, match=r"adata = adata\.to_memory\(\)"):
        check_writable(backed)
    backed.file.close()


def test_real_files(shared: Path) -> None:
    for name, expected in {"norman_mcfaline_subset": "log1p", "jurkat_tcr_crispr": "counts"}.items():
        backed = ad.read_h5ad(shared / "data" / f"{name}.h5ad", backed="r")
        assert detect_scale(backed.X) == expected
        backed.file.close()
