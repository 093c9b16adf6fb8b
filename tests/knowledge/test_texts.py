"""One text per gene, from whatever it lies in."""

from __future__ import annotations

import gzip
import json
import logging
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from scgenept._errors import DataError, UnknownNameError
from scgenept.knowledge import read_texts
from tests.registry.server import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.server import Server

TEXTS = {"KLF1": "A zinc finger.", "NA": 'A gene, "called" NA.'}


def test_json_of_the_original(server: Server, tmp_path: Path) -> None:
    folder = "/models/gene_embeddings/gene_annotations/"
    server.answers[f"{folder}NCBI_summary_of_genes.json"] = Answer(json.dumps(TEXTS).encode())
    server.answers[f"{folder}NCBI_UniProt_summary_of_genes.json"] = Answer(json.dumps({"JUN": "x"}).encode())
    assert read_texts("ncbi") == TEXTS
    assert read_texts("ncbi+uniprot") == {"JUN": "x"}
    (tmp_path / "mine.json").write_text(json.dumps(TEXTS))
    assert read_texts(tmp_path / "mine.json") == TEXTS


@pytest.mark.parametrize(
    ("name", "separator"), [("a.csv", ","), ("a.tsv", "\t"), ("a.tsv.gz", "\t"), ("a.csv.gz", ",")]
)
def test_tables_on_disk(name: str, separator: str, tmp_path: Path) -> None:
    pd.Series(TEXTS, name="text").rename_axis("gene").to_csv(tmp_path / name, sep=separator)
    assert read_texts(tmp_path / name) == TEXTS
    assert read_texts(str(tmp_path / name)) == TEXTS


def test_frames_and_dicts() -> None:
    assert read_texts(TEXTS) == TEXTS
    assert read_texts(pd.DataFrame({"gene": list(TEXTS), "text": list(TEXTS.values())})) == TEXTS
    assert read_texts(pd.DataFrame({"about": TEXTS}), text="about") == TEXTS
    assert read_texts(pd.DataFrame({"g": list(TEXTS), "text": list(TEXTS.values())}), gene="g") == TEXTS


@pytest.mark.parametrize("empty", ["", "  \n", None, float("nan"), pd.NA])
def test_empty_texts_are_left_out_and_named(empty: Any, caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"gene": ["A", "B"], "text": pd.Series(["a", empty], dtype=object)})
    with caplog.at_level(logging.INFO, logger="scgenept"):
        assert read_texts(frame) == {"A": "a"}
    assert "1 of 2 genes have an empty text and are left out: B" in caplog.text


def test_duplicates(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 genes have several texts: A"):
        read_texts(pd.DataFrame({"gene": ["A", "A", "B"], "text": ["x", "y", "z"]}))
    (tmp_path / "a.json").write_text('{"A": "x", "A": "y"}')
    with pytest.raises(DataError, match="1 genes have several texts: A"):
        read_texts(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1, 2]", "one JSON object"),
        ('["A"]', "one JSON object"),
        ('{"A": "x', "not valid JSON"),
        ('{"A": [1]}', "than text: A"),
    ],
)
def test_bad_json(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=words):
        read_texts(tmp_path / "a.json")


def test_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'text'; it has gene, summary"):
        read_texts(pd.DataFrame({"gene": ["A"], "summary": ["x"]}))
    with pytest.raises(DataError, match="2 genes have something else than text: A, 7"):
        read_texts({"A": 3, 7: "x"})  # type: ignore[dict-item]
    with pytest.raises(UnknownNameError, match=r"Nearest known names: ncbi"):
        read_texts("nbci")
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(b"<a/>"))
    with pytest.raises(UnknownNameError, match=r"\.json, \.csv, \.tsv"):
        read_texts(tmp_path / "a.xml.gz")
