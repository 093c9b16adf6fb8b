"""How large, and what everybody shares: network, inputs, a clock that stops before the time is up."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from scgenept.nn import VARIANTS, Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """Cells, genes and repeats of one run.

    Attributes
    ----------
    genes, cells
        Of the prediction that is extrapolated; ``measured`` cells of it are predicted.
    many_genes
        That one cell is to fit at.
    step_cells, step_genes, steps
        Of a training step, and how many are timed.
    epoch_steps, validation_cells
        Of one epoch of Norman: 51,283 cells by 64, and seed 1's validation cells.
    batches
        Cells per forward pass that are tried.
    network
        Sizes that are not the published ones.
    """

    n_tokens: int = 60_697
    genes: int = 5045
    cells: int = 34_800
    measured: int = 128
    many_genes: int = 20_000
    step_cells: int = 64
    step_genes: int = 1536
    steps: int = 10
    epoch_steps: int = 801
    validation_cells: int = 8024
    batches: tuple[int, ...] = (8, 16, 32)
    peer_cells: int = 8
    network: dict[str, Any] = field(default_factory=dict)


TINY = Sizes(
    n_tokens=101,
    genes=40,
    measured=4,
    many_genes=60,
    step_cells=4,
    step_genes=20,
    steps=2,
    batches=(2,),
    peer_cells=1,
    network={"d_model": 16, "n_heads": 2, "d_hidden": 16, "n_layers": 2, "language_width": 12},
)


class Clock:
    """Tells whether there is time for one more measurement."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes
        self._start = time.monotonic()

    def left(self) -> float:
        return self._end - time.monotonic()

    def passed(self) -> float:
        return time.monotonic() - self._start


def build(sizes: Sizes, device: torch.device) -> Network:
    """Return a network with random weights, the same everywhere, in evaluation mode; its tables stay on the CPU."""
    config = VARIANTS["scgenept_go_c"].config(n_tokens=sizes.n_tokens, pad_id=sizes.n_tokens - 1, **sizes.network)
    network = Network.initialised(config).eval()
    network.body.to(device)
    return network


def cells(n_cells: int, n_genes: int, device: torch.device) -> Tensor:
    """Return cells x genes, log1p, of which a tenth is not zero."""
    generator = torch.Generator().manual_seed(0)
    present = torch.rand(n_cells, n_genes, generator=generator) < 0.1
    return (3 * torch.rand(n_cells, n_genes, generator=generator) * present).to(device)


def targets(n_cells: int, n_genes: int, device: torch.device) -> Tensor:
    """Return flags, cells x genes: the first two genes are perturbed."""
    flags = torch.zeros(n_cells, n_genes, dtype=torch.int64, device=device)
    flags[:, :2] = 1
    return flags


@contextlib.contextmanager
def precision(name: str, device: torch.device) -> Iterator[None]:
    """Compute in float32, tf32, bfloat16 or float16, the last two by autocast."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name)
    try:
        with torch.autocast(device.type, half, enabled=half is not None):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def peak_gib(device: torch.device, call: Callable[[], object]) -> float | None:
    """Return the most memory that tensors took on the device meanwhile, GiB; ``None`` on the CPU."""
    if device.type != "cuda":
        call()
        return None
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated(device) / 2**30
