"""pp.prepare: counts in any storage become what a model reads, or the reason is said."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError
from scgenept.datasets._toy import toy
from tests.storage import IN_MEMORY, stored
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

prepare = sgp.pp.prepare


def raw_counts(n_cells: int = 60, n_genes: int = 80) -> np.ndarray:
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, size=(n_cells, n_genes)) * np.geomspace(0.2, 20, n_genes)
    return (rng.poisson(rates) + 50 * (np.arange(n_genes) == 0)).astype(float)


def data(values: Any = None, **options: Any) -> ad.AnnData:
    values = raw_counts() if values is None else values
    adata = ad.AnnData(values, **options)
    adata.var_names = [f"GENE{i}" for i in range(adata.n_vars)]
    return adata


def dense(values: Any) -> np.ndarray:
    return values.toarray() if sp.issparse(values) else np.asarray(values)


def expected(values: np.ndarray, n_top_genes: int, extra: list[str] | None = None) -> ad.AnnData:
    """What scanpy's own three calls give."""
    adata = data(values.astype(np.float32))
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=n_top_genes, flavor="seurat")
    return adata[:, adata.var["highly_variable"] | adata.var_names.isin(extra or [])]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("storage", IN_MEMORY)
def test_it_is_scanpys(storage: str, dtype: Any, tmp_path: Path) -> None:
    adata = data(stored(raw_counts().astype(dtype), storage, tmp_path))
    assert prepare(adata, n_top_genes=20) is None
    reference = expected(raw_counts(), 20)
    assert list(adata.var_names) == list(reference.var_names)
    np.testing.assert_allclose(dense(adata.X), reference.X, rtol=2e-6)
    np.testing.assert_array_equal(dense(adata.layers["counts"]), reference.layers["counts"])
    assert adata.X.dtype == adata.layers["counts"].dtype == np.float32
    assert adata.var["highly_variable"].all()
    assert isinstance(adata.X, np.ndarray) if storage == "numpy" else adata.X.format == "csr"


@pytest.mark.parametrize("kind", ["numpy", "csr", "csc"])
def test_backed_data_are_copied_or_refused(kind: str, tmp_path: Path) -> None:
    data(stored(raw_counts(), kind, tmp_path)).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with unchanged(backed), pytest.raises(DataError, match=r"adata\.to_memory\(\)"):
        prepare(backed, n_top_genes=20)
    with unchanged(backed):
        copied = prepare(backed, n_top_genes=20, copy=True)
    of_a_subset = prepare(backed[::2], n_top_genes=20, copy=True)
    backed.file.close()
    for result, cells in ((copied, data()), (of_a_subset, data()[::2])):
        assert result is not None
        assert not result.isbacked
        in_memory = prepare(cells, n_top_genes=20, copy=True)
        assert in_memory is not None
        np.testing.assert_array_equal(dense(result.X), in_memory.X)


def test_targets_are_kept() -> None:
    adata = data()
    adata.obs["label"] = ["ctrl", "GENE1+GENE2", "GENE2+ctrl", "UNSEEN+GENE70"] * 15
    sgp.pp.setup_perturbations(adata, key="label", key_added="target")
    prepare(adata, n_top_genes=20)
    reference = expected(raw_counts(), 20, ["GENE1", "GENE2", "GENE70"])
    assert list(adata.var_names) == list(reference.var_names)
    record = adata.uns["scgenept"]["prepare"]
    assert (record["targets"], record["unmeasured_targets"]) == ("GENE1, GENE2, GENE70", "UNSEEN")
    assert (record["n_genes_before"], record["n_genes"]) == (80, adata.n_vars)
    assert "setup" in adata.uns["scgenept"]


@pytest.mark.parametrize(
    "targets", [["GENE1", "GENE2"], ["GENE2+GENE1", "ctrl"], (name for name in ["GENE1", "GENE2"])]
)
def test_targets_of_ones_own(targets: Any) -> None:
    adata = data()
    prepare(adata, n_top_genes=1, targets=targets)
    assert {"GENE1", "GENE2"} <= set(adata.var_names)
    assert adata.n_vars <= 3


def test_old_names_of_targets_are_kept() -> None:
    adata = data()
    adata.var_names = ["MAP3K21", *adata.var_names[1:]]
    prepare(adata, n_top_genes=5, targets=["KIAA1804"])
    assert "MAP3K21" in adata.var_names


