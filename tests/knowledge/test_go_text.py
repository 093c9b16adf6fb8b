"""Texts of genes from GO annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from scgenept._errors import DataError, DownloadError, UnknownNameError
from scgenept.knowledge import go_complexes, go_slim, go_term_texts, go_texts, read_go_terms
from tests.registry.server import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.server import Server

ROWS = [
    ("KLF1", "KLF transcription factor 1", "erythrocyte differentiation", "P"),
    ("KLF1", "KLF transcription factor 1", "erythrocyte differentiation", "P"),
    ("KLF1", "KLF transcription factor 1", "metal ion binding", "F"),
    ("KLF1", "KLF transcription factor 1", "nucleus", "C"),
    ("NA", "a gene called NA", "nucleus", "C"),
    ("NONAME", "", "nucleus", "C"),
]
COLUMNS = ["symbol", "gene_name", "term", "aspect"]


@pytest.fixture
def terms(tmp_path: Path) -> pd.DataFrame:
    path = tmp_path / "terms.tsv.gz"
    pd.DataFrame(ROWS, columns=COLUMNS).to_csv(path, sep="\t", index=False)
    return read_go_terms(path)


def test_text(terms: pd.DataFrame) -> None:
    assert go_texts(terms, ["KLF1"]) == {
        "KLF1": "KLF1, KLF transcription factor 1. Molecular function: metal ion binding. "
        "Biological process: erythrocyte differentiation. Cellular component: nucleus."
    }


def test_order_unknown_genes_and_awkward_symbols(terms: pd.DataFrame) -> None:
    assert list(go_texts(terms, ["NA", "IER5L", "KLF1", "NA"])) == ["NA", "KLF1"]
    assert list(go_texts(terms)) == ["KLF1", "NA", "NONAME"]


def test_aspects(terms: pd.DataFrame) -> None:
    texts = go_texts(terms, ["KLF1", "NA"], aspects=("P",))
    assert texts == {"KLF1": "KLF1, KLF transcription factor 1. Biological process: erythrocyte differentiation."}
    for write in (go_texts, go_term_texts):
        with pytest.raises(UnknownNameError, match="use F, P and C"):
            write(terms, ["KLF1"], aspects=("X",))


@pytest.mark.parametrize("gap", [float("nan"), None, pd.NA])
def test_gaps_are_no_words(gap: object) -> None:
    rows = [("KLF1", gap, "heme binding", "F"), ("KLF1", gap, gap, "F"), ("JUN", gap, gap, "P")]
    terms = pd.DataFrame(rows, columns=COLUMNS)
    assert go_texts(terms) == {"KLF1": "KLF1. Molecular function: heme binding."}
    assert go_term_texts(terms, template="{symbol}, {name}: {term}") == {"KLF1": ("KLF1: heme binding",)}


def test_a_full_name_may_stand_in_any_row() -> None:
    rows = [("KLF1", None, "heme binding", "F"), ("KLF1", "KLF transcription factor 1", "nucleus", "C")]
    assert go_texts(pd.DataFrame(rows, columns=COLUMNS))["KLF1"].startswith("KLF1, KLF transcription factor 1. Mol")


def test_templates(terms: pd.DataFrame) -> None:
    assert go_texts(terms, ["NA"], template="{terms}") == {"NA": "Cellular component: nucleus."}
    assert go_texts(terms, ["NONAME"])["NONAME"] == "NONAME. Cellular component: nucleus."
    for template, words in (("{symbol} {taxon}", "symbol, taxon; known: name"), ("none", "none"), ("{terms", "order")):
        with pytest.raises(DataError, match=words):
            go_texts(terms, template=template)
    with pytest.raises(DataError, match="terms; known: name, symbol, term"):
        go_term_texts(terms, template="{terms}")


def test_one_text_per_term(terms: pd.DataFrame) -> None:
    texts = go_term_texts(terms, ["KLF1", "NONAME", "IER5L"])
    assert texts == {"KLF1": ("erythrocyte differentiation", "metal ion binding", "nucleus"), "NONAME": ("nucleus",)}
    assert go_term_texts(terms, ["NA"], template="{symbol}, {name}: {term}") == {
        "NA": ("NA, a gene called NA: nucleus",)
    }
    assert go_term_texts(terms, ["NONAME"], template="{symbol}, {name}: {term}") == {"NONAME": ("NONAME: nucleus",)}


def test_missing_column(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("symbol\tterm\nKLF1\tnucleus\n")
    with pytest.raises(DataError, match="gene_name, aspect"):
        read_go_terms(path)


def csv(aspect: str) -> bytes:
    rows = [(gene, name, of, term) for gene, name, term, of in ROWS if of == aspect]
    columns = ["gene", "gene_name", "ontology_aspect", "direct_class_label"]
    return pd.DataFrame(rows, columns=columns).to_csv(index=False).encode()


def test_files_of_the_original(server: Server) -> None:
    for aspect in "CFP":
        path = f"/models/gene_embeddings/gene_annotations/gene_ontology_{aspect}.csv"
        server.answers[path] = Answer(csv(aspect))
    table = read_go_terms("go_c")
    assert table[COLUMNS].to_numpy().tolist() == [list(row) for row in ROWS if row[3] == "C"]
    assert go_texts(read_go_terms("go_all"))["KLF1"].count(":") == 3


def test_files_that_cannot_be_had(cache: Path) -> None:
    assert not cache.exists()
    with pytest.raises(DownloadError, match="gene_ontology_P"):
        read_go_terms("go_p")


def test_complexes() -> None:
    rows = [(f"P{i}", "large complex", "C") for i in range(40)]
    rows += [
        ("HBA1", "hemoglobin complex", "C"),
        ("HBB", "hemoglobin complex", "C"),
        ("HBB", "hemoglobin complex", "C"),
    ]
    rows += [("ONE", "lonely complex", "C"), ("A", "complex of worries", "C"), ("A", "binds complex", "F")]
    table = pd.DataFrame(rows, columns=["symbol", "term", "aspect"])
    assert go_complexes(table) == {"hemoglobin complex": ("HBA1", "HBB")}
    assert len(go_complexes(table, min_genes=1, max_genes=50)) == 3


def test_slim_takes_the_rarest_term() -> None:
    pairs = [("A", "cytosol"), ("A", "ribosome"), ("B", "cytosol"), ("C", "ribosome"), ("D", "cytosol"), ("E", "other")]
    table = pd.DataFrame(pairs, columns=["symbol", "term"])
    slim = go_slim(table, ["cytosol", "ribosome"])
    assert slim.to_dict() == {"A": "ribosome", "B": "cytosol", "C": "ribosome", "D": "cytosol"}
    by_id = go_slim(
        table.assign(go_id=table["term"].map({"cytosol": "GO:1", "ribosome": "GO:2", "other": "GO:3"})), ["GO:2"]
    )
    assert by_id.to_dict() == {"A": "ribosome", "C": "ribosome"}
    with pytest.raises(DataError, match="1 terms: nothing"):
        go_slim(table, ["nothing"])
