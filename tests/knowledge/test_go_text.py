"""One text per gene from GO annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from scgenept._errors import DataError, UnknownNameError
from scgenept.knowledge import go_texts, read_go_terms

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    ("KLF1", "KLF transcription factor 1", "erythrocyte differentiation", "P"),
    ("KLF1", "KLF transcription factor 1", "erythrocyte differentiation", "P"),
    ("KLF1", "KLF transcription factor 1", "metal ion binding", "F"),
    ("KLF1", "KLF transcription factor 1", "nucleus", "C"),
    ("NA", "a gene called NA", "nucleus", "C"),
]


@pytest.fixture
def terms(tmp_path: Path) -> pd.DataFrame:
    path = tmp_path / "terms.tsv.gz"
    pd.DataFrame(ROWS, columns=["symbol", "gene_name", "term", "aspect"]).to_csv(path, sep="\t", index=False)
    return read_go_terms(path)


def test_text(terms: pd.DataFrame) -> None:
    assert go_texts(terms, ["KLF1"]) == {
        "KLF1": "KLF1, KLF transcription factor 1. Molecular function: metal ion binding. "
        "Biological process: erythrocyte differentiation. Cellular component: nucleus."
    }


def test_order_unknown_genes_and_awkward_symbols(terms: pd.DataFrame) -> None:
    assert list(go_texts(terms, ["NA", "IER5L", "KLF1", "NA"])) == ["NA", "KLF1"]


def test_aspects(terms: pd.DataFrame) -> None:
    texts = go_texts(terms, ["KLF1", "NA"], aspects=("P",))
    assert texts == {"KLF1": "KLF1, KLF transcription factor 1. Biological process: erythrocyte differentiation."}
    with pytest.raises(UnknownNameError, match="use F, P and C"):
        go_texts(terms, ["KLF1"], aspects=("X",))


def test_missing_column(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("symbol\tterm\nKLF1\tnucleus\n")
    with pytest.raises(DataError, match="gene_name, aspect"):
        read_go_terms(path)