def test_labels_without_setup_are_an_error() -> None:
    adata = toy()
    with (
        unchanged(adata),
        pytest.raises(DataError, match=r"setup_perturbations\(adata, key='condition'\).*targets=None"),
    ):
        prepare(adata, layer="counts")
    prepare(adata, layer="counts", targets=None)


@pytest.mark.parametrize("n_top_genes", [None, 80, 5_000])
def test_all_genes(n_top_genes: int | None) -> None:
    adata = data()
    prepare(adata, n_top_genes=n_top_genes)
    assert adata.n_vars == 80
    assert "highly_variable" not in adata.var
    assert not {"n_top_genes", "flavor"} & set(adata.uns["scgenept"]["prepare"])


@pytest.mark.parametrize("storage", IN_MEMORY)
def test_log_data_are_taken_as_they_are(storage: str, tmp_path: Path) -> None:
    values = np.log1p(raw_counts() / raw_counts().sum(1, keepdims=True) * 1e4)
    adata = data(stored(values, storage, tmp_path))
    prepare(adata, n_top_genes=20)
    np.testing.assert_array_equal(dense(adata.X), values[:, [int(name[4:]) for name in adata.var_names]].astype("f4"))
    assert "counts" not in adata.layers
    assert adata.uns["scgenept"]["prepare"]["scale"] == "log1p"


@pytest.mark.parametrize("total", [2e4, 2e3, 59])
def test_another_total_is_told(total: float) -> None:
    values = np.log1p(raw_counts() / raw_counts().sum(1, keepdims=True) * total)
    with pytest.warns(UserWarning, match=f"counts per about {total:,.0f}, where models expect 10,000"):
        prepare(data(values), n_top_genes=20)


def test_a_few_genes_of_the_right_total_are_no_other_total() -> None:
    values = np.log1p(raw_counts() / raw_counts().sum(1, keepdims=True) * 1e4)[:, :30]
    prepare(data(values), n_top_genes=20)


def test_counts_of_some_genes_are_normalised_by_all() -> None:
    whole, some = data(raw_counts()), data(raw_counts()[:, 40:])
    some.obs["n_umi"] = raw_counts().sum(axis=1)
    prepare(whole, n_top_genes=None)
    prepare(some, n_top_genes=None, total="n_umi")
    np.testing.assert_allclose(some.X, whole.X[:, 40:], rtol=1e-6)
    assert some.uns["scgenept"]["prepare"]["total"] == "n_umi"


def test_genes_that_were_left_out_are_noticed() -> None:
    some = data(3 * raw_counts()[:, :70])
    some.obs["nCount_RNA"] = 3 * raw_counts().sum(axis=1)
    with pytest.warns(UserWarning, match=r"hold \d\d% of the counts that obs\['nCount_RNA'\].*total='nCount_RNA'"):
        prepare(some, n_top_genes=20, copy=True)
    # another column of that name, such as counts before ambient correction, tells nothing
    some.obs["nCount_RNA"] = some.X.sum(axis=1) - 1
    prepare(some, n_top_genes=20, copy=True)
    with pytest.warns(UserWarning, match=r"The median cell has \d\d counts"):
        prepare(data(raw_counts()[:, :30]), n_top_genes=20)


@pytest.mark.parametrize(
    ("total", "message"),
    [
        ("n_umis", r"no column 'n_umis'\. Nearest known names: n_umi"),
        ("batch", r"obs\['batch'\] should hold the counts of each cell.*is (object|str)"),
        ("n_umi", r"60 cells have more counts in adata than that.*: 0 has 327, and 1 in obs"),
    ],
)
def test_wrong_totals(total: str, message: str) -> None:
    adata = data(obs={"n_umi": np.ones(60), "batch": ["a"] * 60})
    with unchanged(adata), pytest.raises(DataError, match=message):
        prepare(adata, total=total)
    logged = data(np.log1p(raw_counts()))
    with unchanged(logged), pytest.raises(DataError, match="total='n_umi' goes with counts, and X holds fractions"):
        prepare(logged, total="n_umi")


