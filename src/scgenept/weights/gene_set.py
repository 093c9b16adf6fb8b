"""A list of genes, compiled once: token ids and everything about a gene that no cell changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..genes.matching import match_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from ..genes.matching import GeneMatches
    from .model import ScGenePT


@dataclass(frozen=True, eq=False)
class GeneSet:
    """Genes as the network sees them.

    Attributes
    ----------
    names
        Gene names as given.
    matches
        Who matched a token of the model, and how.
    token_ids
        Vocabulary row per gene, int64; unmatched genes share the row of ``<pad>``.
    embedding
        Token plus projected texts, genes x d_model, float32 on the CPU.
    offset
        Learned level of each gene, log1p, (genes,), float32; ``None`` where the network has none.
    """

    names: tuple[str, ...]
    matches: GeneMatches
    token_ids: np.ndarray
    embedding: Tensor
    offset: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)


def compile_genes(model: ScGenePT, names: Sequence[str]) -> GeneSet:
    """Match names to the model's tokens and evaluate their embedding once."""
    matches = match_genes(names, model.vocabulary, rule=model.card.token_mapping)
    token_ids = model.vocabulary.ids([name or "" for name in matches.matched])
    with torch.inference_mode(mode=False), torch.no_grad():
        ids = torch.from_numpy(token_ids)
        embedding, offset = model.network.genes(ids), model.network.genes.offset(ids)
    return GeneSet(tuple(names), matches, token_ids, embedding, offset)
