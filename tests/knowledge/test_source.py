"""A source is what it says, gives every gene a row, and survives the disk."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

import scgenept as sgp
from scgenept._errors import DataError, UnknownGeneError, UnknownNameError
from scgenept.knowledge import KnowledgeSource

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAMES = ["KLF1", "MAP3K21", "JUN"]
VECTORS = np.array([[1.0, 2.0], [3.0, 4.0], [8.0, 0.0]])


@pytest.fixture
def source() -> KnowledgeSource:
    return KnowledgeSource("toy", NAMES, VECTORS, {"KLF1": "a zinc finger", "OTHER": "x"}, {"licence": "none"})


def test_what_it_holds(source: KnowledgeSource) -> None:
    assert (source.width, len(source), "JUN" in source, "FOS" in source) == (2, 3, True, False)
    assert source.vectors.dtype == np.float32
    assert source.texts == {"KLF1": "a zinc finger"}
    np.testing.assert_array_equal(source["JUN"], VECTORS[2])


def test_it_cannot_be_changed(source: KnowledgeSource) -> None:
    with pytest.raises(ValueError, match="read-only"):
        source.vectors[0] = 0
    with pytest.raises(AttributeError):
        source.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        source.provenance["licence"] = "mine"  # type: ignore[index]


def test_it_is_a_copy() -> None:
    vectors = VECTORS.astype(np.float32)
    source = KnowledgeSource("toy", NAMES, vectors)
    vectors[:] = 0
    assert source["KLF1"].any()


@pytest.mark.parametrize(
    ("names", "vectors", "words"),
    [
        ([], np.zeros((0, 2)), "no gene"),
        (["A", "A"], np.ones((2, 2)), "more than once: A"),
        (["A", "B"], np.ones((3, 2)), r"names 2 genes, but its vectors have the shape \(3, 2\)"),
        (["A"], np.ones(2), r"shape \(2,\)"),
        (["A"], np.ones((1, 0)), r"shape \(1, 0\)"),
        (["A", "B"], [[1.0, 2.0], [np.nan, 1.0]], "NaN or infinity for 1 genes: B"),
        (["A", "B"], [[1.0, 2.0], [1.0]], "one width"),
        (["A"], [["x"]], "not numbers"),
    ],
)
def test_bad_tables(names: list[str], vectors: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        KnowledgeSource("toy", names, vectors)  # type: ignore[arg-type]


def test_unknown_gene(source: KnowledgeSource) -> None:
    with pytest.raises(UnknownGeneError, match=r"'KLF11'.*Nearest known names: KLF1"):
        source["KLF11"]


def test_hash_is_of_names_and_vectors(source: KnowledgeSource) -> None:
    same = KnowledgeSource("other name", NAMES, VECTORS)
    assert same.sha256 == source.sha256
    assert KnowledgeSource("toy", NAMES[::-1], VECTORS).sha256 != source.sha256
    assert KnowledgeSource("toy", NAMES, VECTORS + 1).sha256 != source.sha256


def test_symbol_alias_ensembl(source: KnowledgeSource) -> None:
    table, matches = source.for_genes(["ENSG00000105610", "KIAA1804", "JUN"], missing="error")
    np.testing.assert_array_equal(table, VECTORS)
    assert matches.how == ("ensembl", "alias", "symbol")


def test_v1_takes_the_exact_name(source: KnowledgeSource) -> None:
    _, matches = source.for_genes(["KIAA1804", "JUN"], rule="v1")
    assert matches.matched == (None, "JUN")


@pytest.mark.parametrize(("missing", "row"), [("mean", [4.0, 2.0]), ("zero", [0.0, 0.0])])
def test_missing(source: KnowledgeSource, missing: str, row: list[float]) -> None:
    table, matches = source.for_genes(["IER5L", "KLF1"], missing=missing)  # type: ignore[arg-type]
    np.testing.assert_allclose(table, [row, VECTORS[0]])
    assert matches.where("unmatched") == ("IER5L",)


def test_missing_random_as_the_original_draws(source: KnowledgeSource) -> None:
    names = [f"XYZ{i}" for i in range(500)]
    first, second, other = (source.for_genes(names, missing="random", rng=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert np.abs(first).max() <= 0.1
    assert abs(first.std() - 0.1 / np.sqrt(3)) < 0.003  # of a uniform distribution of half width 0.1


def test_missing_error_and_unknown(source: KnowledgeSource) -> None:
    with pytest.raises(UnknownGeneError, match=r"nothing of 1 of 2 genes: IER5L.*missing=\"mean\""):
        source.for_genes(["IER5L", "KLF1"], missing="error")
    with pytest.raises(UnknownNameError, match="missing='median'"):
        source.for_genes(["KLF1"], missing="median")  # type: ignore[arg-type]


@given(st.lists(st.sampled_from([*NAMES, "XYZ1", "XYZ2", "XYZ3"]), unique=True, max_size=6))
def test_rows_are_in_the_order_asked_for(names: list[str]) -> None:
    source = KnowledgeSource("toy", NAMES, VECTORS)
    table, matches = source.for_genes(names, missing="zero")
    assert table.shape == (len(names), 2)
    for name, row in zip(names, table, strict=True):
        np.testing.assert_array_equal(row, VECTORS[NAMES.index(name)] if name in NAMES else [0, 0])
    assert matches.names == tuple(names)


def assert_same(read: KnowledgeSource, source: KnowledgeSource) -> None:
    assert (read.names, read.name, read.texts) == (source.names, source.name, source.texts)
    np.testing.assert_array_equal(read.vectors, source.vectors)
    assert source.provenance.items() <= read.provenance.items()


@pytest.mark.parametrize("name", ["mine", "mine.safetensors", "with.dots"])
def test_round_trip(source: KnowledgeSource, name: str, tmp_path: Path) -> None:
    path = source.save(tmp_path / "new" / name)
    assert path.suffix == ".safetensors"
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, path.with_suffix(".json").name])
    assert_same(sgp.knowledge.load(path), source)


def test_texts_of_several(tmp_path: Path) -> None:
    source = KnowledgeSource("toy", ["A"], [[1.0]], {"A": ("one", "two")})
    assert sgp.knowledge.load(source.save(tmp_path / "a")).texts == {"A": ("one", "two")}


def test_a_pair_that_does_not_belong_together(source: KnowledgeSource, tmp_path: Path) -> None:
    path = source.save(tmp_path / "mine")
    beside = path.with_suffix(".json")
    about = json.loads(beside.read_text())
    beside.write_text(json.dumps(about | {"names": NAMES[::-1]}))
    with pytest.raises(DataError, match="do not belong together"):
        sgp.knowledge.load(path)
    beside.unlink()
    with pytest.raises(DataError, match=r"mine\.json, which belongs beside it, is not there"):
        sgp.knowledge.load(path)


def test_a_saved_source_is_replaced_when_asked(source: KnowledgeSource, tmp_path: Path) -> None:
    old = KnowledgeSource("old", ["A"], [[1.0]])
    path = old.save(tmp_path / "mine")
    with pytest.raises(DataError, match=r"mine\.safetensors, .*mine\.json exists: pass overwrite=True"):
        source.save(path)
    assert_same(sgp.knowledge.load(path), old)
    assert_same(sgp.knowledge.load(source.save(path, overwrite=True)), source)


def test_a_full_disk_leaves_the_saved_source(
    source: KnowledgeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = source.save(tmp_path / "mine")
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        KnowledgeSource("other", ["A"], [[1.0]]).save(path, overwrite=True)
    assert len(list(tmp_path.iterdir())) == 2
    assert_same(sgp.knowledge.load(path), source)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("genes.json", b'{"KLF1": "A zinc finger."}'),
        ("genes.json", b"[1, 2]"),
        ("genes.json", b"\xff"),
        ("genes.safetensors", save({"KLF1": np.ones(2)})),
        ("genes.safetensors", b""),
    ],
    ids=["texts", "list", "no text", "vectors", "empty"],
)
def test_files_of_the_user_are_never_replaced(
    source: KnowledgeSource, tmp_path: Path, name: str, content: bytes, overwrite: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} exists and is no saved knowledge source: choose another path"):
        source.save(tmp_path / "genes", overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == content


def test_provenance_that_is_no_json_writes_nothing(tmp_path: Path) -> None:
    source = KnowledgeSource("toy", ["A"], [[1.0]], None, {"bad": object()})
    with pytest.raises(TypeError):
        source.save(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def wide(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(200, 16)).astype(np.float32)


def test_permuted_moves_every_vector() -> None:
    source = KnowledgeSource("toy", [f"G{i}" for i in range(200)], wide(0), {"G0": "text"})
    permuted = sgp.knowledge.ablate(source, "permuted")
    assert (permuted.vectors != source.vectors).any(axis=1).all()
    np.testing.assert_array_equal(np.sort(permuted.vectors, axis=0), np.sort(source.vectors, axis=0))
    assert {row.tobytes() for row in permuted.vectors} == {row.tobytes() for row in source.vectors}
    assert (permuted.name, permuted.texts) == ("toy_permuted", None)
    assert permuted.provenance["ablated_from"] == source.sha256
    assert permuted.sha256 == sgp.knowledge.ablate(source, "permuted").sha256
    assert permuted.sha256 != sgp.knowledge.ablate(source, "permuted", rng=1).sha256


def test_random_keeps_scale_only() -> None:
    source = KnowledgeSource("toy", [f"G{i}" for i in range(200)], wide(11) * np.arange(1, 17) + 5)
    random = sgp.knowledge.ablate(source, "random")
    np.testing.assert_allclose(random.vectors.mean(0), source.vectors.mean(0), atol=4 * 16 / np.sqrt(200))
    np.testing.assert_allclose(random.vectors.std(0) / source.vectors.std(0), 1, atol=0.25)
    assert abs(np.corrcoef(random.vectors.ravel() - 5, source.vectors.ravel() - 5)[0, 1]) < 0.1


def test_ablations_that_cannot_be(source: KnowledgeSource) -> None:
    with pytest.raises(UnknownNameError, match="'shuffled'"):
        sgp.knowledge.ablate(source, "shuffled")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one gene"):
        sgp.knowledge.ablate(KnowledgeSource("one", ["A"], [[1.0]]))


def test_neighbors_against_a_loop() -> None:
    source = KnowledgeSource("toy", [f"G{i}" for i in range(200)], wide(3))
    table = sgp.knowledge.neighbors(source, "G7", n=500)
    expected = {
        name: float(row @ source["G7"] / np.linalg.norm(row) / np.linalg.norm(source["G7"]))
        for name, row in zip(source.names, source.vectors, strict=True)
        if name != "G7"
    }
    assert table["gene"].tolist() == sorted(expected, key=lambda name: -expected[name])
    np.testing.assert_allclose(table["similarity"], [expected[name] for name in table["gene"]], atol=1e-6)


def test_a_vector_of_zeros_is_like_nothing() -> None:
    source = KnowledgeSource("toy", ["A", "B"], [[0.0, 0.0], [1.0, 0.0]])
    assert sgp.knowledge.neighbors(source, "A")["similarity"].tolist() == [0.0]


def test_neighbors_of_nobody(source: KnowledgeSource) -> None:
    with pytest.raises(UnknownGeneError):
        sgp.knowledge.neighbors(source, "FOS")
    with pytest.raises(DataError, match="at least 1"):
        sgp.knowledge.neighbors(source, "KLF1", n=0)


def test_pair_auroc_against_a_loop() -> None:
    source = KnowledgeSource(
        "toy", [f"G{i}" for i in range(24)], wide(5)[:24] + np.repeat(wide(6)[:6], 4, axis=0) * 0.5
    )
    groups = {f"complex {i}": [f"G{j}" for j in range(4 * i, 4 * i + 4)] for i in range(6)}
    groups["beyond"] = ["ABSENT1", "G0"]
    score = sgp.knowledge.pair_auroc(source, groups, n_random=20_000)
    unit = [row / np.linalg.norm(row) for row in source.vectors]
    within = [(4 * i + a, 4 * i + b) for i in range(6) for a in range(4) for b in range(a + 1, 4)]
    between = [(a, b) for a in range(24) for b in range(a + 1, 24) if a // 4 != b // 4]
    wins = [(unit[a] @ unit[b] > unit[c] @ unit[d]) for a, b in within for c, d in between]
    assert score.auroc == pytest.approx(np.mean(wins), abs=1e-6)
    assert (score.n_groups, score.n_genes, score.n_pairs, score.n_random, score.n_missing) == (6, 24, 36, 240, 1)


def test_pair_auroc_of_nothing_is_a_half() -> None:
    source = KnowledgeSource("toy", [f"G{i}" for i in range(200)], wide(0))
    groups = {str(i): [f"G{5 * i + j}" for j in range(5)] for i in range(40)}
    assert abs(sgp.knowledge.pair_auroc(source, groups).auroc - 0.5) < 0.05
    same = KnowledgeSource("same", source.names, np.ones((200, 3)))
    assert sgp.knowledge.pair_auroc(same, groups).auroc == pytest.approx(0.5, abs=1e-9)


def test_pair_auroc_without_pairs(source: KnowledgeSource) -> None:
    with pytest.raises(DataError, match="None of 1 groups has two genes"):
        sgp.knowledge.pair_auroc(source, {"A": ["KLF1", "X"]})
    with pytest.raises(DataError, match="nothing to compare with"):
        sgp.knowledge.pair_auroc(source, {"A": NAMES})
