"""Rows of a source for the genes of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from .._errors import UnknownGeneError, UnknownNameError, listing
from .._random import generator_of
from ..genes import match_genes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .._types import RNGLike
    from ..genes import GeneMatches, Rule
    from ._source import KnowledgeSource, Missing

_HALF_WIDTH: Final = 0.1
"""Of the uniform distribution that the original draws rows of genes without text from."""
_CHOICES: Final = ("mean", "zero", "random", "error")


def fill(
    source: KnowledgeSource, names: Iterable[str], *, missing: Missing, rule: Rule, rng: RNGLike
) -> tuple[NDArray[np.float32], GeneMatches]:
    """See :meth:`.KnowledgeSource.for_genes`."""
    generator = generator_of(rng)
    if missing not in _CHOICES:
        msg = f"missing={missing!r} does not exist: {', '.join(map(repr, _CHOICES))}."
        raise UnknownNameError(msg)
    matches = match_genes(names, source.names, rule=rule)
    known = np.array([name is not None for name in matches.matched], dtype=bool)
    absent = [name for name, match in zip(matches.names, matches.matched, strict=True) if match is None]
    if absent and missing == "error":
        msg = (
            f"{source.name} knows nothing of {len(absent)} of {len(matches):,} genes: {listing(absent)}. "
            'Leave them out, or say what stands in for them: missing="mean", "zero" or "random".'
        )
        raise UnknownGeneError(msg)
    table = np.zeros((len(matches), source.width), dtype=np.float32)
    table[known] = source.vectors[[source.row(name) for name in matches.matched if name is not None]]
    if missing == "mean":
        table[~known] = source.vectors.mean(axis=0, dtype=np.float64)
    elif missing == "random":
        shape = (len(absent), source.width)
        table[~known] = generator.uniform(-_HALF_WIDTH, _HALF_WIDTH, shape)
    return table, matches
