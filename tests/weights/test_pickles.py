"""Hostile, damaged and real pickles: the first two are refused in words and nothing of them runs."""

from __future__ import annotations

import builtins
import copyreg
import io
import os
import pickle
import subprocess
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from scgenept._errors import CheckpointError, UnsafePickleError
from scgenept.pickles import load_embedding_pickle
from scgenept.weights.pickles import load_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

loaders = pytest.mark.parametrize("load", [load_embedding_pickle, load_state_dict])


class Bomb:
    """Calls what it is told when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *args: object) -> None:
        self.what = (call, args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.what


BOMBS: dict[str, Callable[[Path], Bomb]] = {
    "system": lambda marker: Bomb(os.system, f"touch {marker}"),
    "eval": lambda marker: Bomb(builtins.eval, f"open({str(marker)!r}, 'w').close()"),
    "exec": lambda marker: Bomb(builtins.exec, f"open({str(marker)!r}, 'w').close()"),
    "call": lambda marker: Bomb(subprocess.call, ["touch", str(marker)]),
    "memmap": lambda marker: Bomb(np.memmap, str(marker), "u1", "w+", 0, (1,)),
    "save": lambda marker: Bomb(torch.save, {}, str(marker)),
}
"""By the last part of the global that each needs; each makes the marker file."""
WRAPS: dict[str, Callable[[Bomb], object]] = {
    "bare": lambda bomb: bomb,
    "nested": lambda bomb: {"TP53": [0.1, 0.2], "MYC": {"deep": [1.0, bomb]}},
    "beside tensors": lambda bomb: {"weight": torch.zeros(2), "epoch": bomb},
}


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it_ran"


def refused(load: Callable[[Path], object], path: Path, wanted: str, marker: Path) -> None:
    with pytest.raises(UnsafePickleError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert wanted in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize("name", BOMBS)
def test_the_bombs_are_live(name: str, marker: Path) -> None:
    pickle.loads(pickle.dumps(BOMBS[name](marker)))
    assert marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("wrap", ["bare", "nested"])
@pytest.mark.parametrize("name", BOMBS)
def test_hostile_embeddings_are_refused(name: str, wrap: str, protocol: int, tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "GO_C.pickle"
    path.write_bytes(pickle.dumps(WRAPS[wrap](BOMBS[name](marker)), protocol=protocol))
    refused(load_embedding_pickle, path, name, marker)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", BOMBS)
def test_hostile_checkpoints_are_refused(name: str, wrap: str, form: str, tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "best_model.pt"
    content = WRAPS[wrap](BOMBS[name](marker))
    if form == "plain":
        content = content if wrap != "beside tensors" else {"epoch": BOMBS[name](marker)}
        path.write_bytes(pickle.dumps(content, protocol=4))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    refused(load_state_dict, path, name, marker)


def test_torch_zip_with_replaced_pickle(tmp_path: Path, marker: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "good.pt")
    bad = tmp_path / "bad.pt"
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(bad, "w") as forged:
        for info in good.infolist():
            hostile = pickle.dumps(BOMBS["system"](marker), protocol=2)
            forged.writestr(info.filename, hostile if info.filename.endswith("data.pkl") else good.read(info))
    refused(load_state_dict, bad, "system", marker)


def test_environment_does_not_weaken(tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"a": BOMBS["system"](marker)}, tmp_path / "a.pt")
    refused(load_state_dict, tmp_path / "a.pt", "system", marker)


@pytest.mark.parametrize("raw", [b"\x80\x02Pfile:///etc/passwd\n.", b"\x80\x02U\x05helloQ."])
def test_persistent_ids_are_refused(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(raw)
    with pytest.raises(UnsafePickleError, match="persistent object"):
        load_embedding_pickle(path)


@loaders
def test_extension_codes_are_refused(load: Callable[[Path], object], tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "a.pickle"
    copyreg.add_extension(os.system.__module__, "system", 217)
    try:
        path.write_bytes(pickle.dumps(BOMBS["system"](marker), protocol=2))
        assert b"system\n" not in path.read_bytes()
        pickle.loads(path.read_bytes())  # keeps the function in the cache of extension codes
        marker.unlink()
        refused(load, path, str(path), marker)
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 217)


def test_stand_ins_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x02cnumpy\ndtype\n}U\x01aK\x01sb.")
    with pytest.raises(CheckpointError, match="cannot have a state"):
        load_embedding_pickle(path)


def test_objects_in_an_array_are_refused(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps({"A": np.array([BOMBS["system"](marker)], dtype=object)}))
    with pytest.raises(CheckpointError):
        load_embedding_pickle(path)
    assert not marker.exists()


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["a"]), np.array([1]), np.zeros(1, "f4,f4")])
def test_arrays_of_anything_but_floats(array: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps({"A": array}, protocol=2))
    with pytest.raises(CheckpointError):
        load_embedding_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
def test_float_arrays(dtype: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    truth = np.random.default_rng(0).random(7).astype(dtype)
    path.write_bytes(pickle.dumps({"A": truth, "B": truth.copy()}, protocol=protocol))
    read = load_embedding_pickle(path)
    assert list(read) == ["A", "B"]
    for vector in read.values():
        np.testing.assert_array_equal(vector, truth)
        assert vector.dtype.isnative


@pytest.mark.parametrize("protocol", range(6))
def test_lists(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps({"A": [0.5, 1], "B": list(np.array([2.0, 3.0]))}, protocol=protocol))
    read = load_embedding_pickle(path)
    assert {name: vector.tolist() for name, vector in read.items()} == {"A": [0.5, 1.0], "B": [2.0, 3.0]}
    assert all(vector.dtype == np.float64 for vector in read.values())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"A": [1.0, 2.0], "B": [1.0, 2.0], "C": [1.0]}, r"2 wide, 1 not: C \(1\)"),
        ({"A": [1.0, float("nan")], "B": [1.0, 2.0]}, r"NaN or infinity for 1 genes: A"),
        ({"A": [1.0], 7: [2.0]}, r"1 keys that are not gene names: 7"),
        ({"A": ["x"], "B": None, "C": [1.0]}, r"2 values that are not vectors of numbers, of: A, B"),
        ({"A": np.zeros((2, 2))}, r"not vectors"),
        ({"A": []}, r"not vectors"),
        ({}, r"holds nothing"),
        ([1.0], r"holds a list"),
    ],
)
def test_what_is_no_embedding(content: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=words):
        load_embedding_pickle(path)


def zip_without_pickle() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Access denied", "a web page"),
        (b"\n <html>", "a web page"),
        (b'{"genes": 1}', "JSON"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "safetensors"),
        (b"hello world, hello world", "begins with b'hello"),
        (pickle.dumps({"A": [1.0] * 50})[:-20], "not a whole"),
        (b"PK\x03\x04" + bytes(40), "not a"),
        (zip_without_pickle(), "not a"),
    ],
)
@loaders
def test_damaged_files_say_what_they_seem(
    content: bytes, words: str, load: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "best_model.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert not isinstance(caught.value, UnsafePickleError)


@loaders
def test_missing_file_and_folder(load: Callable[[Path], object], tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read"):
            load(path)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_truncated_checkpoint(keep: float, is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "best_model.pt"
    torch.save({f"layer{i}": torch.randn(40, 40) for i in range(4)}, path, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(CheckpointError, match="not a whole checkpoint") as caught:
        load_state_dict(path)
    assert not isinstance(caught.value, UnsafePickleError)


def test_legacy_checkpoint_cut_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "best_model.pt"
    torch.save({"weight": torch.arange(3.0)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(CheckpointError):
            load_state_dict(path)


def test_legacy_checkpoint_with_a_lost_tensor(tmp_path: Path) -> None:
    path = tmp_path / "best_model.pt"
    weight = torch.arange(3.0)
    torch.save({"weight": weight}, path, _use_new_zipfile_serialization=False)
    key = str(weight.untyped_storage()._cdata).encode()
    path.write_bytes(path.read_bytes().replace(key, key[::-1], 1))
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        load_state_dict(path)


@pytest.mark.parametrize("key", [None, "model_state_dict", "state_dict", "model"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_state_dicts(key: str | None, is_zip: bool, tmp_path: Path) -> None:
    state = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.nn.Parameter(torch.ones(2)))
    content = state if key is None else {key: state, "epoch": 3, "optimizer": {"lr": 0.1}}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=is_zip)
    read = load_state_dict(tmp_path / "a.pt")
    assert type(read) is dict
    assert list(read) == ["a", "b"]
    torch.testing.assert_close(read["a"], state["a"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": torch.zeros(1), "epoch": 3, "note": "x"}, r"2 values that are not tensors: epoch, note"),
        ({1: torch.zeros(1)}, r"1 tensors by something else than text: 1"),
        ([torch.zeros(1)], r"holds a list"),
        (torch.zeros(1), r"holds a Tensor"),
        ({}, r"holds nothing"),
    ],
)
def test_what_is_no_state_dict(content: object, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=words):
        load_state_dict(tmp_path / "a.pt")


def test_every_golden_file_loads(golden: Path) -> None:
    pickles = [*(golden / "models" / "gene_embeddings").glob("*.p*k*l*")]
    assert len(pickles) >= 10
    for path in pickles:
        with path.open("rb") as stream:
            truth = pickle.load(stream)
        read = load_embedding_pickle(path)
        assert list(read) == list(truth)
        assert all(read[name].tolist() == list(truth[name]) for name in truth)
    checkpoints = [*(golden / "forward").glob("*.pt")]
    assert len(checkpoints) >= 30
    for path in checkpoints:
        assert load_state_dict(path)