def test_a_layer() -> None:
    adata = data(np.full((60, 80), -1.0), layers={"raw": raw_counts()})
    prepare(adata, layer="raw", n_top_genes=20)
    reference = expected(raw_counts(), 20)
    np.testing.assert_allclose(adata.X, reference.X, rtol=2e-6)
    assert set(filter(None, adata.layers)) == {"raw", "counts"}
    assert adata.uns["scgenept"]["prepare"]["source"] == "layers['raw']"


def test_without_x_a_layer_is_needed() -> None:
    adata = data(np.zeros((60, 80)), layers={"raw": raw_counts()})
    adata.X = None
    with pytest.raises(DataError, match="layer="):
        prepare(adata)
    prepare(adata, layer="raw", n_top_genes=20)
    assert adata.X is not None


def test_twice_is_once() -> None:
    adata = data()
    prepare(adata, n_top_genes=20)
    first = adata.copy()
    prepare(adata, n_top_genes=20)
    np.testing.assert_array_equal(adata.X, first.X)
    with pytest.warns(UserWarning, match="left out 60 genes before, and counts per 1e4 of the rest alone are"):
        prepare(adata, layer="counts", n_top_genes=20)
    np.testing.assert_array_equal(adata.layers["counts"], first.layers["counts"])


def test_counts_of_the_user_are_never_overwritten() -> None:
    adata = data(layers={"counts": raw_counts()})
    prepare(adata, n_top_genes=20)  # the very values are not in the way
    other = data(sp.csr_matrix(raw_counts()), layers={"counts": sp.csr_matrix(raw_counts() + 1)})
    with unchanged(other), pytest.raises(KeyTakenError, match=r"layer='counts', or replace it with overwrite=True"):
        prepare(other, n_top_genes=20)
    prepare(other, n_top_genes=20, overwrite=True)
    np.testing.assert_array_equal(other.layers["counts"].toarray(), adata.layers["counts"])


def test_everything_else_is_subset_along() -> None:
    adata = data(varm={"loading": np.arange(160).reshape(80, 2)}, obsm={"X_pca": np.ones((60, 2))})
    adata.raw = adata
    adata.uns["mine"] = {"a": 1}
    prepare(adata, n_top_genes=20)
    np.testing.assert_array_equal(adata.varm["loading"][:, 0], [2 * int(name[4:]) for name in adata.var_names])
    assert adata.raw.shape == (60, 80)
    assert adata.uns["mine"] == {"a": 1}
    assert not adata.is_view


def test_copy_leaves_the_input_alone() -> None:
    adata = data()
    for given in (adata, adata[5:50]):
        with unchanged(given):
            copied = prepare(given, n_top_genes=20, copy=True)
        assert copied is not None
        assert copied.shape[0] == given.n_obs
        assert not copied.is_view
        copied.X[:] = 0
    assert adata.X.any()


def test_a_cell_without_counts_stays_zero() -> None:
    values = raw_counts()
    values[3] = 0
    adata = data(sp.csr_matrix(values))
    prepare(adata, n_top_genes=20)
    assert np.isfinite(adata.X.data).all()
    assert adata.X[3].nnz == 0


def test_the_log_and_the_record_say_what_was_found(caplog: pytest.LogCaptureFixture) -> None:
    adata = data()
    with caplog.at_level(logging.INFO, logger="scgenept"):
        prepare(adata, n_top_genes=20, targets=["GENE1", "UNSEEN"])
    assert caplog.messages[0] == f"X holds whole numbers up to {raw_counts().max():.0f}, so raw counts."
    assert "1 of 2 targets are not measured: UNSEEN." in caplog.messages
    record = adata.uns["scgenept"]["prepare"]
    assert record["finding"] in caplog.messages[0]
    assert (record["flavor"], record["n_top_genes"], record["version"]) == ("seurat", 20, sgp.__version__)
    assert all(type(value) in {str, int, float, bool} for value in record.values())


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning:anndata")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_it_survives_writing(suffix: str, tmp_path: Path) -> None:
    adata = toy()
    sgp.pp.setup_perturbations(adata, key="condition")
    prepare(adata, layer="counts", n_top_genes=20)
    path = tmp_path / f"a.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    assert back.uns["scgenept"] == adata.uns["scgenept"]
    np.testing.assert_array_equal(dense(back.X), dense(adata.X))
    pd.testing.assert_series_equal(back.var["highly_variable"], adata.var["highly_variable"], check_names=False)


