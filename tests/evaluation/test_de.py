"""Ranking of genes against scanpy and against the lists of GEARS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse, stats

from scgenept import _keys
from scgenept._errors import DataError
from scgenept.evaluation.de import rank_genes, rest_statistic, top_gene_indices
from scgenept.evaluation.pseudobulk import pseudobulk

if TYPE_CHECKING:
    from pathlib import Path

    from scgenept.evaluation.pseudobulk import Pseudobulk


@pytest.fixture
def adata() -> ad.AnnData:
    rng = np.random.default_rng(3)
    labels = np.repeat(["ctrl", "A", "A+B"], [40, 25, 31])
    rates = rng.gamma(0.5, 1, 50) * np.where(labels == "A", 2.0, 1.0)[:, None] * rng.gamma(2, 0.5, (len(labels), 50))
    values = np.log1p(rng.poisson(rates))
    values[:, 7] = 0
    return ad.AnnData(
        sparse.csr_matrix(values),
        obs=pd.DataFrame({_keys.PERTURBATION: pd.Categorical(labels)}, index=[str(i) for i in range(len(labels))]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(50)]),
    )


def ranked(bulk: Pseudobulk, name: str) -> pd.DataFrame:
    return rank_genes(
        bulk.mean.loc[name], bulk.std.loc[name], bulk.n[name],
        bulk.mean.loc["ctrl"], bulk.std.loc["ctrl"], bulk.n["ctrl"],
    )  # fmt: skip


@pytest.mark.parametrize("name", ["A", "A+B"])
def test_equals_scanpy(adata: ad.AnnData, name: str) -> None:
    sc.tl.rank_genes_groups(
        adata, _keys.PERTURBATION, reference="ctrl", method="t-test", rankby_abs=True, n_genes=50, use_raw=False
    )
    theirs = sc.get.rank_genes_groups_df(adata, name).set_index("names")
    ours = ranked(pseudobulk(adata), name).set_index("gene")
    np.testing.assert_allclose(ours["score"].abs(), theirs["scores"].abs(), rtol=1e-5)
    theirs = theirs.loc[ours.index]
    np.testing.assert_allclose(ours["score"], theirs["scores"], rtol=1e-5)
    np.testing.assert_allclose(ours["p_value"], theirs["pvals"], rtol=1e-6)
    np.testing.assert_allclose(ours["p_adjusted"], theirs["pvals_adj"], rtol=1e-6)
    np.testing.assert_allclose(ours["log2_fold_change"], theirs["logfoldchanges"], rtol=1e-5, atol=1e-6)
    assert ours.loc["g7", ["score", "p_value"]].tolist() == [0, 1]


def test_equals_a_test_of_the_cells(adata: ad.AnnData) -> None:
    perturbed, control = (adata[adata.obs[_keys.PERTURBATION] == name].X.toarray() for name in ("A", "ctrl"))
    ours = ranked(pseudobulk(adata), "A").set_index("gene")
    for position in (0, 1, 20):
        t, p = stats.ttest_ind(perturbed[:, position], control[:, position], equal_var=False)
        assert ours.loc[f"g{position}", "score"] == pytest.approx(t)
        assert ours.loc[f"g{position}", "p_value"] == pytest.approx(p)


def test_top_20_equal_to_gears(golden: Path) -> None:
    adata = ad.read_h5ad(golden / "metrics" / "processed.h5ad")
    lists = json.loads((golden / "metrics" / "uns.json").read_text())["rank_genes_groups_cov_all"]
    bulk = pseudobulk(adata, by="condition_name")
    top = top_gene_indices(bulk, control="K562_ctrl_1", perturbations=list(lists))
    assert {name: adata.var_names[row].tolist() for name, row in zip(lists, top, strict=True)} == {
        name: genes[:20] for name, genes in lists.items()
    }


def test_top_gene_indices_follow_the_table(adata: ad.AnnData) -> None:
    bulk = pseudobulk(adata)
    top = top_gene_indices(bulk, n_top=8)
    assert top.shape == (2, 8)
    for name, row in zip(["A", "A+B"], top, strict=True):
        assert adata.var_names[row].tolist() == ranked(bulk, name)["gene"][:8].tolist()
    assert top_gene_indices(bulk, n_top=80).shape == (2, 50)
    with pytest.raises(DataError, match=r"1 rows are missing: A\+C"):
        top_gene_indices(bulk, perturbations=["A+C"])


def test_a_single_cell_is_ranked_by_size() -> None:
    table = rank_genes([1.0, 5.0, 2.0], [np.nan] * 3, 1, [1.0, 1.0, 0.0], [0.5] * 3, 30, genes=["a", "b", "c"])
    assert table["gene"].tolist() == ["b", "c", "a"]
    assert table[["score", "p_value", "p_adjusted"]].isna().all(axis=None)


def test_ties_keep_the_order_given() -> None:
    table = rank_genes([1.0, 2.0, 2.0, 1.0], [1.0] * 4, 9, [1.0] * 4, [1.0] * 4, 9)
    assert table["gene"].tolist() == [1, 2, 0, 3]


def test_figures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="one value per gene"):
        rank_genes([1.0, 2.0], [1.0], 9, [1.0, 1.0], [1.0, 1.0], 9)


def test_rest_statistic_equals_a_test_of_the_cells(adata: ad.AnnData) -> None:
    adata.obs[_keys.PERTURBATION] = ["ctrl"] * 40 + ["A"] * 25 + ["A+B"] * 20 + ["C"] * 10 + ["D"]
    bulk = pseudobulk(adata)
    table = rest_statistic(bulk)
    pd.testing.assert_frame_equal(rest_statistic(adata), table)
    assert list(table.index) == ["A", "A+B", "C", "D"]
    assert list(table.columns) == list(adata.var_names)
    assert table.loc["D"].isna().all(), "one cell has no spread"
    values, labels = adata.X.toarray(), adata.obs[_keys.PERTURBATION].to_numpy()
    for name in ("A", "A+B", "C"):
        expected = stats.ttest_ind(
            values[labels == name], values[(labels != name) & (labels != "ctrl")], equal_var=False
        )
        expressed = values[labels != "ctrl"].any(axis=0)
        np.testing.assert_allclose(table.loc[name, expressed], expected.statistic[expressed], rtol=1e-10)
        assert not expressed[7]
        assert (table.loc[name, ~expressed] == 0).all()


def test_rest_needs_others(adata: ad.AnnData) -> None:
    with pytest.raises(DataError, match="compared with the others; there are 1: A"):
        rest_statistic(adata[adata.obs[_keys.PERTURBATION] != "A+B"].copy())
