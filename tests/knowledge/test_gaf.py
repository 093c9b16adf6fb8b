"""The Gene Ontology from a GAF and an OBO file, both small and both with every trap."""

from __future__ import annotations

import gzip
import importlib.util
import logging
import re
import sys
from typing import TYPE_CHECKING

import pytest

from scgenept._errors import DataError, MissingExtraError, UnknownNameError
from scgenept.knowledge import go_slim, read_gaf
from scgenept.knowledge._gaf import EVIDENCE
from scgenept.knowledge._obo import Ontology
from tests.registry.server import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.server import Server

with_obonet = pytest.mark.skipif(
    importlib.util.find_spec("obonet") is None, reason='the extra "go" is not installed: obonet'
)

TERMS = """
0005575 cellular_component C
0005737 cytoplasm C is_a:0005575 subset:small
0005739 mitochondrion C is_a:0005737
0005840 ribosome C part_of:0005737 subset:small
0005761 mitochondrial_ribosome C is_a:0005840 part_of:0005739 alt:0000001
0003674 molecular_function F
0003735 constituent_of_ribosome F is_a:0003674 part_of:0006412
0008150 biological_process P
0006412 translation P is_a:0008150 regulates:0005737
"""
SPACES = {"C": "cellular_component", "F": "molecular_function", "P": "biological_process"}


def obo() -> str:
    lines = ["format-version: 1.2", "data-version: test", ""]
    for row in TERMS.split("\n"):
        if not row:
            continue
        number, name, aspect, *facts = row.split()
        lines += ["[Term]", f"id: GO:{number}", f"name: {name.replace('_', ' ') if facts else name}"]
        lines += [f"namespace: {SPACES[aspect]}"]
        for fact in facts:
            key, value = fact.split(":")
            written = {"alt": f"alt_id: GO:{value}", "subset": f"subset: {value}", "is_a": f"is_a: GO:{value} ! x"}
            lines.append(written.get(key, f"relationship: {key} GO:{value} ! x"))
        lines.append("")
    lines += [
        "[Term]",
        "id: GO:0009999",
        "name: obsolete thing",
        "namespace: biological_process",
        "is_obsolete: true",
        "",
    ]
    lines += ["[Typedef]", "id: part_of", "name: part of", ""]
    return "\n".join(lines)


def row(symbol: str, number: str, code: str = "IDA", qualifier: str = "located_in", taxon: str = "taxon:9606") -> str:
    cells = [
        "UniProtKB",
        "P1",
        symbol,
        qualifier,
        f"GO:{number}",
        "PMID:1",
        code,
        "",
        "C",
        f"name of {symbol}!",
        "",
        "protein",
    ]
    return "\t".join([*cells, taxon, "20240101", "GO_Central", "", ""])


ROWS = [
    "!gaf-version: 2.2",
    row("MRPL1", "0005761"),
    row("MRPL1", "0005761", "IEA"),
    row("MRPL2", "0000001", "IBA"),  # by an old id
    row("NOTONE", "0005840", qualifier="NOT|located_in"),
    row("GONE", "0009999"),
    row("GONE", "0099999"),
    row("MOUSE", "0005840", taxon="taxon:10090"),
    row("VIRAL", "0005840", taxon="taxon:9606|taxon:11676"),
    row("NODATA", "0005575", "ND"),
    "! a comment in the middle",
    row("RPL3", "0003735", "TAS", "enables"),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "a.gaf.gz").write_bytes(gzip.compress("\n".join(ROWS).encode()))
    (tmp_path / "a.obo").write_text(obo())
    return tmp_path / "a.gaf.gz", tmp_path / "a.obo"


@with_obonet
def test_table(files: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="scgenept"):
        table = read_gaf(*files)
    assert table.to_numpy().tolist() == [
        ["MRPL1", "name of MRPL1!", "GO:0005761", "mitochondrial ribosome", "C", "IDA,IEA"],
        ["MRPL2", "name of MRPL2!", "GO:0005761", "mitochondrial ribosome", "C", "IBA"],
        ["VIRAL", "name of VIRAL!", "GO:0005840", "ribosome", "C", "IDA"],
        ["RPL3", "name of RPL3!", "GO:0003735", "constituent of ribosome", "F", "TAS"],
    ]
    for words in (
        "1 annotations that say NOT",
        "2 annotations to obsolete",
        "1 annotations of another",
        "1 .* other evidence",
    ):
        assert any(re.search(words, line) for line in caplog.messages), words
    files[0].with_suffix("").write_text("\n".join(ROWS))
    assert read_gaf(files[0].with_suffix(""), files[1]).equals(table)


