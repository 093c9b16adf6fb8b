"""A list of genes, compiled once: token ids and everything about a gene that no cell changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from ..genes.matching import match_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from ..genes.matching import GeneMatches
    from .model import ScGenePT

MAX_GENES: Final = 160_000
"""Genes of all compiled sets that a model keeps; at the published width about 330 MB."""
_OVERHEAD: Final = 8
"""Genes that a set is counted for beyond its own, so that sets of one gene do not pile up."""


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


class CompiledGenes:
    """The gene sets of a model that were used last, so that each is compiled once."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], tuple[object, GeneSet]] = {}
        self._size = 0

    def get(self, model: ScGenePT, names: tuple[str, ...], state: object) -> GeneSet:
        """Return the set of these names, compiled now if it is not known for this state of the gene tables."""
        known = self._sets.pop(names, None)
        self._size -= 0 if known is None else len(names) + _OVERHEAD
        if known is None or known[0] != state:
            known = (state, compile_genes(model, names))
        self._sets[names] = known  # last used, last dropped
        self._size += len(names) + _OVERHEAD
        while self._size > MAX_GENES and len(self._sets) > 1:
            oldest = next(iter(self._sets))
            del self._sets[oldest]
            self._size -= len(oldest) + _OVERHEAD
        return known[1]
