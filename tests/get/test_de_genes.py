"""Reading ranked genes: choices, and names that do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import scgenept as sgp
from scgenept._errors import DataError, UnknownNameError

if TYPE_CHECKING:
    import anndata as ad


@pytest.fixture
def adata() -> ad.AnnData:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition")
    sgp.pp.rank_de_genes(adata, n_top=4)
    return adata


@pytest.mark.parametrize(
    "name", ["KLF1+MAP2K6", "MAP2K6+KLF1", ["MAP2K6", "KLF1"], sgp.Perturbation(("KLF1", "MAP2K6"))]
)
def test_any_spelling_of_a_perturbation(adata: ad.AnnData, name: Any) -> None:
    table = sgp.get.de_genes(adata, name)
    assert set(table["perturbation"]) == {"KLF1+MAP2K6"}
    assert len(table) == 4


def test_all_perturbations(adata: ad.AnnData) -> None:
    table = sgp.get.de_genes(adata)
    assert table["perturbation"].tolist() == ["KLF1"] * 4 + ["KLF1+MAP2K6"] * 4 + ["MAP2K6"] * 4
    placed = sgp.get.de_genes(adata, view="v1")
    assert placed["perturbation"].tolist() == table["perturbation"].tolist()
    for _, rows in placed.groupby("perturbation"):
        assert rows["de_idx"].is_monotonic_increasing
    assert set(map(tuple, placed[["perturbation", "gene"]].to_numpy())) == set(
        map(tuple, table[["perturbation", "gene"]].to_numpy())
    )


def test_the_result_is_the_callers_own(adata: ad.AnnData) -> None:
    table = sgp.get.de_genes(adata)
    table["rank"] = 0
    assert sgp.get.de_genes(adata)["rank"].min() == 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"perturbation": "KLF2"}, "perturbation 'KLF2'.*Nearest known names: KLF1"),
        ({"perturbation": "ctrl"}, "No genes are ranked for perturbation 'ctrl'"),
        ({"kind": "nonzero"}, "kind='nonzero'.*non_zero"),
        ({"view": "v2"}, "view='v2'.*v1"),
        ({"against": "ctrl"}, "against='ctrl'"),
        ({"context": "K562"}, "context 'K562'"),
    ],
)
def test_unknown_names(adata: ad.AnnData, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        sgp.get.de_genes(adata, **choice)


def test_not_ranked(adata: ad.AnnData) -> None:
    with pytest.raises(DataError, match=r"not ranked against rest; comparisons: control.*against='rest'"):
        sgp.get.de_genes(adata, against="rest")
    with pytest.raises(DataError, match="comparisons: none"):
        sgp.get.de_genes(sgp.datasets.toy())


def test_genes_dropped_since(adata: ad.AnnData) -> None:
    fewer = adata[:, adata.var_names != "KLF1"].copy()
    assert "KLF1" in sgp.get.de_genes(fewer, "KLF1")["gene"].tolist()
    with pytest.raises(DataError, match="1 ranked genes are not in adata any more: KLF1"):
        sgp.get.de_genes(fewer, "KLF1", view="v1")