# Bad input


def spoiled(value: float) -> np.ndarray:
    values = raw_counts()
    values[30, 40] = value
    return values


@pytest.mark.parametrize("storage", IN_MEMORY)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (spoiled(np.nan), "1 NaN and 0 infinite"),
        (spoiled(np.inf), "0 NaN and 1 infinite"),
        (spoiled(-1), "negative values down to -1"),
        (raw_counts() / raw_counts().sum(1, keepdims=True) * 1e4, "not log1p.*layer="),
        (np.zeros((60, 80)), "no value above 0"),
        (raw_counts()[:0], "adata is empty"),
        (raw_counts()[:, :0], "adata is empty"),
        (raw_counts()[:, :19], "19 genes; at least 20"),
    ],
)
def test_unusable_values(values: np.ndarray, message: str, storage: str, tmp_path: Path) -> None:
    adata = data(stored(values, storage, tmp_path))
    with unchanged(adata), pytest.raises(DataError, match=message):
        prepare(adata, n_top_genes=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "raw"}, "no layer 'raw'"),
        ({"n_top_genes": 0}, "n_top_genes=0 should be a whole number, at least 1, or None for all genes"),
        ({"n_top_genes": 1.5}, "n_top_genes=1.5 should be a whole number"),
        ({"layer": ["counts"]}, "no layer"),
        ({"targets": "GENE1"}, "collection of gene names"),
        ({"targets": ["A++B"]}, "empty gene name"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    adata = data()
    with unchanged(adata), pytest.raises(DataError, match=message):
        prepare(adata, **options)


def test_repeated_genes_are_refused() -> None:
    adata = ad.AnnData(raw_counts())
    adata.var_names = ["A", "A", *adata.var_names[2:]]
    with unchanged(adata), pytest.raises(DataError, match="1 gene names appear more than once: A"):
        prepare(adata)


def test_a_view_is_refused() -> None:
    adata = data()
    view = adata[:30]
    with unchanged(view), unchanged(adata), pytest.raises(DataError, match=r"adata\.copy\(\)"):
        prepare(view)


# Real data


def test_the_norman_subset(shared: Path) -> None:
    adata = ad.read_h5ad(shared / "data" / "norman_mcfaline_subset.h5ad")
    sgp.pp.setup_perturbations(adata, key="condition", key_added="target", modality="CRISPRa")
    before = adata.X.copy()
    prepare(adata)
    assert adata.shape == (5961, 500)
    assert abs(adata.X - before).max() < 1e-6
    assert adata.uns["scgenept"]["prepare"]["targets"] == "TMSB4X"


def test_jurkat(shared: Path) -> None:
    adata = ad.read_h5ad(shared / "data" / "jurkat_tcr_crispr.h5ad")
    sgp.pp.setup_perturbations(adata, key="perturbation", key_added="target", guide_suffix=r"_\d+")
    with pytest.warns(UserWarning, match=r"hold \d% of the counts that obs\['ncounts'\]"):
        prepare(adata, n_top_genes=500, copy=True)
    prepare(adata, n_top_genes=500, total="ncounts")
    assert {"EGR1", "EGR3", "JUN", "JUND", "NR4A1", "RELA"} <= set(adata.var_names)
    np.testing.assert_array_equal(adata.layers["counts"].data, np.rint(adata.layers["counts"].data))


def test_the_counts_are_looked_for_where_x_is_scaled() -> None:
    adata = data()
    counts = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    log_expression = adata.copy()
    sc.pp.scale(adata)
    with unchanged(adata), pytest.raises(DataError, match=r"Name the counts with layer=; no layer here holds any\."):
        prepare(adata)
    adata.raw = log_expression
    with unchanged(adata), pytest.raises(DataError, match=r"from adata\.raw\.to_adata\(\), which holds .* so log1p\."):
        prepare(adata)
    prepare(adata.raw.to_adata())
    adata.layers["umi"] = counts
    with unchanged(adata), pytest.raises(DataError, match=r"Pass layer='umi', which holds .* so raw counts\."):
        prepare(adata)
    prepare(adata, layer="umi")
    np.testing.assert_allclose(adata.X, log_expression.X, rtol=1e-5)
