"""Vocabulary: token ids as the original gives them, and files that are wrong are refused."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scgenept._errors import CheckpointError, UnknownGeneError
from scgenept.genes import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, content: Any, name: str = "vocab.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_ids_are_positions() -> None:
    vocabulary = Vocabulary(["B", "A", "<pad>"])
    assert (vocabulary.id("A"), vocabulary.id("X"), vocabulary.pad_id) == (1, None, 2)
    assert vocabulary.ids(["A", "X", "B"]).tolist() == [1, 2, 0]
    assert vocabulary.ids(iter(["A"])).dtype == np.int64
    assert vocabulary.ids([]).shape == (0,)
    assert ("A" in vocabulary, "X" in vocabulary, len(vocabulary), list(vocabulary)) == (
        True,
        False,
        3,
        ["B", "A", "<pad>"],
    )


def test_it_is_a_value() -> None:
    vocabulary = Vocabulary(["A", "B"])
    assert vocabulary == Vocabulary(("A", "B")) != Vocabulary(["B", "A"])
    assert hash(vocabulary) == hash(Vocabulary(["A", "B"]))
    assert repr(vocabulary) == "Vocabulary(2 tokens: A, B)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        vocabulary.tokens = ()  # type: ignore[misc]
    vocabulary.to_mapping()["C"] = 2
    assert "C" not in vocabulary


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    vocabulary = Vocabulary(["KLF1", "<pad>", "Ärger"])
    assert Vocabulary.from_json(write(tmp_path, vocabulary.to_mapping())) == vocabulary
    assert Vocabulary.from_mapping({"b": 1, "a": 0, "c": 2}).tokens == ("a", "b", "c")


def test_specials_are_appended_once() -> None:
    vocabulary = Vocabulary(["<cls>", "A"]).with_specials()
    assert vocabulary.tokens == ("<cls>", "A", "<pad>", "<eoc>")
    assert vocabulary.with_specials() == vocabulary


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"A": 0, "B": 2}, "0 to 1, each once; out of place from 'B': 2 on"),
        ({"A": 1, "B": 2}, "out of place from 'A': 1 on"),
        ({"A": 0, "B": 0}, "out of place from 'B': 0 on"),
        ({"A": "0"}, "must be integers; 1 are not: A"),
        ({"A": 0.0}, "must be integers"),
        ({"A": False}, "must be integers"),
        ({"A": -1, "B": 0}, "out of place from 'A': -1 on"),
    ],
)
def test_wrong_ids_are_refused(mapping: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        Vocabulary.from_mapping(mapping)
    with pytest.raises(CheckpointError, match=message):
        Vocabulary.from_json(write(tmp_path, mapping))


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ('{"A": 0}', "vocab.txt", "JSON only, never from a pickle"),
        ('{"A": 0}', "vocab.pkl", "JSON only, never from a pickle"),
        ('{"A": 0', "vocab.json", "not valid JSON"),
        ('["A"]', "vocab.json", "holds a JSON list"),
        ('{"A": 0, "A": 1}', "vocab.json", "names 1 tokens more than once: A"),
    ],
)
def test_wrong_files_are_refused(content: str, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        Vocabulary.from_json(write(tmp_path, content, name))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no vocabulary file .*nowhere\.json"):
        Vocabulary.from_json(tmp_path / "nowhere.json")


def test_repeated_tokens_are_refused() -> None:
    with pytest.raises(CheckpointError, match="1 vocabulary tokens appear more than once: A"):
        Vocabulary(["A", "B", "A"])
    with pytest.raises(CheckpointError, match="must be strings"):
        Vocabulary(["A", 1])  # type: ignore[list-item]


def test_without_pad_an_unknown_gene_is_an_error() -> None:
    vocabulary = Vocabulary(["KLF1", "JUN"])
    assert vocabulary.ids(["JUN"]).tolist() == [1]
    with pytest.raises(UnknownGeneError, match=r"1 of 2 genes .* KLF11\. Nearest known names: KLF1"):
        vocabulary.ids(["JUN", "KLF11"])
    with pytest.raises(CheckpointError, match="with_specials"):
        _ = vocabulary.pad_id


def test_it_does_what_the_original_does(shared: Path) -> None:
    golden = json.loads((shared / "golden" / "tokens" / "tokens.json").read_text())
    vocabulary = Vocabulary.from_json(shared / "golden" / "models" / "pretrained" / "scgpt" / "vocab.json")
    assert len(vocabulary) == golden["file_entries"]
    assert vocabulary.pad_id == golden["pad"] == golden["lookup_unknown_after_from_file"]
    assert ("OOV0" in vocabulary) == golden["contains_unknown"]
    extended = vocabulary.with_specials()
    assert extended.id("<eoc>") == golden["eoc_id_after_append"]
    assert len(extended) == golden["len_after_specials"]
    assert extended.ids(golden["genes"]).tolist() == golden["gene_ids"]


def test_the_whole_human_vocabulary(shared: Path) -> None:
    path = shared / "data" / "scgpt_vocab.json"
    vocabulary = Vocabulary.from_json(path)
    assert (len(vocabulary), vocabulary.pad_id) == (60_697, 60_694)
    assert vocabulary.with_specials() == vocabulary
    assert vocabulary.to_mapping() == json.loads(path.read_text())
