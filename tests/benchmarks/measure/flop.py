"""The work of a network: floating point operations of its products, and the bytes it cannot avoid to move.

With G genes, d the width, h the hidden width, L layers, a cell forward takes

    2 G d (1 + d)                        counts
    + L (2 G d 3d + 2 G d d)             queries, keys, values; output
    + L 4 G^2 d                          attention: scores and weighted sum
    + L 4 G d h                          feed-forward
    + 2 G d (2 d + 1)                    decoder

operations, and a training step three times that (each product again for its weight and for its input), less the input
of the first layer. Additions that are no products, norms and softmax are left out, as is customary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scgenept.nn import NetworkConfig

    from .machine import Machine


def forward_flop(config: NetworkConfig, n_genes: int) -> int:
    """Operations of one cell, given the embedding of its genes."""
    d, h, g = config.d_model, config.d_hidden, n_genes
    counts = 2 * g * d * (1 + d) if config.counts else 0
    layers = config.n_layers * (2 * g * d * 4 * d + 4 * g * g * d + 4 * g * d * h)
    return counts + layers + 2 * g * d * (2 * d + 1)


def gene_flop(config: NetworkConfig, n_genes: int) -> int:
    """Operations to embed a list of genes, once for all cells."""
    return sum(2 * n_genes * source.width * config.d_model for source in config.languages)


def step_flop(config: NetworkConfig, n_cells: int, n_genes: int) -> int:
    """Operations of a training step, forward and backward."""
    input_of_counts = 2 * n_genes * config.d_model if config.counts else 0
    return n_cells * (3 * forward_flop(config, n_genes) - input_of_counts) + 3 * gene_flop(config, n_genes)


def forward_bytes(config: NetworkConfig, n_genes: int, n_cells: int = 1, *, width: int = 4) -> int:
    """Bytes that cells cannot avoid to move: each product reads its input and writes its output once, weights too."""
    d, h = config.d_model, config.d_hidden
    values = (1 + 3) + (3 + 1) + (1 + 1 + 1)  # of width d: queries, keys, values; attention; output and residual
    per_gene = config.n_layers * (values * d + (d + h) + (h + 2 * d)) + 4 * d
    weights = config.n_layers * (4 * d * d + 2 * d * h) + 3 * d * d
    return width * (n_cells * n_genes * per_gene + weights)


def floor_seconds(flop: float, n_bytes: float, machine: Machine, dtype: str = "float32") -> float:
    """Return the least time for so much work: the larger of operations and bytes over the measured peaks."""
    return max(flop / machine["flops"][dtype], n_bytes / machine["bandwidth"])
