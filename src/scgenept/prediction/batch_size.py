"""How many cells fit into memory at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from .._memory import available_memory

if TYPE_CHECKING:
    from ..nn import NetworkConfig

ACTIVATION_BUDGET: Final = 1_000_000_000
"""Bytes of activations aimed at on the CPU; larger batches are not faster there."""
ACTIVATIONS_PER_GENE: Final = 12
"""Live float32 vectors of width d_model per gene at the widest point of a layer, measured with room to spare."""
MAX_BATCH: Final = 256


def fitting_batch(config: NetworkConfig, n_genes: int, device: torch.device) -> int:
    """Return a number of cells, at least 1, whose activations fit into the memory that is free now.

    Attention is computed in blocks, so memory grows with the genes and not with their square.
    """
    per_cell = 4 * n_genes * (ACTIVATIONS_PER_GENE * config.d_model + config.d_hidden)
    if device.type == "cuda":
        budget = torch.cuda.mem_get_info(device)[0] // 2
    else:
        available = available_memory()
        budget = ACTIVATION_BUDGET if available is None else min(ACTIVATION_BUDGET, available // 2)
    return int(min(MAX_BATCH, max(1, budget // per_cell)))
