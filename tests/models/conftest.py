"""A server that holds one official model, small, and settings that lead to it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
import torch

import scgenept as sgp
from tests.golden_files import COPIES, read_archive, tensors
from tests.registry.server import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.registry.server import Server

FOLDER = "/models/finetuned/scgenept_go_c/norman"
CONCAT = f"{FOLDER}/best_model_gpt3.5_ada_rnd_seed_42_concat.pt"
PLAIN = f"{FOLDER}/best_model_gpt3.5_ada_rnd_seed_42.pt"
VOCAB = "/models/pretrained/scgpt/vocab.json"


@pytest.fixture(scope="session")
def names() -> dict[str, int]:
    """Names of the 60 rows, ``<eoc>`` left out as in scGPT's own file."""
    ids = {f"GENE{i:03d}": i for i in range(24)} | {"<pad>": 24}
    return ids | {f"GENE{i:03d}": i + 1 for i in range(24, 57)} | {"<cls>": 58}


@pytest.fixture(scope="session")
def state() -> dict[str, torch.Tensor]:
    """Weights in the original's names."""
    return tensors(read_archive(COPIES / "forward" / "scgenept_go_c_gpt_concat.npz"), "sd/")


@pytest.fixture(scope="session")
def flash_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights as flash-attention names them, which is how the official files were saved."""
    return {name.replace("self_attn.in_proj_", "self_attn.Wqkv."): tensor for name, tensor in state.items()}


def saved(content: object) -> bytes:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor], names: dict[str, int]
) -> Iterator[Server]:
    """The bucket with one model and the vocabulary; the cache is empty."""
    with serving() as running:
        running.answers = {CONCAT: Answer(saved(state)), VOCAB: Answer(json.dumps(names).encode())}
        monkeypatch.setattr(sgp.settings, "base_url", running.url)
        monkeypatch.setattr(sgp.settings, "mirrors", ())
        monkeypatch.setattr(sgp.settings, "offline", False)
        monkeypatch.setattr(sgp.settings, "timeout", 2.0)
        monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path / "cache")
        yield running


@pytest.fixture
def files(tmp_path: Path, state: dict[str, torch.Tensor], names: dict[str, int]) -> tuple[Path, Path]:
    """A checkpoint and its vocabulary on the disk."""
    torch.save(state, tmp_path / "best_model.pt")
    (tmp_path / "vocab.json").write_text(json.dumps(names))
    return tmp_path / "best_model.pt", tmp_path / "vocab.json"
