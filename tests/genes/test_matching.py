"""Matching: the gene decides, not the spelling, and what two genes claim is nobody's."""

from __future__ import annotations

import csv
import random
import time
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgenept._errors import DataError, UnknownNameError
from scgenept.genes import Vocabulary, alias_table, ensembl_id, match_genes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "known", "matched", "how"),
    [
        ("KLF1", ["KLF1"], "KLF1", "symbol"),
        ("KIAA1804", ["MAP3K21", "KLF1"], "MAP3K21", "alias"),
        ("MAP3K21", ["KIAA1804"], "KIAA1804", "alias"),  # the model knows the old name
        ("MLK4", ["KIAA1804"], "KIAA1804", "alias"),  # both are old
        ("C19orf26", ["CBARP"], "CBARP", "alias"),
        ("ENSG00000105610", ["KLF1"], "KLF1", "ensembl"),
        ("ENSG00000105610.6", ["KLF1"], "KLF1", "ensembl"),
        ("KLF1", ["ENSG00000105610.4"], "ENSG00000105610.4", "ensembl"),
        ("ENSG00000105610", ["ENSG00000105610.4"], "ENSG00000105610.4", "ensembl"),
        ("ENSG00000143248", ["RGS5", "RGS5_ENSG00000143248"], "RGS5_ENSG00000143248", "ensembl"),
        ("ENSG00000143674.12", ["KIAA1804"], "KIAA1804", "ensembl"),
        ("ENSG00000105610.6_PAR_Y", ["KLF1"], None, "unmatched"),
        ("klf1", ["KLF1"], None, "unmatched"),
        ("XYZ123", ["KLF1"], None, "unmatched"),
        ("", ["KLF1"], None, "unmatched"),
        ("<pad>", ["KLF1", "<pad>"], None, "unmatched"),
    ],
)
def test_one_name(name: str, known: list[str], matched: str | None, how: str) -> None:
    found = match_genes([name], known)
    assert (found.matched, found.how) == ((matched,), (how,))


def test_an_alias_of_two_genes_matches_neither() -> None:
    table = alias_table()
    assert set(table.symbols_of("NT")) == {"NT5E", "NTS"}
    for known in (["NT5E", "NTS"], ["NT5E"], ["KLF1"]):
        assert match_genes(["NT"], known).how == ("ambiguous",)
    assert match_genes(["NT"], ["NT"]).how == ("symbol",)


def test_a_symbol_is_its_own_gene_even_where_it_is_another_ones_alias() -> None:
    table = alias_table()
    symbol, other = next((name, owners[0]) for name, owners in table.symbols.items() if name in table.names)
    assert table.symbols_of(symbol) == (symbol,)
    assert match_genes([symbol], [other]).matched == (None,)


def test_two_names_of_one_gene_are_reported() -> None:
    found = match_genes(["KIAA1804", "MAP3K21", "MLK4"], ["MAP3K21"])
    assert found.matched == (None, "MAP3K21", None)
    assert found.how == ("ambiguous", "symbol", "ambiguous")
    tie = match_genes(["KIAA1804", "ENSG00000143674"], ["MAP3K21"])
    assert (tie.matched, tie.how) == ((None, None), ("ambiguous", "ambiguous"))


def test_two_known_names_of_one_gene_are_reported() -> None:
    assert match_genes(["MAP3K21"], ["KIAA1804", "MLK4"]).how == ("ambiguous",)
    assert match_genes(["MAP3K21"], ["KIAA1804", "MLK4", "MAP3K21"]).how == ("symbol",)


def test_v1_takes_the_very_name_or_nothing() -> None:
    found = match_genes(["KLF1", "KIAA1804", "KLF1", "<pad>"], Vocabulary(["KLF1", "MAP3K21", "<pad>"]), rule="v1")
    assert found.matched == ("KLF1", None, "KLF1", "<pad>")


