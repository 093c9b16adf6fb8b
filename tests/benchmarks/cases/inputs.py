"""Random weights, cells and batches of any size, the same for everybody who is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT

if TYPE_CHECKING:
    from torch import Tensor

VARIANT = "scgenept_go_c"
N_TOKENS = 60_697
"""Rows of the published tables."""


def made_up_model(n_tokens: int, **sizes: float) -> ScGenePT:
    """Return a model of the published sizes over G0, G1 ... with ``<pad>`` last, random weights, evaluation mode."""
    config = VARIANTS[VARIANT].config(n_tokens=n_tokens, pad_id=n_tokens - 1, **sizes)
    vocabulary = Vocabulary([*(f"G{i}" for i in range(n_tokens - 1)), "<pad>"])
    return ScGenePT(Network.initialised(config).eval(), vocabulary, Card("made up", token_mapping="v1"))


def made_up_cells(n_cells: int, n_genes: int) -> np.ndarray:
    """Return cells x genes, float32, a tenth of the values between 0 and 3, the rest 0."""
    rng = np.random.default_rng(0)
    present = rng.random((n_cells, n_genes)) < 0.1
    return (rng.random((n_cells, n_genes)) * 3 * present).astype(np.float32)


def made_up_batch(n_cells: int, n_genes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return tokens (g,), values, flags and target, batch x genes; each cell has one or two targets."""
    values = torch.from_numpy(made_up_cells(2 * n_cells, n_genes))
    flags = torch.zeros(n_cells, n_genes, dtype=torch.int64)
    flags[torch.arange(n_cells), torch.arange(n_cells)] = 1
    flags[:, n_cells] = 1
    return torch.arange(n_genes), values[:n_cells], flags, values[n_cells:]
