"""Other people's pickles, read as data: no torch, and nothing in a file runs."""

from __future__ import annotations

from .embeddings import load_embedding_pickle
from .file import BROKEN, require_pickle, seems
from .float_unpickler import unsafe

__all__ = ["BROKEN", "load_embedding_pickle", "require_pickle", "seems", "unsafe"]
