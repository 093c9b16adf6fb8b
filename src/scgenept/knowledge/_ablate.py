"""knowledge.ablate: the same table without its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from .._errors import DataError, UnknownNameError
from .._random import generator_of
from ._source import KnowledgeSource

if TYPE_CHECKING:
    from .._types import RNGLike


def ablate(
    source: KnowledgeSource, kind: Literal["permuted", "random"] = "permuted", *, rng: RNGLike = 0
) -> KnowledgeSource:
    """Return a control for a source: the same genes and shape, but vectors that say nothing about their gene.

    If a model is as good with the control as with the source, it did not use what the texts mean.

    Parameters
    ----------
    source
        The source.
    kind
        ``"permuted"``: every gene has the vector of another gene, so the vectors are the very same ones and only their
        meaning is gone. ``"random"``: independent normal numbers with the mean and standard deviation that each column
        of the source has, so that also what the vectors share with each other is gone.
    rng
        Seed or generator of the permutation, or of the numbers.

    Returns
    -------
    A source of the same genes, named ``<source>_permuted`` or ``<source>_random``, without texts.

    Raises
    ------
    DataError
        One gene cannot have the vector of another gene.
    UnknownNameError
        There is no such kind.

    Examples
    --------
    >>> import scgenept as sgp
    >>> source = sgp.knowledge.KnowledgeSource("toy", ["KLF1", "JUN"], [[1.0, 0.0], [0.0, 1.0]])
    >>> sgp.knowledge.ablate(source, "permuted")["KLF1"]
    array([0., 1.], dtype=float32)
    """
    if kind not in {"permuted", "random"}:
        msg = f"kind={kind!r} does not exist: 'permuted' or 'random'."
        raise UnknownNameError(msg)
    generator = generator_of(rng)
    if kind == "permuted":
        if len(source) < 2:
            msg = f"{source.name} has one gene, which cannot have the vector of another."
            raise DataError(msg)
        # One cycle through all genes, so that none keeps its own.
        order = generator.permutation(len(source))
        vectors = np.empty_like(source.vectors)
        vectors[order] = source.vectors[np.roll(order, 1)]
    else:
        mean = source.vectors.mean(axis=0, dtype=np.float64)
        spread = source.vectors.std(axis=0, dtype=np.float64)
        vectors = generator.normal(mean, spread, source.vectors.shape).astype(np.float32)
    provenance = {**source.provenance, "ablation": kind, "ablated_from": source.sha256}
    if not isinstance(rng, np.random.Generator):
        provenance["ablation_seed"] = int(rng)
    return KnowledgeSource(f"{source.name}_{kind}", source.names, vectors, None, provenance)
