"""What is written about genes, and arrays made of it."""

from __future__ import annotations

from ._embedders import Embedder, minilm
from ._go_text import go_texts, read_go_terms

__all__ = ["Embedder", "go_texts", "minilm", "read_go_terms"]
