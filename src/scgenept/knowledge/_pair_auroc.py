"""knowledge.pair_auroc: how well likeness tells genes that belong together from others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from .._errors import DataError
from .._random import generator_of
from ._neighbors import unit_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from .._types import RNGLike
    from ._source import KnowledgeSource


@dataclass(frozen=True)
class PairScore:
    """How well similarity tells pairs of one group from random pairs.

    Attributes
    ----------
    auroc
        Probability that a pair of one group is more alike than a random pair; 0.5 says nothing.
    n_groups, n_genes, n_pairs
        Groups with at least two genes of the source, their genes, and the pairs within groups.
    n_random
        Random pairs compared with.
    n_missing
        Genes of the groups that the source does not have.
    """

    auroc: float
    n_groups: int
    n_genes: int
    n_pairs: int
    n_random: int
    n_missing: int


def pair_auroc(
    source: KnowledgeSource,
    groups: Mapping[str, Collection[str]],
    *,
    n_random: int = 100_000,
    rng: RNGLike = 0,
) -> PairScore:
    """Score a source by groups of genes that belong together, such as the subunits of a complex.

    The cosine of every pair within a group is compared with that of random pairs that share no group, by the area under
    the receiver operating characteristic: P(s_within > s_random) + P(equal) / 2. Random pairs are drawn from the genes
    of the groups, not from all genes: that all members of complexes are well studied is no credit to a source. Mind
    what the texts say: a source that was told the name of each complex is not tested by complexes.

    Parameters
    ----------
    source
        The source.
    groups
        Group -> genes, for example :func:`scgenept.knowledge.go_complexes`. Exact names.
    n_random
        Random pairs to draw; those that share a group, and repeats, are dropped from them.
    rng
        Seed or generator of the random pairs.

    Returns
    -------
    The score with the numbers behind it.

    Raises
    ------
    DataError
        No group has two genes of the source, or no random pair is left.

    Examples
    --------
    >>> import scgenept as sgp
    >>> vectors = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]]
    >>> source = sgp.knowledge.KnowledgeSource("toy", ["A1", "A2", "B1", "B2"], vectors)
    >>> sgp.knowledge.pair_auroc(source, {"A": ["A1", "A2"], "B": ["B1", "B2"]}).auroc
    1.0
    """
    from sklearn.metrics import roc_auc_score

    generator = generator_of(rng)
    members = [sorted({source.row(gene) for gene in genes if gene in source}) for genes in groups.values()]
    members = [rows for rows in members if len(rows) > 1]
    within = sorted({pair for rows in members for pair in combinations(rows, 2)})
    if not within:
        msg = f"None of {len(groups)} groups has two genes of {source.name} ({len(source):,} genes). Are both symbols?"
        raise DataError(msg)
    genes = np.array(sorted({row for rows in members for row in rows}))
    drawn = np.sort(generator.choice(genes, (n_random, 2)), axis=1)
    together = set(within)
    between = sorted({(int(a), int(b)) for a, b in drawn if a != b} - together)
    if not between:
        msg = f"All pairs of the {len(genes)} genes share a group, so there is nothing to compare with. Give more."
        raise DataError(msg)
    unit = unit_rows(source.vectors)
    similarity = np.concatenate([_similarity(unit, within), _similarity(unit, between)])
    truth = np.repeat([1, 0], [len(within), len(between)])
    missing = {gene for several in groups.values() for gene in several if gene not in source}
    return PairScore(
        auroc=float(roc_auc_score(truth, similarity)),
        n_groups=len(members),
        n_genes=len(genes),
        n_pairs=len(within),
        n_random=len(between),
        n_missing=len(missing),
    )


def _similarity(unit: NDArray[np.float32], pairs: list[tuple[int, int]]) -> NDArray[np.float32]:
    left, right = np.array(pairs).T
    return np.asarray((unit[left] * unit[right]).sum(axis=1), dtype=np.float32)
