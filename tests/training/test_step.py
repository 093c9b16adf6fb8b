"""Ten steps of the original's training, reproduced; and proof that the check has teeth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from scgenept.nn import VARIANTS, Network
from scgenept.training.step import Batch, GeneRows, predict, train_step, trainable
from scgenept.weights.adapters import UNUSED_PREFIXES, to_original, to_ours
from scgenept.weights.assemble import build_network, infer_config
from tests.golden_files import N_HEADS, N_TOKENS, PAD_ID, archives, read_archive, tensors

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVES = archives("train")
STEPS_PER_EPOCH, N_STEPS, N_GENES, LEARNING_RATE, GAMMA = 5, 10, 16, 1e-4, 0.9


@dataclass
class Run:
    losses: np.ndarray
    first_gradients: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]


def run(
    archive: np.lib.npyio.NpzFile,
    *,
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
    gamma: float = GAMMA,
    clip: float | None = 1.0,
    n_steps: int = N_STEPS,
    sliced: bool = True,
) -> Run:
    ours, _ = to_ours({name: tensor.clone() for name, tensor in tensors(archive, "sd_before/").items()})
    config = infer_config(ours, n_tokens=N_TOKENS, pad_id=PAD_ID, n_heads=N_HEADS, source="golden")
    network = build_network(replace(config, dropout=0.0), ours, source="golden").train()
    token_ids = torch.from_numpy(archive["gene_ids"])
    rows = GeneRows(network, token_ids.tolist())
    genes, local = (rows.genes, rows.local(token_ids)) if sliced else (network.genes, token_ids)
    descent = optimizer(trainable(genes, network.body), lr=LEARNING_RATE)  # type: ignore[call-arg]
    schedule = torch.optim.lr_scheduler.StepLR(descent, 1, gamma=gamma)
    losses = []
    gradients: dict[str, torch.Tensor] = {}
    for step in range(n_steps):
        x = torch.from_numpy(archive["train/x"][step % STEPS_PER_EPOCH])
        y = torch.from_numpy(archive["train/y"][step % STEPS_PER_EPOCH])
        drawn = torch.from_numpy(archive["perm_train"][step][:N_GENES])
        batch = Batch(local, x[..., 0], x[..., 1].long(), y).take(drawn)
        losses.append(float(train_step(genes, network.body, batch, descent, clip=clip)))
        if step == 0:
            gradients = {
                name: tensor.grad.clone() for name, tensor in network.named_parameters() if tensor.grad is not None
            }
        if (step + 1) % STEPS_PER_EPOCH == 0:
            schedule.step()
    if sliced:
        rows.write_back()
    return Run(np.array(losses), gradients, to_original(network.state_dict(), network.config))


def worst(weights: dict[str, torch.Tensor], archive: np.lib.npyio.NpzFile) -> float:
    """Largest difference from the recorded weights, in units of the tolerance."""
    differences = []
    for name, expected in tensors(archive, "sd_last/").items():
        if name.startswith(UNUSED_PREFIXES):
            continue
        difference = (weights[name] - expected).abs()
        if name.endswith("in_proj_bias"):
            # The key third is arithmetically without effect: its gradient is rounding noise.
            third = len(difference) // 3
            differences.append(float(difference[third : 2 * third].max()) / 2e-5)
            difference = torch.cat([difference[:third], difference[2 * third :]])
        differences.append(float(difference.max()) / 2e-6)
    return max(differences)


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def archive(request: pytest.FixtureRequest) -> np.lib.npyio.NpzFile:
    path: Path = request.param
    return read_archive(path)


@pytest.mark.parametrize("sliced", [True, False], ids=["rows in use", "whole tables"])
def test_ten_steps_equal_the_original(archive: np.lib.npyio.NpzFile, sliced: bool) -> None:
    result = run(archive, sliced=sliced)
    np.testing.assert_allclose(result.losses, archive["loss_train"], atol=2e-6, rtol=0)
    assert worst(result.weights, archive) <= 1


def test_first_gradients_equal_the_original(archive: np.lib.npyio.NpzFile) -> None:
    result = run(archive, n_steps=1, sliced=False, clip=None)
    expected, _ = to_ours(tensors(archive, "grad_step1/"))
    assert set(expected) == set(result.first_gradients)
    for name, gradient in expected.items():
        torch.testing.assert_close(
            result.first_gradients[name].double(), gradient.double(), rtol=1e-4, atol=1e-6, msg=name
        )


def test_rows_in_use_train_as_whole_tables_do_and_the_rest_stays(archive: np.lib.npyio.NpzFile) -> None:
    sliced, whole = run(archive, sliced=True), run(archive, sliced=False)
    before = tensors(archive, "sd_before/")
    used = set(archive["gene_ids"].tolist())
    idle = torch.tensor([row for row in range(N_TOKENS) if row not in used])
    for name, tensor in sliced.weights.items():
        if not name.endswith("in_proj_bias"):
            torch.testing.assert_close(tensor, whole.weights[name], atol=5e-7, rtol=0, msg=name)
        if name.endswith("embedding.weight"):
            assert torch.equal(tensor[idle], before[name][idle])


def test_unmeasured_targets_enter_padded_or_alone_with_the_same_result() -> None:
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=20, pad_id=0, language_width=6, d_model=8, n_heads=2, d_hidden=8, n_layers=2
    )
    network = Network.initialised(config).double().eval()
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(3, 7, generator=generator, dtype=torch.float64)
    flags = torch.zeros(3, 7, dtype=torch.int64)
    flags[0, 2] = 1
    token_ids = torch.arange(5, 12)
    extra = torch.tensor([[-1, -1], [15, -1], [15, 16]])
    batch = Batch(token_ids, values, flags, values, extra)
    together = predict(network.genes, network.body, batch)
    assert together.shape == (3, 7)
    for cell, own in enumerate([[], [15], [15, 16]]):
        ids = torch.cat([token_ids, torch.tensor(own, dtype=torch.int64)])[None]
        own_values = torch.nn.functional.pad(values[cell][None], (0, len(own)))
        own_flags = torch.nn.functional.pad(flags[cell][None], (0, len(own)), value=1)
        alone = network(ids, own_values, own_flags)[0, :7]
        torch.testing.assert_close(together[cell], alone, atol=1e-12, rtol=0)


def test_language_is_projected_once_per_gene_and_step() -> None:
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=20, pad_id=0, language_width=6, d_model=8, n_heads=2, d_hidden=8, n_layers=1
    )
    network = Network.initialised(config)
    shapes = []
    network.genes.languages["go_c"].projection.register_forward_hook(
        lambda _module, _inputs, output: shapes.append(output.shape)
    )
    values = torch.rand(6, 7)
    predict(network.genes, network.body, Batch(torch.arange(7), values, values.long() * 0, values))
    assert shapes == [(7, 8)]


@pytest.mark.parametrize(
    "change",
    [{"optimizer": torch.optim.AdamW}, {"clip": None}, {"gamma": 1.0}, {"n_steps": N_STEPS - 1}],
    ids=["AdamW", "no clipping", "no schedule", "one step fewer"],
)
def test_other_recipes_fail_the_same_check(archive: np.lib.npyio.NpzFile, change: dict[str, object]) -> None:
    assert worst(run(archive, **change).weights, archive) > 1  # type: ignore[arg-type]