@with_obonet
@pytest.mark.parametrize(
    ("evidence", "genes"),
    [
        (["experimental"], ["MRPL1", "VIRAL"]),
        ("IEA", ["MRPL1"]),
        (["phylogenetic", "author"], ["MRPL2", "RPL3"]),
        (["IEA", "TAS"], ["MRPL1", "RPL3"]),
    ],
)
def test_evidence(evidence: list[str], genes: list[str], files: tuple[Path, Path]) -> None:
    assert read_gaf(*files, evidence=evidence)["symbol"].tolist() == genes


@with_obonet
def test_taxon(files: tuple[Path, Path]) -> None:
    assert read_gaf(*files, taxon=10090)["symbol"].tolist() == ["MOUSE"]
    assert len(read_gaf(*files, taxon=None)) == 5


@with_obonet
@pytest.mark.parametrize(
    ("ancestors", "terms"),
    [
        (["is_a"], {"mitochondrial ribosome", "ribosome"}),
        (["part_of"], {"mitochondrial ribosome", "mitochondrion"}),
        (["is_a", "part_of"], {"mitochondrial ribosome", "ribosome", "mitochondrion", "cytoplasm"}),
    ],
)
def test_ancestors(ancestors: list[str], terms: set[str], files: tuple[Path, Path]) -> None:
    table = read_gaf(*files, ancestors=ancestors)  # type: ignore[arg-type]
    assert set(table.loc[table["symbol"] == "MRPL1", "term"]) == terms
    assert not table.duplicated(["symbol", "go_id"]).any()
    of_rpl3 = table[table["symbol"] == "RPL3"].set_index("term")["aspect"].to_dict()
    assert of_rpl3 == {"constituent of ribosome": "F"} | ({"translation": "P"} if "part_of" in ancestors else {})


@with_obonet
def test_slim_of_the_ontology(files: tuple[Path, Path]) -> None:
    table = read_gaf(*files, ancestors=["is_a", "part_of"])
    slim = go_slim(table, "small", obo=files[1])
    assert slim.to_dict() == {"MRPL1": "cytoplasm", "MRPL2": "cytoplasm", "VIRAL": "cytoplasm"}
    with pytest.raises(UnknownNameError, match=r"no subset 'smal'.*small"):
        go_slim(table, "smal", obo=files[1])


@with_obonet
def test_registry(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scgenept.settings.mirrors", (server.url,))
    monkeypatch.setattr("scgenept.settings.timeout", 0.5)
    server.answers["/annotations/goa_human.gaf.gz"] = Answer(gzip.compress("\n".join(ROWS).encode()))
    server.answers["/ontology/go-basic.obo"] = Answer(obo().encode())
    assert len(read_gaf()) == 4


@with_obonet
@pytest.mark.parametrize(
    ("gaf", "words"),
    [
        ("a\tb\tc\n", "Line 1 .* has 3 columns"),
        ("!gaf-version: 2.2\n", "it has no rows"),
        (row("A", "0009999"), "1 to obsolete"),
    ],
)
def test_no_gaf(gaf: str, words: str, files: tuple[Path, Path]) -> None:
    files[0].write_text(gaf)
    with pytest.raises(DataError, match=words):
        read_gaf(*files)


@with_obonet
def test_damaged_files(files: tuple[Path, Path]) -> None:
    files[0].write_bytes(files[0].read_bytes()[:60])
    with pytest.raises(DataError, match="not a whole GAF"):
        read_gaf(*files)
    files[1].write_text("<html>403</html>")
    with pytest.raises(DataError, match="OBO"):
        read_gaf(*files)
    for missing in (1, 0):
        files[1].write_text(obo())
        files[missing].unlink()
        with pytest.raises(DataError, match="no file"):
            read_gaf(*files)


def test_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Unknown evidence GUESS"):
        read_gaf(evidence=["GUESS", "IDA"])
    with pytest.raises(UnknownNameError, match="Unknown relations regulates"):
        read_gaf(tmp_path / "a", tmp_path / "b", ancestors=["regulates"])  # type: ignore[list-item]
    codes = [code for group in EVIDENCE.values() for code in group]
    assert len(codes) == len(set(codes))


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obonet", None)
    with pytest.raises(MissingExtraError, match=r"obonet is not installed.*'scgenept\[go\]'"):
        read_gaf(tmp_path / "a.gaf", tmp_path / "a.obo")


def test_ancestors_against_a_closure_by_hand() -> None:
    parents = {"d": (("is_a", "b"), ("part_of", "c")), "b": (("is_a", "a"),), "c": (("regulates", "a"),)}
    names = {"a": "a", "b": "b", "c": "c", "d": "d"}
    ontology = Ontology(names, dict.fromkeys(names, "x"), {}, parents, {})
    assert ontology.ancestors("d", ("is_a",)) == {"a", "b"}
    assert ontology.ancestors("d", ("part_of",)) == {"c"}
    assert ontology.ancestors("d", ("is_a", "part_of")) == {"a", "b", "c"}
    assert ontology.ancestors("a", ("is_a",)) == set()
