"""Texts become vectors once, are kept, and bad embedders are found out."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import DataError, UnknownNameError
from scgenept.knowledge import HashingEmbedder, embed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS = {f"G{i}": " ".join(["word"] * (i % 7 + 1) + [str(i % 10)]) for i in range(30)}


class Counting:
    """An embedder that keeps what it was asked, and stops when told."""

    id = "counting"

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.batches: list[list[str]] = []
        self.stop_after = stop_after

    def __call__(self, texts: Sequence[str], /) -> np.ndarray:
        if len(self.batches) == self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(list(texts))
        return HashingEmbedder(32)(texts)

    @property
    def asked(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _own_cache: None) -> Path:
    monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path)
    return tmp_path


def database(folder: Path) -> Path:
    (path,) = (folder / "embeddings").glob("*.sqlite")
    return path


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_every_text_once_and_rows_in_order(batch_size: int) -> None:
    counting = Counting()
    source = embed(TEXTS, counting, batch_size=batch_size)
    assert source.names == tuple(TEXTS)
    assert source.texts == TEXTS
    np.testing.assert_array_equal(source.vectors, HashingEmbedder(32)(list(TEXTS.values())))
    assert sorted(counting.asked) == sorted(set(TEXTS.values()))
    assert max(map(len, counting.batches)) <= batch_size
    lengths = [len(text) for text in counting.asked]
    assert lengths == sorted(lengths, reverse=True)


def test_several_texts_are_averaged() -> None:
    source = embed({"A": ["one", "two", "one"], "B": ["two"]}, "hashing")
    one, two = HashingEmbedder()(["one", "two"])
    np.testing.assert_allclose(source["A"], (one + two) / 2)
    np.testing.assert_array_equal(source["B"], two)
    assert source.texts == {"A": ("one", "two"), "B": ("two",)}
    assert source.provenance["joined"] == "mean over the texts of a gene"


def test_kept_on_disk() -> None:
    first, second = Counting(), Counting()
    source = embed(TEXTS, first, provenance={"licence": "mine"})
    again = embed({**TEXTS, "NEW": "a text not seen before"}, second)
    assert second.asked == ["a text not seen before"]
    np.testing.assert_array_equal(again.vectors[:-1], source.vectors)
    assert source.provenance["licence"] == "mine"


def test_not_kept(own_cache: Path) -> None:
    embed(TEXTS, Counting(), cache=False)
    embed(TEXTS, lambda texts: np.ones((len(texts), 2)))
    assert list(own_cache.rglob("*.sqlite")) == []


def test_embedders_do_not_share() -> None:
    other = Counting()
    other.id = "another"  # type: ignore[misc]
    embed(TEXTS, Counting())
    embed(TEXTS, other)
    assert sorted(other.asked) == sorted(set(TEXTS.values()))


def test_a_killed_run_loses_at_most_one_batch() -> None:
    killed, resumed = Counting(stop_after=2), Counting()
    with pytest.raises(KeyboardInterrupt):
        embed(TEXTS, killed, batch_size=8)
    embed(TEXTS, resumed, batch_size=8)
    assert len(killed.asked) == 16
    assert sorted(killed.asked + resumed.asked) == sorted(set(TEXTS.values()))


def test_half_written_cache(own_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = embed(TEXTS, Counting())
    path = database(own_cache)
    path.write_bytes(path.read_bytes()[:2000])
    counting = Counting()
    again = embed(TEXTS, counting)
    assert again.sha256 == source.sha256
    assert len(counting.asked) == len(set(TEXTS.values()))
    assert "put aside" in caplog.text
    assert path.with_suffix(".broken").exists()
    embed(TEXTS, after := Counting())
    assert after.asked == []


def test_a_cache_that_another_process_holds_is_kept(
    own_cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = embed(TEXTS, Counting())
    monkeypatch.setattr("scgenept.knowledge._cache._PATIENCE", 0.01)
    with closing(sqlite3.connect(database(own_cache), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert embed(TEXTS, Counting()).sha256 == source.sha256
        other.execute("COMMIT")
    assert "cannot be read now (database is locked): vectors are made anew" in caplog.text
    embed(TEXTS, after := Counting())
    assert after.asked == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, not a database at all"])
def test_cache_that_is_no_database(content: bytes, own_cache: Path) -> None:
    embed(TEXTS, Counting())
    database(own_cache).write_bytes(content)
    assert len(embed(TEXTS, Counting())) == len(TEXTS)


def test_vector_that_is_cut_short(own_cache: Path) -> None:
    source = embed(TEXTS, Counting())
    with closing(sqlite3.connect(database(own_cache))) as opened, opened:
        opened.execute("UPDATE vectors SET vector = x'0102' WHERE rowid = 1")
    assert embed(TEXTS, Counting()).sha256 == source.sha256


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path / "file")
    assert len(embed(TEXTS, Counting(), batch_size=4)) == len(TEXTS)
    assert caplog.text.count("cannot be kept") == 1


def test_cache_of_other_width() -> None:
    embed(TEXTS, Counting())
    other = Counting()
    wider: Any = lambda texts: np.ones((len(texts), 5))  # noqa: E731
    other.__class__ = type("Wider", (Counting,), {"__call__": lambda _, texts: wider(texts)})
    with pytest.raises(DataError, match="5 and of 32 numbers"):
        embed({"NEW": "unseen", **TEXTS}, other)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\) for 3 texts"),
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((3, 0)), r"shape \(3, 0\)"),
        ([[1.0], [1.0, 2.0], [1.0]], "numbers of one width"),
        ([["x"], ["y"], ["z"]], "numbers of one width"),
        ([[1.0], [np.nan], [np.inf]], "NaN or infinity for 2 texts: "),
    ],
)
def test_bad_embedders(answer: Any, words: str, own_cache: Path) -> None:
    def embedder(_: Sequence[str]) -> Any:
        return answer

    embedder.id = "bad"  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=words):
        embed({"A": "a", "B": "b", "C": "c"}, embedder)
    assert list(own_cache.rglob("*.sqlite")) == []


def test_its_own_errors_pass() -> None:
    def embedder(_: Sequence[str]) -> np.ndarray:
        msg = "out of memory"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="out of memory"):
        embed({"A": "a"}, embedder)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({}, "no text to embed"),
        ({"A": "", "B": "b"}, "1 genes have an empty text.*: A"),
        ({"A": " \n", "B": []}, "2 genes have an empty text.*: A, B"),
        ({"A": None}, "1 genes"),
        ({"A": ["x", 3]}, "1 genes"),
        (["a"], "map genes to texts; this is a list"),
    ],
)
def test_bad_texts(texts: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        embed(texts, "hashing")


def test_bad_options() -> None:
    with pytest.raises(DataError, match="batch_size"):
        embed(TEXTS, "hashing", batch_size=0)
    with pytest.raises(UnknownNameError, match="no embedder 'glove'"):
        embed(TEXTS, "glove")


def test_cut_texts_are_counted_also_from_the_cache(caplog: pytest.LogCaptureFixture) -> None:
    class Short(Counting):
        def is_cut(self, texts: Sequence[str]) -> list[bool]:
            return [len(text) > 30 for text in texts]

    expected = sum(len(text) > 30 for text in set(TEXTS.values()))
    with caplog.at_level(logging.INFO, logger="scgenept"):
        assert embed(TEXTS, Short()).provenance["n_cut"] == expected
    assert f"{expected} of {len(set(TEXTS.values()))} texts are longer" in caplog.text
    assert embed(TEXTS, Short()).provenance["n_cut"] == expected
    assert embed(TEXTS, Counting(), cache=False).provenance["n_cut"] is None


def test_progress_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sgp.settings, "progress", True)
    embed(TEXTS, Counting(), batch_size=8)
    assert "30/30" in capsys.readouterr().err or len(set(TEXTS.values())) != 30
    embed(TEXTS, Counting(), batch_size=8)
    assert capsys.readouterr().err == ""


def test_names_of_sources() -> None:
    assert embed(TEXTS, "hashing").name == "hashing-512"
    assert embed(TEXTS, "hashing", name="mine").name == "mine"
