"""The published text embeddings, by the names that variants give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..pickles import load_embedding_pickle
from ..registry import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, eq=False)
class PublishedTexts:
    """Embeddings as scGenePT distributes them.

    Attributes
    ----------
    name
        Of the source.
    names
        Genes that have a text.
    vectors
        Genes x width, float32.
    """

    name: str
    names: tuple[str, ...]
    vectors: np.ndarray


def read_texts(sources: Iterable[str]) -> list[PublishedTexts]:
    """Fetch and read the published embeddings of some sources, such as ``"go_c"``."""
    found = []
    for source in sources:
        by_gene = load_embedding_pickle(fetch(f"gene_embeddings/{source}"))
        vectors = np.stack(list(by_gene.values())).astype(np.float32)
        found.append(PublishedTexts(source, tuple(by_gene), vectors))
    return found
