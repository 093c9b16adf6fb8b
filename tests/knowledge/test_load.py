"""Sources by name from a server on loopback, and from every kind of file."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from scipy import sparse

import scgenept as sgp
from scgenept._errors import (
    CheckpointError,
    DataError,
    DownloadError,
    MissingExtraError,
    UnknownNameError,
    UnsafePickleError,
)
from scgenept.knowledge import KnowledgeSource
from scgenept.registry import find
from tests.registry.server import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.registry.server import Server

NAMES = ["KLF1", "NA", "JUN"]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


def h5ad(path: Path, matrix: Any = VECTORS) -> None:
    ad.AnnData(matrix, obs=pd.DataFrame(index=NAMES), obsm={"X_twice": 2 * VECTORS}).write_h5ad(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "list.pickle": lambda path: path.write_bytes(
        pickle.dumps(dict(zip(NAMES, VECTORS.tolist(), strict=True)), protocol=4)
    ),
    "array.pkl": lambda path: path.write_bytes(pickle.dumps(dict(zip(NAMES, VECTORS, strict=True)))),
    "dense.h5ad": h5ad,
    "sparse.h5ad": lambda path: h5ad(path, sparse.csr_matrix(VECTORS)),
    "a.npz": lambda path: np.savez(path, names=NAMES, vectors=VECTORS),
    "mini.npz": lambda path: np.savez_compressed(
        path, genes=[*NAMES, "X"], embeddings=np.vstack([VECTORS, VECTORS[:1]]), has_text=[True, True, True, False]
    ),
    "one_each.safetensors": lambda path: save_file(dict(zip(NAMES, VECTORS, strict=True)), path),
    "named.safetensors": lambda path: (
        save_file({"vectors": VECTORS}, path),
        path.with_suffix(".json").write_text(json.dumps({"names": NAMES})),
    ),
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_kind_of_file(file: str, tmp_path: Path) -> None:
    WRITERS[file](tmp_path / file)
    source = sgp.knowledge.load(tmp_path / file)
    order = [source.names.index(name) for name in NAMES]  # safetensors sorts names
    np.testing.assert_array_equal(source.vectors[order], VECTORS)
    assert source.name == file.partition(".")[0]
    assert len(source) == 3
    assert source.provenance["file"] == file
    assert len(source.provenance["file_sha256"]) == 64


def test_keys(tmp_path: Path) -> None:
    h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(sgp.knowledge.load(tmp_path / "a.h5ad", key="X_twice").vectors, 2 * VECTORS)
    with pytest.raises(DataError, match=r"no obsm\['X_thrice'\]; it has X_twice"):
        sgp.knowledge.load(tmp_path / "a.h5ad", key="X_thrice")
    np.savez(tmp_path / "a.npz", names=NAMES, more=VECTORS)
    np.testing.assert_array_equal(sgp.knowledge.load(tmp_path / "a.npz", key="more").vectors, VECTORS)


class Frame:
    """What pandas reads from a parquet file, without pyarrow."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __call__(self, *_: object, **__: object) -> pd.DataFrame:
        return self.frame


WIDE = pd.DataFrame(VECTORS, columns=[f"d{i}" for i in range(4)])


@pytest.mark.parametrize(
    "frame",
    [
        WIDE.assign(gene=NAMES),
        WIDE.set_index(pd.Index(NAMES)),
        pd.DataFrame({"symbol": NAMES, "embedding": list(VECTORS)}),
    ],
)
def test_parquet(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setattr("scgenept.knowledge._formats.need", lambda *_: None)
    monkeypatch.setattr(pd, "read_parquet", Frame(frame))
    source = sgp.knowledge.load(path)
    assert source.names == tuple(NAMES)
    np.testing.assert_array_equal(source.vectors, VECTORS)


def test_parquet_without_names_or_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'scgenept\[parquet\]'"):
        sgp.knowledge.load(path)
    monkeypatch.setattr("scgenept.knowledge._formats.need", lambda *_: None)
    monkeypatch.setattr(pd, "read_parquet", Frame(WIDE))
    with pytest.raises(DataError, match="no column of gene names"):
        sgp.knowledge.load(path)


@pytest.mark.parametrize("name", ["a.pickle", "a.h5ad", "a.npz", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>403</html>", b"\x89HDF\r\n\x1a\n cut", b"PK\x03\x04 cut"])
def test_damaged_files(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((DataError, CheckpointError)) as caught:
        sgp.knowledge.load(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "named.safetensors"])
def test_files_cut_short(writer: str, tmp_path: Path) -> None:
    path = tmp_path / writer
    WRITERS[writer](path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises((DataError, CheckpointError)):
        sgp.knowledge.load(path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": VECTORS}, "holds a. Expected gene names"),
        ({"names": [1, 2, 3], "vectors": VECTORS}, "not text"),
        ({"names": np.array(NAMES, dtype=object), "vectors": VECTORS}, "not a whole .npz"),
        ({"names": NAMES, "vectors": VECTORS[:2]}, "3 genes, but its vectors"),
        ({"names": ["A", "A", "B"], "vectors": VECTORS}, "more than once: A"),
        ({"names": NAMES, "vectors": VECTORS * np.nan}, "NaN"),
    ],
)
def test_npz_that_is_no_source(arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=words):
        sgp.knowledge.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"A": np.ones(2), "B": np.ones(3)}, "several widths"),
        ({"A": np.ones((2, 2))}, "one vector per gene"),
        ({"vectors": np.ones((2, 2))}, "no names"),
    ],
)
def test_safetensors_that_are_no_source(tensors: dict[str, Any], words: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=words):
        sgp.knowledge.load(tmp_path / "a.safetensors")


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch it_ran",)


