"""pp.match_genes: who of the genes is known, and how."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError
from scgenept.genes import Vocabulary
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

match_genes = sgp.pp.match_genes
NAMES = ["KLF1", "KIAA1804", "ENSG00000177606.10", "NT", "XYZ"]
KNOWN = ["KLF1", "MAP3K21", "JUN", "NT5E", "NTS"]
HOW = ["symbol", "alias", "ensembl", "ambiguous", "unmatched"]


def data() -> ad.AnnData:
    adata = ad.AnnData(np.ones((2, 5), dtype=np.float32))
    adata.var_names = NAMES
    return adata


def model(token_mapping: str) -> Any:
    return SimpleNamespace(vocabulary=Vocabulary([*KNOWN, "<pad>"]), card=SimpleNamespace(token_mapping=token_mapping))


@pytest.mark.parametrize("known", [KNOWN, set(KNOWN), Vocabulary([*KNOWN, "<pad>"]), model("alias")])
def test_one_row_per_gene(known: Any) -> None:
    adata = data()
    with unchanged(adata):
        table = match_genes(adata, known)
    assert list(table.index) == list(table["gene"]) == NAMES
    assert table["how"].tolist() == HOW
    assert table["matched"].tolist() == ["KLF1", "MAP3K21", "JUN", None, None]


def test_the_rule_is_the_models() -> None:
    assert match_genes(data(), model("v1"))["matched"].notna().sum() == 1
    assert match_genes(data(), model("v1"), rule="alias")["matched"].notna().sum() == 3
    assert match_genes(data(), KNOWN, rule="v1")["matched"].notna().sum() == 1


def test_names_of_a_column() -> None:
    adata = data()
    adata.var["gene_id"] = ["ENSG00000105610", "A", "B", "C", "D"]
    table = match_genes(adata, KNOWN, key="gene_id")
    assert table.loc["KLF1", ["gene", "matched", "how"]].tolist() == ["ENSG00000105610", "KLF1", "ensembl"]
    with pytest.raises(DataError, match=r"no column 'gene_ids'\. Nearest known names: gene_id"):
        match_genes(adata, KNOWN, key="gene_ids")
    adata.var["gene_id"] = ["A", None, "B", "C", "D"]
    with pytest.raises(DataError, match="1 of 5 genes have no name"):
        match_genes(adata, KNOWN, key="gene_id")


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning:anndata")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_it_is_written_and_survives(suffix: str, tmp_path: Path) -> None:
    adata = data()
    match_genes(adata, KNOWN, write=True)
    match_genes(adata, KNOWN, write=True)
    record = {"rule": "alias", "symbol": 1, "alias": 1, "ensembl": 1, "ambiguous": 1, "unmatched": 1}
    assert adata.uns["scgenept"]["gene_matches"] == record
    path = tmp_path / f"a.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    assert back.uns["scgenept"]["gene_matches"] == record
    assert back.var["matched_how"].tolist() == HOW
    assert back.var["matched_gene"].isna().tolist() == [False, False, False, True, True]


def test_nobody_matches() -> None:
    adata = data()
    table = match_genes(adata, ["OTHER"], write=True)
    assert table["matched"].isna().all()
    assert adata.var["matched_gene"].isna().all()


def test_a_column_of_the_user_is_never_overwritten() -> None:
    adata = data()
    adata.var["matched_gene"] = "mine"
    with unchanged(adata), pytest.raises(KeyTakenError, match="overwrite=True"):
        match_genes(adata, KNOWN, write=True)
    match_genes(adata, KNOWN, write=True, overwrite=True)
    assert adata.var["matched_gene"].tolist()[0] == "KLF1"


def test_bad_input() -> None:
    adata = data()
    with unchanged(adata), pytest.raises(DataError, match=r"adata\.copy\(\)"):
        match_genes(adata[:1], KNOWN, write=True)
    adata.var_names = ["KLF1", "KLF1", "A", "B", "C"]
    with unchanged(adata), pytest.raises(DataError, match="more than once: KLF1"):
        match_genes(adata, KNOWN, write=True)


def test_real_genes(shared: Path) -> None:
    vocabulary = Vocabulary.from_json(shared / "data" / "scgpt_vocab.json")
    adata = ad.read_h5ad(shared / "data" / "norman_mcfaline_subset.h5ad", backed="r")
    table = match_genes(adata, vocabulary)
    adata.file.close()
    assert table["how"].value_counts().to_dict() == {"symbol": 491, "alias": 7, "unmatched": 2}
