"""knowledge.neighbors: the genes that a source says are most alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._arguments import require_kind, require_whole
from ._source import KnowledgeSource

if TYPE_CHECKING:
    from numpy.typing import NDArray


def neighbors(source: KnowledgeSource, gene: str, *, n: int = 10) -> pd.DataFrame:
    """Return the genes nearest to a gene, by the cosine of their vectors.

    Parameters
    ----------
    source
        The source.
    gene
        A gene of it.
    n
        How many; all others where there are fewer.

    Returns
    -------
    DataFrame with ``gene`` and ``similarity``, the nearest first, without the gene itself; ties in the order of the
    source.

    Raises
    ------
    UnknownGeneError
        The source does not have the gene; near names are given.
    DataError
        ``n`` is less than 1.

    Examples
    --------
    >>> import scgenept as sgp
    >>> vectors = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
    >>> source = sgp.knowledge.KnowledgeSource("toy", ["KLF1", "GATA1", "JUN"], vectors)
    >>> sgp.knowledge.neighbors(source, "KLF1", n=1)
        gene  similarity
    0  GATA1         0.8
    """
    require_kind("source", source, KnowledgeSource, "scgenept.knowledge.load('go_c')")
    require_whole("n", n)
    row = source.row(gene)
    unit = unit_rows(source.vectors)
    similarity = unit @ unit[row]
    similarity[row] = -np.inf
    nearest = np.argsort(-similarity, kind="stable")[: min(n, len(source) - 1)]
    genes = np.array([source.names[i] for i in nearest], dtype=object)
    return pd.DataFrame({"gene": genes, "similarity": similarity[nearest]})


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of unit length; rows of zeros stay zeros, and are like nothing."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