def test_hostile_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pickle").write_bytes(pickle.dumps({"A": [1.0], "B": Bomb()}))
    with pytest.raises(UnsafePickleError):
        sgp.knowledge.load(tmp_path / "a.pickle")
    assert not (tmp_path / "it_ran").exists()


def test_unknown_names_and_kinds(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'go_cc'.*Nearest known names: go_c"):
        sgp.knowledge.load("go_cc")
    with pytest.raises(DataError, match="no file"):
        sgp.knowledge.load(tmp_path / "a.npz")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(UnknownNameError, match=r"\.pickle, \.pkl, \.h5ad"):
        sgp.knowledge.load(tmp_path / "a.xlsx")


def test_available() -> None:
    table = sgp.knowledge.available().set_index("name")
    originals = [
        "ncbi",
        "ncbi+uniprot",
        *(f"go_{aspect}{how}" for aspect in ("f", "c", "p", "all") for how in ("", "_avg")),
    ]
    assert set(originals) | {"go_minilm"} == set(table.index)
    assert (table.loc[originals, "width"] == 1536).all()
    assert table.loc["go_p_avg", "joined"] == "avg"
    assert table.loc["ncbi", "joined"] == ""
    assert table["genes"].isna().all()
    assert (table["recipe"] != "").sum() == 1
    assert not table["cached"].any()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("go_c", "models/gene_embeddings/GO_C_gene_embeddings-gpt3.5-ada-concat.pickle"),
        ("go_c_gpt_concat", "gene_embeddings/GO_C_gene_embeddings-gpt3.5-ada-concat.pickle"),
        ("go_p_avg", "models/gene_embeddings/GO_P_gene_embedding-gpt3.5-ada-avg.pickle"),
        ("go_p_gpt_avg", "models/gene_embeddings/GO_P_gene_embeddings-gpt3.5-ada_avg.pickle"),
        ("ncbi+uniprot_gpt", "models/gene_embeddings/NCBI+UniProt_embeddings-gpt3.5-ada.pkl"),
    ],
)
def test_by_name_whatever_the_spelling(server: Server, name: str, path: str) -> None:
    body = pickle.dumps(dict(zip(NAMES, VECTORS.tolist(), strict=True)), protocol=4)
    server.answers[f"/{path}"] = Answer(body)
    source = sgp.knowledge.load(name)
    np.testing.assert_array_equal(source.vectors, VECTORS)
    assert source.name == name.replace("_gpt", "").removesuffix("_concat")
    assert source.provenance["embedder"] == "text-embedding-ada-002"
    assert source.provenance["licence"] == "MIT"
    row = sgp.knowledge.available().set_index("name").loc[source.name]
    assert (row["genes"], row["cached"]) == (3, True)
    asked = len(server.asked)
    sgp.knowledge.load(name)
    assert len(server.asked) == asked


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_that_is_there_comes_before_a_name(
    cache: Path, kind: Callable[[str], str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KnowledgeSource("go_minilm", NAMES, VECTORS).save(find("gene_embeddings/go_minilm.safetensors").path)
    monkeypatch.chdir(tmp_path)
    assert sgp.knowledge.load(kind("go_minilm.safetensors")).names == tuple(NAMES)
    KnowledgeSource("mine", ["A"], [[1.0]]).save("go_minilm")
    assert sgp.knowledge.load(kind("go_minilm.safetensors")).name == "mine"
    assert sgp.knowledge.load("go_minilm").names == tuple(NAMES)


def test_golden_pickles(golden: Path) -> None:
    for path in sorted((golden / "models" / "gene_embeddings").iterdir()):
        with path.open("rb") as stream:
            truth = pickle.load(stream)
        source = sgp.knowledge.load(path)
        assert source.names == tuple(truth)
        np.testing.assert_array_equal(source.vectors, np.array(list(truth.values()), dtype=np.float32))


def test_built_source(cache: Path) -> None:
    with pytest.raises(DownloadError, match="is built, not downloaded"):
        sgp.knowledge.load("go_minilm")
    built = KnowledgeSource("go_minilm", NAMES, VECTORS, {"JUN": "text"}, {"embedder": "all-MiniLM-L6-v2 (here)"})
    built.save(find("gene_embeddings/go_minilm.safetensors").path)
    source = sgp.knowledge.load("go_minilm")
    assert source.sha256 == built.sha256
    assert source.provenance["embedder"] == "all-MiniLM-L6-v2 (here)"
    built = KnowledgeSource("go_minilm", NAMES, 2 * VECTORS)
    built.save(cache / "gene_embeddings" / "go_minilm.safetensors", overwrite=True)
    assert sgp.knowledge.load("go_minilm").sha256 == built.sha256
