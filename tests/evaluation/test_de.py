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
from scgenept.evaluation import de
from scgenept.evaluation.de import rank_genes, top_gene_indices
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


def test_a_gene_without_figures_spares_the_others() -> None:
    rng = np.random.default_rng(0)
    mean, std = 1 + rng.normal(0, 0.02, 51), np.full(51, 0.1)
    known = np.arange(51) != 17
    holed = rank_genes(np.where(known, mean, np.nan), std, 50, np.ones(51), std, 50).set_index("gene")
    others = rank_genes(mean[known], std[known], 50, np.ones(50), std[known], 50, genes=np.flatnonzero(known))
    pd.testing.assert_frame_equal(holed.iloc[:-1], others.set_index("gene"))
    assert holed.index[-1] == 17
    assert holed.loc[17, ["score", "p_value", "p_adjusted"]].isna().all()
    p_values = holed["p_value"].iloc[:-1].to_numpy()
    assert holed["p_adjusted"].iloc[:-1].to_numpy() == pytest.approx(stats.false_discovery_control(p_values))
    assert (holed["p_adjusted"] < 0.05).sum() < (holed["p_value"] < 0.05).sum()


def test_figures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="one value per gene"):
        rank_genes([1.0, 2.0], [1.0], 9, [1.0, 1.0], [1.0, 1.0], 9)


@pytest.fixture
def screen() -> tuple[np.ndarray, np.ndarray, Pseudobulk]:
    """Cells x genes, their labels, and their pseudobulks; gene 0 is constant, gene 1 belongs to A alone."""
    rng = np.random.default_rng(8)
    sizes = {"A": 30, "A+B": 25, "B": 20, "ctrl": 40, "lonely": 1}
    labels = np.repeat(list(sizes), list(sizes.values()))
    values = rng.normal(3, 1, (len(labels), 12))
    values[:, 0] = 3.0
    values[np.isin(labels, ["A", "A+B"]), 1] += 2
    values[labels == "A+B", 2] += 2
    adata = ad.AnnData(values, obs=pd.DataFrame({"p": labels}, index=[str(i) for i in range(len(labels))]))
    return values, labels, pseudobulk(adata, by="p")


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted, least = [1.0] * len(p_values), 1.0
    for place, gene in enumerate(ranked):
        least = min(least, p_values[gene] * len(p_values) / (len(p_values) - place))
        adjusted[gene] = least
    return adjusted


def test_against_rest_equals_scipy(screen: tuple[np.ndarray, np.ndarray, Pseudobulk]) -> None:
    values, labels, bulk = screen
    score, p_value = de.against_rest(bulk)
    assert score.index.tolist() == ["A", "A+B", "B", "lonely"]
    for name in ("A", "A+B", "B"):
        own, rest = values[labels == name, 1:], values[(labels != name) & (labels != "ctrl"), 1:]
        t = stats.ttest_ind(own, rest, equal_var=False)
        np.testing.assert_allclose(score.loc[name].iloc[1:], t.statistic, rtol=1e-9)
        np.testing.assert_allclose(p_value.loc[name], benjamini_hochberg([1.0, *t.pvalue]), rtol=1e-8)
        assert score.loc[name].iloc[0] == 0
    assert score.loc["lonely"].isna().all()
    assert p_value.loc["lonely"].isna().all()
    some, _ = de.against_rest(bulk, perturbations=["B"])
    pd.testing.assert_frame_equal(some, score.loc[["B"]])


def test_significant_genes_equal_scipy(screen: tuple[np.ndarray, np.ndarray, Pseudobulk]) -> None:
    values, labels, bulk = screen
    found = de.significant_genes(bulk)
    control = values[labels == "ctrl", 1:]
    for name in ("A", "A+B", "B"):
        p_values = stats.ttest_ind(values[labels == name, 1:], control, equal_var=False).pvalue
        expected = np.array(benjamini_hochberg([1.0, *p_values])) < 0.05
        np.testing.assert_array_equal(found.loc[name], expected)
    assert found.loc["A"].iloc[1]
    assert not found.loc["lonely"].any()
    assert found.dtypes.eq(bool).all()


def test_non_additive_genes_equal_a_loop(screen: tuple[np.ndarray, np.ndarray, Pseudobulk]) -> None:
    values, labels, bulk = screen
    found = de.non_additive_genes(bulk, pairs=["A+B"], alpha=0.3)
    groups = [values[labels == name] for name in ("A+B", "A", "B", "ctrl")]
    p_values = [1.0]
    for g in range(1, 12):
        excess = groups[0][:, g].mean() - groups[1][:, g].mean() - groups[2][:, g].mean() + groups[3][:, g].mean()
        parts = [(group[:, g].var(ddof=1) / len(group), len(group) - 1) for group in groups]
        total = sum(v for v, _ in parts)
        freedom = total**2 / sum(v**2 / f for v, f in parts)
        p_values.append(2 * stats.t.sf(abs(excess) / total**0.5, freedom))
    np.testing.assert_array_equal(found.loc["A+B"], np.array(benjamini_hochberg(p_values)) < 0.3)
    assert found.loc["A+B"].iloc[2]
    assert not found.loc["A+B"].iloc[1]


def test_adjusted_skips_what_was_not_tested() -> None:
    rng = np.random.default_rng(0)
    p_values = rng.random((3, 9)) ** 3
    p_values[1, [2, 5]] = np.nan
    p_values[2] = np.nan
    found = de.adjusted(p_values)
    for row in (0, 1):
        known = ~np.isnan(p_values[row])
        np.testing.assert_allclose(found[row, known], benjamini_hochberg(list(p_values[row, known])))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(p_values))


def test_rows_that_are_missing_are_named(screen: tuple[np.ndarray, np.ndarray, Pseudobulk]) -> None:
    bulk = screen[2]
    with pytest.raises(DataError, match="1 rows are missing: AB"):
        de.significant_genes(bulk, perturbations=["AB"])
    with pytest.raises(DataError, match="1 rows are missing: control"):
        de.significant_genes(bulk, control="control")
    with pytest.raises(DataError, match="1 perturbations are not pairs: A"):
        de.non_additive_genes(bulk, pairs=["A"])
    with pytest.raises(DataError, match=r"2 rows are missing: A\+C, C"):
        de.non_additive_genes(bulk, pairs=["A+C"])
