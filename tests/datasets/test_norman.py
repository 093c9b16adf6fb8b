from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scgenept as sgp
from scgenept._errors import DownloadError, UnknownNameError
from tests.datasets.gears_folder import GENES, IDS, gears_cells, write_folder
from tests.registry.files import zipped
from tests.registry.server import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _own_cache: None) -> Path:
    monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path)
    monkeypatch.setattr(sgp.settings, "offline", True)
    return tmp_path


@pytest.fixture
def subset(cache: Path, shared: Path) -> None:
    """The real file, placed by hand."""
    shutil.copyfile(shared / "data" / "norman_mcfaline_subset.h5ad", cache / "norman_subset.h5ad")


@pytest.mark.parametrize(
    ("dataset", "n_cells", "modalities"),
    [("norman19", 3375, {"CRISPRa"}), ("mcfaline23", 2586, {"CRISPRi"}), (None, 5961, {"CRISPRa", "CRISPRi"})],
)
@pytest.mark.usefixtures("subset")
def test_norman_subset(dataset: str | None, n_cells: int, modalities: set[str]) -> None:
    adata = sgp.datasets.norman_subset(dataset=dataset)  # type: ignore[arg-type]
    assert adata.shape == (n_cells, 500)
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    assert adata.X.has_sorted_indices
    assert 0 < adata.X.data.min() < adata.X.data.max() < np.log1p(1e4)
    assert set(adata.obs["perturbation_type"]) == modalities
    assert set(adata.obs["dataset"].cat.categories) == ({dataset} if dataset else {"norman19", "mcfaline23"})
    assert not adata.is_view


@pytest.mark.usefixtures("subset")
def test_norman_part() -> None:
    adata = sgp.datasets.norman_subset()
    labels = adata.obs["perturbation"].value_counts()
    assert labels["control"] == 100
    assert sum("+" in label for label in labels.index) == 15
    assert len(labels) == 34


@pytest.mark.usefixtures("subset")
def test_source_survives_writing(tmp_path: Path) -> None:
    adata = sgp.datasets.norman_subset()
    source = adata.uns["scgenept"]["source"]
    assert source["name"] == "norman_subset.h5ad"
    assert source["sha256"].startswith("220998f5630c")
    assert "GSE133344" in source["citation"]
    adata.write_h5ad(tmp_path / "copy.h5ad")
    assert ad.read_h5ad(tmp_path / "copy.h5ad").uns["scgenept"]["source"] == source


def test_wrong_subset(cache: Path) -> None:
    (cache / "norman_subset.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DownloadError, match="expected 220998f5630c"):
        sgp.datasets.norman_subset()


def test_unknown_part() -> None:
    with pytest.raises(UnknownNameError, match="norman19, mcfaline23"):
        sgp.datasets.norman_subset(dataset="norman")  # type: ignore[arg-type]


@pytest.mark.parametrize(("read", "name"), [(sgp.datasets.norman, "norman"), (sgp.datasets.adamson, "adamson")])
def test_processed_by_gears(cache: Path, read: Callable[[], ad.AnnData], name: str) -> None:
    cells = ad.AnnData(
        sparse.csr_matrix(np.eye(3, dtype=np.float32)),
        obs=pd.DataFrame({"condition": ["ctrl", "A+ctrl", "A+B"]}, index=list("abc")),
    )
    (cache / name).mkdir()
    cells.write_h5ad(cache / name / "perturb_processed.h5ad")
    adata = read()
    assert adata.obs["condition"].tolist() == ["ctrl", "A+ctrl", "A+B"]
    assert adata.uns["scgenept"]["source"]["name"] == f"{name}.zip"
    assert adata.uns["scgenept"]["source"]["url"].endswith(("6154020", "6154417"))


def test_damaged_file(cache: Path) -> None:
    (cache / "norman").mkdir()
    (cache / "norman" / "perturb_processed.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DownloadError, match="not a whole h5ad file"):
        sgp.datasets.norman()


@pytest.mark.parametrize(
    ("read", "name", "number"),
    [(sgp.datasets.norman, "norman", "6154020"), (sgp.datasets.adamson, "adamson", "6154417")],
)
def test_zip_of_gears_is_put_right(  # the layout of the originals, over a server on loopback
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    read: Callable[[], ad.AnnData],
    name: str,
    number: str,
) -> None:
    expected = write_folder(tmp_path / "made" / name, split=False)
    body = (tmp_path / "made" / name / "perturb_processed.h5ad").read_bytes()
    monkeypatch.setattr(sgp.settings, "offline", False)
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as server:
        monkeypatch.setattr(sgp.settings, "dataverse_url", f"{server.url}/api/access")
        server.answers[f"/api/access/datafile/{number}"] = Answer(zipped((f"{name}/perturb_processed.h5ad", body)))
        adata = read()
    assert set(adata.obs["cell_type"]) == {"K562"}
    assert adata.obs["condition"].tolist() == expected.obs["condition"].tolist(), "splits of GEARS are of these labels"
    assert isinstance(adata.layers["counts"], sparse.csr_matrix)
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), expected.layers["counts"])
    assert adata.var_names.tolist() == GENES
    assert adata.var["gene_id"].tolist() == IDS
    corrections = adata.uns["scgenept"]["corrections"]
    assert set(corrections) == {"cell_type", "layers_counts", "var_names"}
    assert all(what in caplog.text for what in corrections.values())
    assert adata.uns["scgenept"]["source"]["name"] == f"{name}.zip"
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    assert "KLF1" in set(adata.obs["perturbation"])
    adata.write_h5ad(tmp_path / "copy.h5ad")
    assert ad.read_h5ad(tmp_path / "copy.h5ad").uns["scgenept"]["corrections"] == corrections


def test_files_that_are_right_stay_as_they_are(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    cells = gears_cells("K562")
    cells.layers["counts"] = sparse.csr_matrix(cells.layers["counts"], dtype=np.float32)
    cells.var_names = cells.var.pop("gene_name").tolist()
    (cache / "norman").mkdir()
    cells.write_h5ad(cache / "norman" / "perturb_processed.h5ad")
    adata = sgp.datasets.norman()
    assert adata.uns["scgenept"]["corrections"] == {}
    assert not [record for record in caplog.records if "_gears_file" in record.pathname]
    np.testing.assert_array_equal(adata.X.toarray(), cells.X.toarray())


def test_file_of_an_older_anndata(cache: Path) -> None:
    write_folder(cache / "norman", split=False)
    with h5py.File(cache / "norman" / "perturb_processed.h5ad", "r+") as file:
        del file.attrs["encoding-type"], file.attrs["encoding-version"]
    adata = sgp.datasets.norman()
    assert isinstance(adata.layers["counts"], sparse.csr_matrix)
    assert "layers_counts" in adata.uns["scgenept"]["corrections"]
