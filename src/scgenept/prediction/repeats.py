"""Cells that are the same to the bit need to be computed once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Repeats:
    """Remembers every cell it was shown, by a digest of 16 bytes."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}

    def first_of(self, cells: np.ndarray, start: int) -> NDArray[np.int64]:
        """Return, per cell, the position of the first cell that equals it.

        Parameters
        ----------
        cells
            Cells x genes, float32: those from position ``start`` on.
        start
            Position of the first of them.
        """
        digests = (hashlib.blake2b(cell.tobytes(), digest_size=16).digest() for cell in cells)
        return np.array([self._first.setdefault(digest, start + i) for i, digest in enumerate(digests)], dtype=np.int64)
