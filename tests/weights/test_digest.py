"""The hash of tensors: the same from memory and from the file that they are a view of."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scgenept._errors import CheckpointError
from scgenept.weights import folder as folders
from scgenept.weights import mapped
from scgenept.weights.digest import tensors_sha256
from scgenept.weights.folder import load_folder
from scgenept.weights.mapped import file_blocks

LINUX = Path("/proc/self/smaps").exists()


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "_BLOCK", 1 << 14)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(700, 33, generator=generator, dtype=torch.float64) for name in ("a", "b")}


def read(tensor: torch.Tensor) -> bytes | None:
    blocks = file_blocks(tensor)
    return None if blocks is None else b"".join(bytes(block) for block in blocks)


def test_a_view_of_a_file_is_read_from_it(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "with blank.pt")
    loaded = torch.load(tmp_path / "with blank.pt", mmap=True, weights_only=True)
    if LINUX:
        assert {name: read(tensor) for name, tensor in loaded.items()} == {
            name: tensor.numpy().tobytes() for name, tensor in state.items()
        }
        assert read(loaded["a"][3:9]) == state["a"][3:9].numpy().tobytes()
    assert read(loaded["a"].T) is None
    assert read(state["a"]) is None


def test_the_hash_does_not_depend_on_the_way(
    state: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(state, tmp_path / "x.safetensors")
    expected = hashlib.sha256()
    for name, tensor in state.items():
        expected.update(f"{name} torch.float64 (700, 33)\n".encode() + tensor.numpy().tobytes())
    loaded = load_file(tmp_path / "x.safetensors")
    assert tensors_sha256(loaded) == tensors_sha256(state) == expected.hexdigest()
    monkeypatch.setattr(mapped, "_MAPS", tmp_path / "no such system")
    assert tensors_sha256(load_file(tmp_path / "x.safetensors")) == expected.hexdigest()


def test_what_was_written_to_is_read_from_memory(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "x.pt")
    loaded = torch.load(tmp_path / "x.pt", mmap=True, weights_only=True)
    before = tensors_sha256(loaded)
    loaded["b"][5, 5] += 1
    assert read(loaded["b"]) is None
    assert tensors_sha256(loaded) == tensors_sha256({**state, "b": loaded["b"].clone()}) != before


def test_a_file_that_was_replaced_is_not_read(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "x.pt")
    loaded = torch.load(tmp_path / "x.pt", mmap=True, weights_only=True)
    torch.save({name: tensor + 1 for name, tensor in state.items()}, tmp_path / "y.pt")
    (tmp_path / "y.pt").rename(tmp_path / "x.pt")
    assert read(loaded["a"]) is None
    assert tensors_sha256(loaded) == tensors_sha256(state)


def test_a_large_folder_is_checked_when_its_hash_is_used(
    model: folders.ScGenePT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, half = model.save(tmp_path / "whole"), model.save(tmp_path / "half", half=True)
    monkeypatch.setattr(folders, "CHECKED_BYTES", 0)
    monkeypatch.setattr(mapped, "LARGE", 1 << 40)  # the system is slow to tell for each of many small tensors
    for path in (whole, half):
        again = load_folder(path)
        assert again.weight_hash == again.card.weights_sha256
    tensors = bytearray((whole / "model.safetensors").read_bytes())
    tensors[-100] ^= 0xFF
    (whole / "model.safetensors").write_bytes(tensors)
    damaged = load_folder(whole)
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"does not hold the weights that card.json names"):
            _ = damaged.weight_hash
