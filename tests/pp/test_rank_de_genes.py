"""Ranked genes against scanpy, against GEARS, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from scipy import stats

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError, UnknownNameError
from tests.small import log_cells
from tests.storage import STORAGES, stored
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

LISTS = {"top": "rank_genes_groups_cov_all", "non_dropout": "top_non_dropout_de_20", "non_zero": "top_non_zero_de_20"}
LABELS = ["ctrl"] * 16 + ["A+ctrl"] * 6 + ["ctrl+A"] * 3 + ["B"] * 8 + ["A+B"] * 7


def cells(values: Any | None = None, labels: list[str] = LABELS) -> ad.AnnData:
    values = log_cells(len(labels)) if values is None else values
    obs = pd.DataFrame(
        {"condition": labels, "line": ["x", "y"] * (len(labels) // 2) + ["x"] * (len(labels) % 2)},
        index=[f"c{i}" for i in range(len(labels))],
    )
    adata = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=[f"g{i:02d}" for i in range(values.shape[1])]))
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    return adata


def ranked(adata: ad.AnnData, **choice: Any) -> dict[str, list[str]]:
    table = sgp.get.de_genes(adata, **choice)
    return {str(name): rows["gene"].tolist() for name, rows in table.groupby("perturbation")}


def canonical(name: str, cell_type: str) -> str:
    """``K562_GENE004+ctrl_1+1`` as GEARS writes it -> ``GENE004``."""
    return str(sgp.Perturbation.parse(name.removeprefix(f"{cell_type}_").rsplit("_", 1)[0]))


@pytest.mark.parametrize("kind", LISTS)
def test_equals_gears(golden: Path, kind: Any) -> None:
    adata = ad.read_h5ad(golden / "metrics" / "processed.h5ad")
    lists = json.loads((golden / "metrics" / "uns.json").read_text())[LISTS[kind]]
    sgp.pp.setup_perturbations(adata, key="condition")
    sgp.pp.rank_de_genes(adata)
    assert ranked(adata, kind=kind) == {canonical(name, "K562"): genes[:20] for name, genes in lists.items()}


def test_kinds_of_gears_differ(golden: Path) -> None:
    lists = json.loads((golden / "metrics" / "uns.json").read_text())
    name = next(iter(lists[LISTS["top"]]))
    assert len({tuple(lists[key][name][:20]) for key in LISTS.values()}) > 1, "golden numbers tell the kinds apart"


def test_whole_order_per_cell_type_equals_gears(golden: Path) -> None:
    adata = ad.read_h5ad(golden / "metrics" / "raw_two_celltypes.h5ad")
    lists = json.loads((golden / "metrics" / "two_celltypes_de.json").read_text())
    sgp.pp.setup_perturbations(adata, key="condition")
    sgp.pp.rank_de_genes(adata, by="cell_type", n_top=60)
    for cell_type in ("K562", "A549"):
        expected = {
            canonical(name, cell_type): genes for name, genes in lists.items() if name.startswith(f"{cell_type}_")
        }
        for name, genes in expected.items():
            table = sgp.get.de_genes(adata, name, context=cell_type)
            assert table["gene"][:20].tolist() == genes[:20]
            # Further down genes tie in |t|; scanpy orders those as its sort happens to.
            strength = table.set_index("gene")["score"].abs()
            np.testing.assert_allclose(strength[genes], table["score"].abs(), rtol=1e-5)


def test_v1_view_is_the_de_idx_of_gears(golden: Path) -> None:
    adata = ad.read_h5ad(golden / "metrics" / "processed.h5ad")
    lists = json.loads((golden / "metrics" / "uns.json").read_text())[LISTS["top"]]
    sgp.pp.setup_perturbations(adata, key="condition")
    sgp.pp.rank_de_genes(adata)
    for name, genes in lists.items():
        table = sgp.get.de_genes(adata, canonical(name, "K562"), view="v1")
        de_idx = np.where(adata.var_names.isin(genes[:20]))[0]  # as cell-gears writes it into its graphs
        assert table["de_idx"].tolist() == de_idx.tolist()
        assert table["gene"].tolist() == adata.var_names[de_idx].tolist()


def test_figures_equal_scanpy() -> None:
    adata = cells()
    sgp.pp.rank_de_genes(adata, n_top=100)
    sc.tl.rank_genes_groups(adata, "perturbation", reference="ctrl", method="t-test", rankby_abs=True, use_raw=False)
    for name in ("A", "B", "A+B"):
        ours = sgp.get.de_genes(adata, name).set_index("gene")
        theirs = sc.get.rank_genes_groups_df(adata, name).set_index("names").loc[ours.index]
        assert len(ours) == 40
        assert ours["rank"].tolist() == list(range(1, 41))
        for column, other in {"score": "scores", "p_value": "pvals", "p_adjusted": "pvals_adj"}.items():
            np.testing.assert_allclose(ours[column], theirs[other], rtol=2e-5)
        np.testing.assert_allclose(ours["log2_fold_change"], theirs["logfoldchanges"], rtol=1e-4, atol=1e-5)


def test_rest_is_all_other_perturbed_cells() -> None:
    adata = cells()
    sgp.pp.rank_de_genes(adata, against="rest", n_top=100)
    for name in ("A", "B", "A+B"):
        table = sgp.get.de_genes(adata, name, against="rest").set_index("gene").loc[adata.var_names]
        own = (adata.obs["perturbation"] == name).to_numpy()
        others = ~own & ~adata.obs["is_control"].to_numpy()
        expected = stats.ttest_ind(adata.X[own].astype(float), adata.X[others].astype(float), equal_var=False)
        np.testing.assert_allclose(table["score"], expected.statistic, rtol=1e-9)
        np.testing.assert_allclose(table["p_value"], expected.pvalue, rtol=1e-7)


def test_kinds_equal_a_loop() -> None:
    values = log_cells(len(LABELS))
    values[16:25, :12] = 0  # lost under A
    values[:, 5:8] = 0  # seen nowhere
    adata = cells(values)
    sgp.pp.rank_de_genes(adata, n_top=9)
    everything = cells(values)
    sgp.pp.rank_de_genes(everything, n_top=40)
    for name in ("A", "B", "A+B"):
        order = sgp.get.de_genes(everything, name)["gene"].tolist()
        own, control = (values[(adata.obs["perturbation"] == label).to_numpy()] for label in (name, "ctrl"))
        seen = [gene for gene in order if own[:, int(gene[1:])].any()]
        kept = [gene for gene in order if gene in seen or not control[:, int(gene[1:])].any()]
        for kind, genes in {"top": order, "non_zero": seen, "non_dropout": kept}.items():
            table = sgp.get.de_genes(adata, name, kind=kind)
            assert table["gene"].tolist() == genes[:9]
            assert table["rank"].tolist() == [order.index(gene) + 1 for gene in genes[:9]]


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage(tmp_path: Path, storage: str) -> None:
    values = log_cells(len(LABELS))
    expected, adata = cells(values), cells(values)
    sgp.pp.rank_de_genes(expected, by="line")
    if storage.endswith("backed"):
        adata.X = stored(values, storage.split(maxsplit=1)[0], tmp_path)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    else:
        adata.X = stored(values, storage, tmp_path)
    sgp.pp.rank_de_genes(adata, by="line")
    pd.testing.assert_frame_equal(sgp.get.de_genes(adata), sgp.get.de_genes(expected))
    if adata.isbacked:
        adata.file.close()


@pytest.mark.parametrize("fmt", ["h5ad", "zarr"])
def test_survives_writing(tmp_path: Path, fmt: str) -> None:
    adata = cells()
    sgp.pp.rank_de_genes(adata)
    sgp.pp.rank_de_genes(adata, against="rest", by="line", n_top=5)
    path = tmp_path / f"cells.{fmt}"
    getattr(adata, f"write_{fmt}")(path)
    back = getattr(ad, f"read_{fmt}")(path)
    for against in ("control", "rest"):
        pd.testing.assert_frame_equal(sgp.get.de_genes(back, against=against), sgp.get.de_genes(adata, against=against))
    assert back.uns["scgenept"]["de"]["rest"]["n_top"] == 5
    assert back.uns["scgenept"]["de"]["rest"]["by"] == "line"
    sgp.pp.rank_de_genes(back, n_top=7)  # again, over what was read
    assert len(sgp.get.de_genes(back, "A")) == 7
    assert len(sgp.get.de_genes(back, "A", against="rest", context="x")) == 5


def test_layer_and_copy() -> None:
    adata = cells()
    adata.layers["log"] = adata.X.copy()
    adata.X = np.zeros_like(adata.X)
    with unchanged(adata):
        ranked_copy = sgp.pp.rank_de_genes(adata, layer="log", copy=True)
    assert ranked_copy is not None
    plain = cells()
    sgp.pp.rank_de_genes(plain)
    pd.testing.assert_frame_equal(sgp.get.de_genes(ranked_copy), sgp.get.de_genes(plain))


def test_a_perturbation_with_one_cell_is_counted_and_ranked_by_change() -> None:
    adata = cells(labels=[*LABELS, "C"])
    with pytest.warns(UserWarning, match="1 perturbations have one cell, so no t-test: C"):
        sgp.pp.rank_de_genes(adata)
    table = sgp.get.de_genes(adata, "C")
    assert table["score"].isna().all()
    assert (np.diff(table["change"].abs()) <= 0).all()
    assert adata.uns["scgenept"]["de"]["control"]["n_single"] == 1
    assert sgp.get.de_genes(adata, "A")["score"].notna().all()


def test_fewer_genes_than_asked_for() -> None:
    adata = cells(log_cells(len(LABELS))[:, :15])
    sgp.pp.rank_de_genes(adata)  # the original stops here with an IndexError
    assert len(sgp.get.de_genes(adata, "A")) == 15


def refused(adata: ad.AnnData, message: str, error: type[Exception] = DataError, **options: Any) -> None:
    with unchanged(adata), pytest.raises(error, match=message):
        sgp.pp.rank_de_genes(adata, **options)


def test_bad_cells_are_refused() -> None:
    refused(cells(labels=["ctrl"] * 9), "All cells are controls")
    refused(cells(labels=["ctrl", *["A"] * 9]), "At least two control cells are needed; found 1")
    refused(cells(labels=["ctrl"] * 9 + ["A"] * 9), "two perturbations.*found 1", against="rest")
    adata = cells()
    adata.obs["line"] = ["x"] * 16 + ["y"] * 24
    refused(adata, r"two control cells are needed in each value of obs\['line'\]; found y: 0", by="line")
    adata.obs["line"] = pd.Categorical([None, *["x"] * 39])
    refused(adata, r"1 of 40 cells have no value in obs\['line'\]", by="line")
    refused(adata, "no column 'lime'.*line", by="lime")
    raw = ad.AnnData(log_cells(9), obs=pd.DataFrame({"condition": ["ctrl"] * 9}, index=[f"c{i}" for i in range(9)]))
    refused(raw, "setup_perturbations")
    refused(cells()[:20], "view")
    with pytest.raises(DataError, match="Expected an AnnData, got DataFrame"):
        sgp.pp.rank_de_genes(pd.DataFrame())  # type: ignore[arg-type]


def test_bad_values_are_refused() -> None:
    counts = cells(np.random.default_rng(0).poisson(3, (len(LABELS), 40)).astype(np.float32))
    refused(counts, "raw counts|whole numbers")
    values = log_cells(len(LABELS))
    values[3, 4] = np.nan
    refused(cells(values), "1 NaN")
    refused(cells(log_cells(len(LABELS)) - 1), "negative")
    refused(cells(sp.csr_matrix(values)), "1 NaN")
    adata = cells()
    refused(adata, "no layer 'log'", layer="log")
    adata.var_names = ["same", *adata.var_names[1:-1], "same"]
    refused(adata, "same")


@pytest.mark.parametrize("n_top", [0, -1, 2.5, float("nan"), "20", None])
def test_bad_numbers_are_refused(n_top: Any) -> None:
    refused(cells(), "n_top=.*whole number from 1", n_top=n_top)


def test_bad_names_are_refused() -> None:
    refused(cells(), "against='controls'.*control", UnknownNameError, against="controls")
    adata = cells()
    adata.uns["scgenept"] = "mine"
    refused(adata, "uns", KeyTakenError)
