"""models.from_checkpoint: files of others, on the disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from scgenept import models
from scgenept._errors import CheckpointError, DataError, UnsafePickleError
from tests.golden_files import COPIES, N_HEADS, read_archive, tensors

if TYPE_CHECKING:
    from pathlib import Path


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 / 0",)


def test_vocabulary_as_path_and_as_dict(files: tuple[Path, Path], names: dict[str, int]) -> None:
    path, vocab = files
    archive = read_archive(COPIES / "forward" / "scgenept_go_c_gpt_concat.npz")
    inputs = tensors(archive, "in/")
    for given in (vocab, str(vocab), names):
        model = models.from_checkpoint(path, vocab=given, n_heads=N_HEADS, genes=["GENE001", "GENE000"])
        assert model.vocabulary.pad_id == 24
        assert model.genes == ("GENE001", "GENE000")
        assert "not known" in model.card.caveats[0]
        with torch.no_grad():
            found = model.network(inputs["src"], inputs["values"], inputs["pert_flags"])
        np.testing.assert_allclose(found, archive["out/eval_nograd"], atol=1e-5)


def test_nested_state(files: tuple[Path, Path], state: dict[str, torch.Tensor]) -> None:
    path, vocab = files
    torch.save({"model_state_dict": state, "epoch": 4}, path)
    assert models.from_checkpoint(path, vocab=vocab, n_heads=N_HEADS).card.fine_tuned


def test_vocabulary_is_asked_for(files: tuple[Path, Path]) -> None:
    with pytest.raises(CheckpointError, match=r"vocab="):
        models.from_checkpoint(files[0])


def test_wrong_vocabulary(files: tuple[Path, Path]) -> None:
    with pytest.raises(CheckpointError, match="is of 60 tokens, but the vocabulary names 4"):
        models.from_checkpoint(files[0], vocab={"A": 0, "<pad>": 1})


def test_our_folder(files: tuple[Path, Path], tmp_path: Path) -> None:
    model = models.from_checkpoint(files[0], vocab=files[1], n_heads=N_HEADS)
    folder = model.save(tmp_path / "mine")
    again = models.from_checkpoint(folder)
    assert again.weight_hash == model.weight_hash
    assert again.vocabulary.tokens == model.vocabulary.tokens


def test_scgpt_folder(files: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "scGPT_human"
    folder.mkdir()
    for path in files:
        shutil.copy(path, folder)
    with pytest.raises(CheckpointError, match=r"args\.json missing"):
        models.from_checkpoint(folder)
    (folder / "args.json").write_text('{"nheads": 4}')
    assert models.from_checkpoint(folder).network.config.n_heads == N_HEADS
    assert models.load(folder).network.config.n_heads == N_HEADS


def test_hostile_file(files: tuple[Path, Path]) -> None:
    torch.save({"a": Bomb()}, files[0])
    with pytest.raises(UnsafePickleError, match="eval"):
        models.from_checkpoint(files[0], vocab=files[1])


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 cut"])
def test_damaged_file(content: bytes, files: tuple[Path, Path]) -> None:
    files[0].write_bytes(content)
    with pytest.raises(CheckpointError, match="best_model"):
        models.from_checkpoint(files[0], vocab=files[1])


@pytest.mark.parametrize(
    ("name", "what"), [("nothing.pt", "does not exist"), (".", "neither a checkpoint file nor a model folder")]
)
def test_paths_without_a_checkpoint(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=what):
        models.from_checkpoint(tmp_path / "empty" / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_heads": "8"}, "n_heads='8' should be a whole number"),
        ({"n_heads": 0}, "n_heads=0 should be a whole number, at least 1"),
        ({"vocab": 5}, r"vocab= should be a vocab\.json, or name -> token id, not int"),
        ({"genes": "KLF1"}, "genes= should be a list of gene names, each once"),
        ({"genes": ["KLF1", "KLF1"]}, "genes= should be a list of gene names, each once"),
        ({"genes": 5}, "genes= should be a list of gene names, each once"),
    ],
)
def test_arguments_of_another_kind(files: tuple[Path, Path], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        models.from_checkpoint(files[0], **{"vocab": files[1], **options})


def test_only_models_are_cited() -> None:
    with pytest.raises(DataError, match=r"model= should be a ScGenePT, not str\. Make one: scgenept\.models\.load"):
        models.cite("scgenept-mini")  # type: ignore[arg-type]
