"""What an explanation costs, said before it is paid."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from ...nn import NetworkConfig


@dataclass(frozen=True)
class Cost:
    """The computing that integrated gradients take.

    Attributes
    ----------
    passes
        Cells sent forward and back: responding genes x cells x steps.
    n_genes
        Genes of each.
    flop
        Of matrix products, in all.
    seconds
        In all, from one timed pass.
    n_bytes
        Of what is kept for the way back, at once.
    device
        Where.
    """

    passes: int
    n_genes: int
    flop: float
    seconds: float
    n_bytes: int
    device: str

    def __str__(self) -> str:
        """Return the costs in words."""
        seconds = self.seconds
        time = f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min" if seconds > 90 else ""
        return (
            f"{self.passes:,} passes forward and back over {self.n_genes:,} genes, {self.flop / 1e12:,.3g} TFLOP, "
            f"about {time or f'{seconds:.0f} s'} on {self.device} and {self.n_bytes / 1e9:.2g} GB"
        )


def pass_flop(config: NetworkConfig, n_genes: int) -> float:
    """Count the matrix products of one cell, forward and back to the input, for one responding gene.

    Going back costs a linear layer as much as going forward, since weights need no gradient, and attention twice as
    much. A multiplication and an addition count as two.
    """
    d, hidden = config.d_model, config.d_hidden
    linear = config.n_layers * n_genes * (8 * d * d + 4 * d * hidden)
    linear += n_genes * (2 * d * d + 2 * d) if config.counts else 0
    linear += (4 * d * d + 2 * d) * (2 if config.decoder == "affine" else 1)
    attention = config.n_layers * 4 * n_genes * n_genes * d
    return 2.0 * linear + 3.0 * attention


def kept_bytes(function: Callable[..., Tensor], inputs: tuple[Tensor, ...], module: nn.Module) -> int:
    """Measure what one row keeps in memory until its way back, without the weights."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in module.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        there_and_back(function, inputs)
    return sum(kept.values()) + sum(tensor.nbytes for tensor in inputs)


def timed(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> float:
    """Return the seconds of one pass over all rows."""
    began = time.perf_counter()
    gradients = there_and_back(function, inputs)
    gradients[0].sum().item()  # waits for an accelerator
    return time.perf_counter() - began


def there_and_back(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the gradient of the summed output in every input that it depends on."""
    leaves = tuple(tensor.detach().requires_grad_() for tensor in inputs)
    with torch.enable_grad():
        return torch.autograd.grad(function(*leaves).sum(), leaves, allow_unused=True)
