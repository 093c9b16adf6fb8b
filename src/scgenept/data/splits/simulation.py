"""The split of GEARS that scGenePT was published with: some genes are never seen, and neither are their pairs.

Roohani, Huang and Leskovec, Nature Biotechnology 2024 (`simulation` and `simulation_single` of cell-gears 0.0.2). The
result depends on the set of conditions only, not on their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._errors import DataError, listing
from .parts import TEST, TRAIN, UNSEEN_SINGLE, VAL, Parts, all_genes, combos, only, singles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .options import SplitOptions
    from .parts import Targets


def simulation(targets: Targets, seed: int, options: SplitOptions) -> Parts:
    """Split so that the test part holds unseen genes, alone and in pairs, and unseen pairs of seen genes.

    A share of the genes may be seen in training. Tested are: single perturbations of the other genes
    (``unseen_single``), combinations with none or some of the genes seen (``combo_seen0``, ``combo_seen1``), and the
    rest of the combinations whose genes are all seen, of which training takes a share (``combo_seen2``). The same
    again, within the training part, gives validation.

    Parameters
    ----------
    targets
        Condition -> its genes.
    seed
        Of numpy's ``RandomState``, whose stream is frozen: the split is the same with every numpy.
    options
        Sizes, and genes that must be tested.
    """
    _check_genes(targets, options)
    share, validated = options.train_gene_set_size, 1 - options.val_fraction
    train, tested = _one_level(
        targets, seed, share, options.combo_seen2_train_frac, options.test_genes, only_these=options.only_test_genes
    )
    train, checked = _one_level(only(targets, train), seed, validated, validated, (), only_these=False)
    return _assembled(train, checked, tested)


def simulation_single(targets: Targets, seed: int, options: SplitOptions) -> Parts:
    """Split single perturbations by :func:`simulation`'s rule and leave out all others.

    The original refuses data with pairs, and fails to hand over its result for data without.
    """
    return simulation(only(targets, singles(targets)), seed, options)


def _one_level(
    targets: Targets,
    seed: int,
    gene_share: float,
    combo_share: float,
    tested_genes: tuple[str, ...],
    *,
    only_these: bool,
) -> tuple[list[str], dict[str, str]]:
    """Return the conditions to train on, and condition -> subgroup of the others."""
    seen = _seen_genes(all_genes(targets), np.random.RandomState(seed), gene_share, tested_genes, only_these=only_these)
    subgroup = {}
    train = []
    for condition in singles(targets):
        if targets[condition][0] in seen:
            train.append(condition)
        else:
            subgroup[condition] = UNSEEN_SINGLE
    all_seen = []
    for condition in combos(targets):
        genes = targets[condition]
        n_seen = sum(gene in seen for gene in genes)
        subgroup[condition] = f"combo_seen{n_seen}"
        if n_seen == len(genes):
            all_seen.append(condition)
    # Sorted and seeded anew, as the original does.
    drawn = np.random.RandomState(seed).choice(sorted(all_seen), int(len(all_seen) * combo_share), replace=False)
    for condition in map(str, drawn):
        train.append(condition)
        del subgroup[condition]
    return train, subgroup


def _seen_genes(
    genes: list[str], rng: np.random.RandomState, share: float, tested: tuple[str, ...], *, only_these: bool
) -> set[str]:
    """Return the genes that training may see."""
    if only_these:
        return set(genes) - set(tested)
    drawn = [str(gene) for gene in rng.choice(genes, int(len(genes) * share), replace=False)] if genes else []
    seen = set(drawn) - set(tested)
    # As many others take the place of those that must not be seen.
    n_moved = len(drawn) - len(seen)
    others = sorted(set(genes) - seen - set(tested))
    if n_moved > len(others):
        msg = (
            f"test_genes names {len(tested)} of {len(genes)} genes: too many to leave {share:.0%} for training. Name "
            "fewer, lower train_gene_set_size, or pass only_test_genes=True."
        )
        raise DataError(msg)
    if tested:
        seen |= {str(gene) for gene in rng.choice(others, n_moved, replace=False)}
    return seen


def _assembled(train: list[str], validated: Mapping[str, str], tested: Mapping[str, str]) -> Parts:
    part = {**dict.fromkeys(train, TRAIN), **dict.fromkeys(validated, VAL), **dict.fromkeys(tested, TEST)}
    return Parts(part, {**validated, **tested})


def _check_genes(targets: Targets, options: SplitOptions) -> None:
    known = set(all_genes(targets))
    if absent := [gene for gene in options.test_genes if gene not in known]:
        msg = (
            f"{len(absent)} of test_genes are the target of no perturbation: {listing(absent)}. Targets: "
            f"{listing(sorted(known))}."
        )
        raise DataError(msg)