def test_repeated_names_and_wrong_input_are_refused() -> None:
    with pytest.raises(DataError, match="1 gene names appear more than once: KLF1"):
        match_genes(["KLF1", "KLF1"], ["KLF1"])
    with pytest.raises(UnknownNameError, match="'alias' or 'v1'"):
        match_genes(["KLF1"], ["KLF1"], rule="v2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not one string"):
        match_genes("KLF1", ["KLF1"])
    with pytest.raises(TypeError, match="not one string"):
        match_genes(["KLF1"], "KLF1")


def test_report() -> None:
    found = match_genes(["JUN", "KIAA1804", "ENSG00000105610.6", "XYZ", "NT"], ["JUN", "MAP3K21", "KLF1"])
    assert (len(found), found.n_matched, found.where("unmatched")) == (5, 3, ("XYZ",))
    assert found.summary() == (
        "3 of 5 genes matched: 1 by symbol, 1 by alias, 1 by Ensembl id; 1 unmatched (XYZ); 1 ambiguous (NT)."
    )
    table = found.to_frame()
    assert list(table.columns) == ["gene", "matched", "how"]
    assert table["matched"].isna().tolist() == [False, False, False, True, True]
    assert [dtype.kind for dtype in table.dtypes] == ["O"] * 3


@given(st.data())
def test_no_known_name_is_given_twice(data: st.DataObject) -> None:
    pool = [
        "MAP3K21",
        "KIAA1804",
        "MLK4",
        "ENSG00000143674",
        "ENSG00000143674.2",
        "NT",
        "NT5E",
        "NTS",
        "CBARP",
        "C19orf26",
    ]
    names = data.draw(st.lists(st.sampled_from(pool), unique=True))
    known = data.draw(st.lists(st.sampled_from(pool), unique=True))
    found = match_genes(names, known)
    given_out = [name for name in found.matched if name is not None]
    assert len(given_out) == len(set(given_out))
    assert set(given_out) <= set(known)
    for name, match, how in zip(found.names, found.matched, found.how, strict=True):
        assert (match is None) == (how in {"ambiguous", "unmatched"})
        assert (name in known) == (how == "symbol")


def test_ensembl_id() -> None:
    assert ensembl_id("ENSG00000105610") == ensembl_id("ENSG00000105610.12") == ensembl_id("X_Y_ENSG00000105610")
    assert ensembl_id("ENSMUSG00000000001") is ensembl_id("ENSG123") is ensembl_id("XENSG00000105610") is None


def test_the_table_is_small() -> None:
    table = files("scgenept.genes") / "data" / "aliases.tsv.gz"
    assert len(table.read_bytes()) < 1_500_000
    assert len(alias_table().names) > 40_000
    assert alias_table() is alias_table()


def test_targets_of_norman(shared: Path) -> None:
    vocabulary = Vocabulary.from_json(shared / "data" / "scgpt_vocab.json")
    with (shared / "data" / "norman_gears_conditions.csv").open() as stream:
        targets = {gene for row in csv.DictReader(stream) for gene in row["condition"].split("+")} - {"ctrl"}
    assert match_genes(targets, vocabulary, rule="v1").n_matched == 100
    found = match_genes(targets, vocabulary)
    aliases = {
        name: match for name, match, how in zip(found.names, found.matched, found.how, strict=True) if how == "alias"
    }
    assert aliases == {"C19orf26": "CBARP", "C3orf72": "FOXL2NB", "ELMSAN1": "MIDEAS", "KIAA1804": "MAP3K21"}
    assert found.where("unmatched") == ("RHOXF2BB",)  # GEARS' own name; no source has it


def test_five_thousand_names_take_no_time(shared: Path) -> None:
    vocabulary = Vocabulary.from_json(shared / "data" / "scgpt_vocab.json")
    names = random.Random(0).sample(sorted(alias_table().symbols), 5_000)
    start = time.process_time()
    match_genes(names, vocabulary)
    assert time.process_time() - start < 1
