"""Words counted into a fixed number of places: no model, no download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class HashingEmbedder:
    """Count the words and pairs of words of a text into hashed places, with scikit-learn's ``HashingVectorizer``.

    It knows which words two genes share and nothing of what they mean: a floor under every language model, and an
    embedder for tests.

    Parameters
    ----------
    width
        Numbers per text.

    Examples
    --------
    >>> rows = HashingEmbedder(64)(["oxygen transport", "oxygen transport, heme binding", "kinase activity"])
    >>> rows.shape
    (3, 64)
    >>> bool(rows[0] @ rows[1] > rows[0] @ rows[2])
    True
    """

    width: int = 512

    @property
    def id(self) -> str:
        """Identity in the cache."""
        return f"hashing-{self.width}"

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed n texts: (n, width), rows of unit length."""
        from sklearn.feature_extraction.text import HashingVectorizer

        count = HashingVectorizer(n_features=self.width, ngram_range=(1, 2), norm="l2", dtype=np.float32)
        return np.asarray(count.transform(texts).toarray(), dtype=np.float32)

    def is_cut(self, texts: Sequence[str], /) -> list[bool]:
        """Say of each text whether it is longer than what is read: never."""
        return [False] * len(texts)
