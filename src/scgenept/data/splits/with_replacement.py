"""The draws of cell-gears 0.0.2, to the letter: with replacement, and dependent on the order of the conditions.

Only for ``reproduce="v1"``. A gene drawn twice makes the test part smaller than asked for; the order is that in which
conditions first occur among the cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .parts import all_genes, combos, from_lists, only, singles

if TYPE_CHECKING:
    from .options import SplitOptions
    from .parts import Parts, Targets


def with_replacement(targets: Targets, scheme: str, seed: int, options: SplitOptions) -> Parts:
    """Split by one of the schemes ``single``, ``combo_seen0`` to ``combo_seen2`` and ``no_test``."""
    rng = np.random.RandomState(seed)
    train, test = _draw(targets, scheme, rng, options.combo_single_split_test_set_fraction)
    if scheme == "no_test":
        return from_lists(targets, train=train, val=test, test=())
    train, val = _draw(only(targets, train), scheme, rng, options.val_fraction)
    return from_lists(targets, train=train, val=val, test=test)


def _draw(targets: Targets, scheme: str, rng: np.random.RandomState, share: float) -> tuple[list[str], list[str]]:
    """Return the conditions that stay and those drawn; what is in neither is held out."""
    alone, together = singles(targets), combos(targets)
    # Drawn for every scheme, needed or not, so that the stream is that of the original.
    genes = set(rng.choice(all_genes(targets), int(len(alone) * share)))
    held_out: list[str] = []
    if scheme in {"combo_seen2", "no_test"}:
        drawn = [str(condition) for condition in rng.choice(together, int(len(together) * share))]
    else:
        drawn = [condition for condition in alone if targets[condition][0] in genes]
        touched = [condition for condition in together if genes.intersection(targets[condition])]
        others = {condition: sum(gene not in genes for gene in targets[condition]) for condition in touched}
        if scheme == "single":
            held_out = touched
        else:
            held_out = [condition for condition in touched if others[condition] > int(scheme[-1])]
            drawn += [condition for condition in touched if others[condition] <= int(scheme[-1])]
    gone = {*drawn, *held_out}
    return [condition for condition in targets if condition not in gone], drawn
