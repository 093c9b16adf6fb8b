"""Properties of the network that no golden number shows."""

from __future__ import annotations

import json

import pytest
import torch

from scgenept.nn import VARIANTS, LanguageSource, Network, NetworkConfig, attention

TINY = {"d_model": 16, "n_heads": 2, "d_hidden": 24, "n_layers": 2}


def tiny(variant: str = "scgenept_ncbi_go_c", seed: int = 0) -> Network:
    config = VARIANTS[variant].config(n_tokens=30, pad_id=3, language_width=12, **TINY)
    return Network.initialised(config, seed).eval()


def inputs(n_cells: int = 5, n_genes: int = 9, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randperm(30, generator=generator)[:n_genes]
    values = torch.rand(n_cells, n_genes, generator=generator) * 4
    flags = torch.randint(0, 2, (n_cells, n_genes), generator=generator)
    return token_ids, values, flags


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_computes_and_its_config_survives_json(variant: str) -> None:
    network = tiny(variant)
    token_ids, values, flags = inputs()
    output = network(token_ids.expand(5, -1), values, flags)
    assert output.shape == (5, 9)
    assert torch.isfinite(output).all()
    assert NetworkConfig.from_dict(json.loads(json.dumps(network.config.to_dict()))) == network.config


def test_compiled_genes_equal_the_plain_path_in_float64() -> None:
    network = tiny().double()
    token_ids, values, flags = inputs()
    values = values.double()
    plain = network(token_ids.expand(5, -1), values, flags)
    compiled = network.body.decode(network.body.encode(network.genes(token_ids), values, flags), values)
    torch.testing.assert_close(compiled, plain, atol=1e-10, rtol=0)


def test_padding_changes_nothing_for_the_other_genes() -> None:
    network = tiny().double()
    token_ids, values, flags = inputs()
    values = values.double()
    plain = network(token_ids.expand(5, -1), values, flags)
    padded_ids = torch.cat([token_ids, torch.tensor([3, 3])]).expand(5, -1)
    padded_values = torch.nn.functional.pad(values, (0, 2), value=7.0)
    padded_flags = torch.nn.functional.pad(flags, (0, 2), value=2)
    mask = torch.zeros(5, 11, dtype=torch.bool)
    mask[:, 9:] = True
    padded = network(padded_ids, padded_values, padded_flags, mask)
    torch.testing.assert_close(padded[:, :9], plain, atol=1e-10, rtol=0)
    states = network.body.encode(network.genes(padded_ids), padded_values, padded_flags, mask)
    plain_states = network.body.encode(network.genes(token_ids), values, flags)
    torch.testing.assert_close(
        network.cell_embedding(states, mask), network.cell_embedding(plain_states), atol=1e-10, rtol=0
    )


def test_pad_rows_get_no_gradient() -> None:
    network = tiny().train()
    token_ids, values, flags = inputs()
    token_ids = torch.where(torch.arange(9) < 2, 3, token_ids)
    flags[:, 0] = 2
    network(token_ids.expand(5, -1), values, flags).sum().backward()
    tables = [module.weight for module in network.modules() if isinstance(module, torch.nn.Embedding)]
    assert len(tables) == 4
    for table in tables:
        assert table.grad is not None
        assert not table.grad[2 if table.shape[0] == 3 else 3].any()
        assert table.grad.any()


def test_attention_equals_its_formula() -> None:
    q, k, v = torch.randn(3, 2, 4, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[1, 4:] = True
    scores = q @ k.transpose(-1, -2) / 5**0.5
    scores = scores.masked_fill(mask[:, None, None, :], float("-inf"))
    torch.testing.assert_close(attention(q, k, v, mask, 0.0), scores.softmax(-1) @ v, atol=1e-12, rtol=0)


def test_without_padding_torch_gets_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = torch.nn.functional.scaled_dot_product_attention

    def record(*args: torch.Tensor, **kwargs: object) -> torch.Tensor:
        seen.append(kwargs["attn_mask"])
        return original(*args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", record)
    token_ids, values, flags = inputs()
    tiny()(token_ids.expand(5, -1), values, flags)
    assert seen == [None, None]


def test_fresh_weights_depend_on_the_seed_and_not_on_the_global_rng() -> None:
    before = torch.random.get_rng_state()
    first, again, other = tiny(seed=1), tiny(seed=1), tiny(seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert any(not torch.equal(tensor, other.state_dict()[name]) for name, tensor in first.state_dict().items())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_heads": 3}, "not a multiple of n_heads=3"),
        ({"pad_id": 30}, "pad_id=30 is not a row"),
        ({"languages": (LanguageSource("go_c", 4), LanguageSource("go_c", 4))}, "used once"),
    ],
)
def test_impossible_configs_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**{"n_tokens": 30, "pad_id": 0, **TINY, **values})  # type: ignore[arg-type]
