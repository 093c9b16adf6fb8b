"""Embedders: anything that turns texts into an array, and four that are built in."""

from __future__ import annotations

from ._by_name import by_name
from ._endpoint import OpenAIEmbedder
from ._hashing import HashingEmbedder
from ._protocol import Embedder, identity_of
from ._sentences import MiniLM, SentenceTransformerEmbedder

__all__ = [
    "Embedder",
    "HashingEmbedder",
    "MiniLM",
    "OpenAIEmbedder",
    "SentenceTransformerEmbedder",
    "by_name",
    "identity_of",
]
