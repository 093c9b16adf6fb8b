"""At the published size, names, shapes, types and counts of all tensors equal the original's, on no memory at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from scgenept.nn import VARIANTS, Network, NetworkConfig
from scgenept.weights.adapters import UNUSED_PREFIXES, to_original, to_ours
from scgenept.weights.assemble import infer_config
from tests.golden_files import SHARED, our_variant

GENERATOR = "scgpt.TransformerGenerator"
FLAGS_ONLY = "scgpt_tokens"


@pytest.fixture(scope="module")
def full_size() -> dict[str, Any]:
    path = SHARED / "full_size_keys.json"
    if not path.exists():
        pytest.skip("shared folder with golden numbers not found")
    return json.loads(path.read_text())


def config_of(original: str, sizes: dict[str, Any]) -> NetworkConfig:
    if original == GENERATOR:
        return NetworkConfig(n_tokens=sizes["ntoken"], pad_id=60694, norm_sum=False, decoder="affine")
    if original == FLAGS_ONLY:
        # Meant to hold tokens, it holds no encoder at all: documented, not offered.
        return NetworkConfig(n_tokens=sizes["ntoken"], pad_id=60694, tokens=False, counts=False)
    return VARIANTS[our_variant(original)].config(n_tokens=sizes["ntoken"], pad_id=60694)


def test_all_recorded_variants_are_known(full_size: dict[str, Any]) -> None:
    names = set(full_size["models"]) - {GENERATOR, FLAGS_ONLY}
    assert len(names) == len(full_size["models"]) - 2
    assert {our_variant(name) for name in names} <= set(VARIANTS)


def test_names_shapes_types_and_counts(full_size: dict[str, Any]) -> None:
    for original, recorded in full_size["models"].items():
        config = config_of(original, full_size)
        with torch.device("meta"):
            network = Network(config)
        for form, keys in (("native", "keys"), ("flash", "flash_keys")):
            if keys not in recorded:
                continue
            exported = to_original(network.state_dict(), config, form)  # type: ignore[arg-type]
            found = {name: [list(tensor.shape), str(tensor.dtype)] for name, tensor in exported.items()}
            assert found == recorded[keys], f"{original} {form}"
        exported = to_original(network.state_dict(), config)
        assert sum(tensor.numel() for tensor in exported.values()) == recorded.get("total", recorded.get("n_params"))


def test_sizes_are_read_off_the_tensors(full_size: dict[str, Any]) -> None:
    for original, recorded in full_size["models"].items():
        state = {
            name: torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")), device="meta")
            for name, (shape, dtype) in recorded["keys"].items()
            if not name.startswith(UNUSED_PREFIXES)
        }
        config = config_of(original, full_size)
        ours, left_over = to_ours(state, [source.name for source in config.languages])
        assert not left_over
        assert infer_config(ours, n_tokens=60697, pad_id=60694, n_heads=8, source=original) == config, original
