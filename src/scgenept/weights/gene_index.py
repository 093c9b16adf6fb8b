"""Find genes in a list that may call them otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..genes.matching import match_genes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .model import ScGenePT


class GeneIndex:
    """Where a gene stands in a list: under the name that means the same token to the model, else under its own.

    So cells with symbols are held against a training with Ensembl ids, or with symbols of another year.

    Parameters
    ----------
    model
        Whose tokens say which names mean the same gene.
    names
        The list, each name once.
    """

    def __init__(self, model: ScGenePT, names: Iterable[str]) -> None:
        listed = tuple(names)
        matched = match_genes(listed, model.vocabulary, rule=model.card.token_mapping).matched
        self._model = model
        self._by_name = {name: i for i, name in enumerate(listed)}
        self._by_token = {token: i for i, token in enumerate(matched) if token is not None}

    def positions(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return where each gene stands, (names,); -1 where it does not."""
        matched = self._model.gene_set(names).matches.matched
        found = [
            self._by_token.get(token or "", self._by_name.get(name, -1))
            for name, token in zip(names, matched, strict=True)
        ]
        return np.array(found, dtype=np.int64)
