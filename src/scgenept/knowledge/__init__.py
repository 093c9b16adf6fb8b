"""What is written about genes, as arrays that a model can use, and tests of what it is worth.

See what there is with :func:`available`, read it with :func:`load`; or write texts (:func:`read_texts`,
:func:`go_texts`) and turn them into vectors (:func:`embed`) with any embedder. Nothing here needs torch, but for the
embedders that do.
"""

from __future__ import annotations

from ._ablate import ablate
from ._available import available
from ._embed import embed
from ._gaf import read_gaf
from ._go_groups import go_complexes, go_slim
from ._go_terms import read_go_terms
from ._go_text import go_term_texts, go_texts
from ._load import load
from ._neighbors import neighbors
from ._pair_auroc import PairScore, pair_auroc
from ._source import KnowledgeSource
from ._texts import read_texts
from .embedders import Embedder, HashingEmbedder, MiniLM, OpenAIEmbedder, SentenceTransformerEmbedder

__all__ = [
    "Embedder",
    "HashingEmbedder",
    "KnowledgeSource",
    "MiniLM",
    "OpenAIEmbedder",
    "PairScore",
    "SentenceTransformerEmbedder",
    "ablate",
    "available",
    "embed",
    "go_complexes",
    "go_slim",
    "go_term_texts",
    "go_texts",
    "load",
    "neighbors",
    "pair_auroc",
    "read_gaf",
    "read_go_terms",
    "read_texts",
]
