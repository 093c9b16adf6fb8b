"""From vectors by gene name to a table with one row per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from .._errors import DataError, listing
from ..genes.matching import match_genes
from ..genes.vocabulary import SPECIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..genes.matching import Rule
    from ..genes.vocabulary import Vocabulary


class Texts(Protocol):
    """Text embeddings by gene: what :func:`scgenept.tl.finetune` takes as ``language``."""

    @property
    def name(self) -> str:
        """Name of the source, such as ``"go_c"``."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Genes that have a text."""
        ...

    @property
    def vectors(self) -> np.ndarray:
        """One embedding per gene, genes x width."""
        ...


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table of text embeddings for a vocabulary.

    Attributes
    ----------
    name
        Of the source.
    vectors
        Tokens x width, float32.
    without_text
        Tokens that have no text and got a substitute.
    """

    name: str
    vectors: np.ndarray
    without_text: tuple[str, ...]


def text_table(
    texts: Texts,
    vocabulary: Vocabulary,
    *,
    rule: Rule,
    missing: Literal["mean", "random"],
    rng: np.random.Generator,
) -> TextTable:
    """Give every token of a vocabulary the vector of its gene.

    Parameters
    ----------
    texts
        Vectors by gene name.
    vocabulary
        Whose tokens to look up.
    rule
        ``"alias"`` finds old symbols and Ensembl ids too; ``"v1"`` the exact name only.
    missing
        What a gene without text gets: the mean vector, or a draw with the spread of the vectors, as the original.
    rng
        For the draws.

    Raises
    ------
    DataError
        No token has a text, or vectors and names disagree.
    """
    vectors = np.asarray(texts.vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts.names):
        msg = f"Texts {texts.name!r} name {len(texts.names):,} genes and hold vectors of shape {vectors.shape}."
        raise DataError(msg)
    tokens = [token for token in vocabulary.tokens if token not in SPECIALS]
    position = {name: i for i, name in enumerate(texts.names)}
    matched = match_genes(tokens, position, rule=rule).matched
    found = {token: position[name] for token, name in zip(tokens, matched, strict=True) if name is not None}
    if not found:
        msg = f"None of {len(tokens):,} genes has a text in {texts.name!r} (it knows: {listing(texts.names)})."
        raise DataError(msg)
    shape = (len(vocabulary), vectors.shape[1])
    if missing == "mean":
        table = np.broadcast_to(vectors.mean(axis=0), shape).copy()
    else:
        table = rng.normal(0.0, float(vectors.std()), size=shape).astype(np.float32)
    table[vocabulary.ids(list(found))] = vectors[list(found.values())]
    return TextTable(texts.name, table, tuple(token for token in tokens if token not in found))
