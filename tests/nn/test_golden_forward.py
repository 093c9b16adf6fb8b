"""The network computes what the original computes, for every variant and in both key forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from scgenept.weights.adapters import UNUSED_PREFIXES, to_original, to_ours
from scgenept.weights.assemble import build_network, infer_config
from tests.golden_files import N_HEADS, N_TOKENS, PAD_ID, archives, read_archive, tensors

if TYPE_CHECKING:
    from pathlib import Path

    from scgenept.nn import Network


def load(state: dict[str, torch.Tensor], source: object) -> Network:
    ours, left_over = to_ours(state)
    left_over = [name for name in left_over if not name.startswith(UNUSED_PREFIXES)]
    config = infer_config(ours, n_tokens=N_TOKENS, pad_id=PAD_ID, n_heads=N_HEADS, source=source)
    return build_network(config, ours, source=source, left_over=left_over)


@pytest.mark.parametrize("path", archives("forward"), ids=lambda path: path.stem)
@pytest.mark.parametrize("form", ["native", "flash"])
def test_output_equals_the_original(path: Path, form: str) -> None:
    archive = read_archive(path)
    state = tensors(archive, "sd/")
    if form == "flash":
        state = {
            name.replace("in_proj_weight", "Wqkv.weight").replace("in_proj_bias", "Wqkv.bias"): tensor
            for name, tensor in state.items()
        }
    network = load(state, path)
    inputs = tensors(archive, "in/")
    mask = inputs.pop("mask_tail", None)
    with torch.no_grad():
        output = network(inputs["src"], inputs["values"], inputs["pert_flags"])
        np.testing.assert_allclose(output, archive["out/eval_nograd"], atol=1e-5, rtol=1e-6)
        if mask is not None:
            masked = network(inputs["src"], inputs["values"], inputs["pert_flags"], mask)
            np.testing.assert_allclose(masked, archive["out/eval_grad_masked_tail"], atol=1e-5, rtol=1e-6)
            assert not torch.equal(masked, output)


@pytest.mark.parametrize("path", archives("forward"), ids=lambda path: path.stem)
@pytest.mark.parametrize("form", ["native", "flash"])
def test_released_files_load_and_export_gives_their_names_back(path: Path, form: str) -> None:
    file = path.with_suffix("").with_suffix(f".{form}.pt")
    if not file.exists():
        file = path.parent / f"{path.stem}.{form}.pt"
    if not file.exists():
        pytest.skip("shared folder with golden numbers not found")
    state = torch.load(file, weights_only=True)
    network = load(state, file)
    exported = to_original(network.state_dict(), network.config, form)  # type: ignore[arg-type]
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in exported.items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in state.items()
    }
    for name, tensor in state.items():
        if not name.startswith(UNUSED_PREFIXES):
            assert torch.equal(exported[name], tensor), name
