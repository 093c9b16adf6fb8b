"""Reading what scGPT and scGenePT wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from scgenept._errors import CheckpointError
from scgenept.genes.vocabulary import Vocabulary
from scgenept.weights.original import is_scgpt_folder, read_checkpoint, read_scgpt_folder
from tests.golden_files import COPIES, N_HEADS, read_archive, tensors

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_is_read_with_its_table_type(checkpoint: tuple[Path, Path]) -> None:
    path, vocab = checkpoint
    model = read_checkpoint(path, vocabulary=Vocabulary.from_json(vocab), n_heads=N_HEADS)
    assert model.card.fine_tuned
    assert model.network.genes.languages["go_c"].table.weight.dtype == torch.float64
    assert all(tensor.dtype == torch.float32 for tensor in model.network.body.parameters())
    archive = read_archive(COPIES / "forward" / "scgenept_go_c_gpt_concat.npz")
    inputs = tensors(archive, "in/")
    with torch.no_grad():
        output = model.network(inputs["src"], inputs["values"], inputs["pert_flags"])
    np.testing.assert_allclose(output, archive["out/eval_nograd"], atol=1e-5)


def test_data_parallel_names_are_read(checkpoint: tuple[Path, Path]) -> None:
    path, vocab = checkpoint
    state = torch.load(path, weights_only=True)
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    assert read_checkpoint(path, vocabulary=Vocabulary.from_json(vocab), n_heads=N_HEADS).card.fine_tuned


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("ln.bias"), r"1 missing: ln\.bias"),
        (lambda state: state.update({"nope.weight": torch.zeros(2)}), r"1 without a place: nope\.weight"),
        (lambda state: state.update({"decoder.fc.0.bias": torch.zeros(7)}), r"1 of the wrong shape: decoder"),
        (lambda state: [state.pop(name) for name in list(state) if "layers" in name], "no transformer layer"),
        (
            lambda state: state.update({"encoder.embedding.weight": torch.zeros(9, 32)}),
            "of 9 tokens, .*names 60",
        ),
    ],
)
def test_every_tensor_is_accounted_for(checkpoint: tuple[Path, Path], change: object, message: str) -> None:
    path, vocab = checkpoint
    state = dict(torch.load(path, weights_only=True))
    change(state)  # type: ignore[operator]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path, vocabulary=Vocabulary.from_json(vocab), n_heads=N_HEADS)


def test_wrong_number_of_heads(checkpoint: tuple[Path, Path]) -> None:
    path, vocab = checkpoint
    with pytest.raises(CheckpointError, match="pass the right n_heads"):
        read_checkpoint(path, vocabulary=Vocabulary.from_json(vocab), n_heads=5)


def test_a_scgpt_folder_starts_flags_and_decoder_afresh(checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    path, _ = checkpoint
    state = dict(torch.load(path, weights_only=True))
    kept = ("encoder.", "value_encoder.", "transformer_encoder.", "decoder.", "cls_decoder.")
    foundation = {name: tensor for name, tensor in state.items() if name.startswith(kept)}
    foundation["mvc_decoder.gene2query.weight"] = torch.zeros(3)
    torch.save(foundation, path)
    with pytest.raises(CheckpointError, match=r"not a whole scGPT folder: args\.json missing"):
        read_scgpt_folder(tmp_path)
    (tmp_path / "args.json").write_text(json.dumps({"nheads": N_HEADS}))
    assert is_scgpt_folder(tmp_path)
    model = read_scgpt_folder(tmp_path)
    assert not model.card.fine_tuned
    assert model.network.config.n_heads == N_HEADS
    ours = model.network.state_dict()
    assert torch.equal(ours["genes.token_table.weight"], state["encoder.embedding.weight"])
    assert torch.equal(ours["body.layers.0.linear1.weight"], state["transformer_encoder.layers.0.linear1.weight"])
    assert not torch.equal(ours["body.decoder.value.0.weight"], state["decoder.fc.0.weight"])


def test_tensors_are_named_as_in_the_file(checkpoint: tuple[Path, Path]) -> None:
    path, vocabulary = checkpoint
    state = torch.load(path, weights_only=True)
    lost = next(name for name in state if "layers.0.self_attn" in name)
    torch.save({name: tensor for name, tensor in state.items() if name != lost}, path)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, vocabulary=Vocabulary.from_json(vocabulary), n_heads=N_HEADS)
    assert "1 missing: transformer_encoder.layers.0.self_attn." in str(caught.value)
    assert "body." not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [("{", r"args\.json is not JSON"), ('{"nheads": "x"}', r"args\.json names nheads='x'"), ("[]", "a JSON object")],
)
def test_settings_of_scgpt_that_are_damaged(
    checkpoint: tuple[Path, Path], tmp_path: Path, settings: str, message: str
) -> None:
    folder = tmp_path / "scgpt"
    folder.mkdir()
    (folder / "best_model.pt").write_bytes(checkpoint[0].read_bytes())
    (folder / "vocab.json").write_bytes(checkpoint[1].read_bytes())
    (folder / "args.json").write_text(settings)
    with pytest.raises(CheckpointError, match=message):
        read_scgpt_folder(folder)
