"""The result of every scheme: conditions, the part each is in, and how much of each was seen in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Targets: TypeAlias = Mapping[str, tuple[str, ...]]
"""Condition -> the genes that are perturbed in it, in order of appearance; no controls."""

TRAIN: Final = "train"
VAL: Final = "val"
TEST: Final = "test"
PARTS: Final = (TRAIN, VAL, TEST)
"""From the laxest to the strictest."""

UNSEEN_SINGLE: Final = "unseen_single"
SEEN_SINGLE: Final = "seen_single"
SUBGROUPS: Final = (UNSEEN_SINGLE, "combo_seen0", "combo_seen1", "combo_seen2")
"""The subgroups of GEARS."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A split of conditions.

    Attributes
    ----------
    part
        Condition -> ``train``, ``val`` or ``test``; conditions that are in no part are not named.
    subgroup
        Condition of ``val`` or ``test`` -> subgroup.
    """

    part: dict[str, str]
    subgroup: dict[str, str] = field(default_factory=dict)

    def of(self, part: str) -> list[str]:
        """Return the conditions of one part."""
        return [condition for condition, its in self.part.items() if its == part]


def from_lists(targets: Targets, *, train: Iterable[str], val: Iterable[str], test: Iterable[str]) -> Parts:
    """Return the split with subgroups by what the training part really holds."""
    part = {**dict.fromkeys(train, TRAIN), **dict.fromkeys(val, VAL), **dict.fromkeys(test, TEST)}
    seen = seen_targets(targets, part)
    subgroup = {
        condition: subgroup_name(len(targets[condition]), sum(gene in seen for gene in targets[condition]))
        for condition, its in part.items()
        if its != TRAIN
    }
    return Parts(part, subgroup)


def seen_targets(targets: Targets, part: Mapping[str, str]) -> set[str]:
    """Return the genes that are perturbed in the training part, alone or with others."""
    return {gene for condition, its in part.items() if its == TRAIN for gene in targets[condition]}


def subgroup_name(n_targets: int, n_seen: int) -> str:
    """Return the name of the subgroup by the number of targets, and of those seen in training.

    Examples
    --------
    >>> subgroup_name(1, 0), subgroup_name(1, 1), subgroup_name(2, 1)
    ('unseen_single', 'seen_single', 'combo_seen1')
    """
    if n_targets == 1:
        return SEEN_SINGLE if n_seen else UNSEEN_SINGLE
    return f"combo_seen{n_seen}"


def singles(targets: Targets) -> list[str]:
    """Return the conditions of one gene."""
    return [condition for condition, genes in targets.items() if len(genes) == 1]


def combos(targets: Targets) -> list[str]:
    """Return the conditions of several genes."""
    return [condition for condition, genes in targets.items() if len(genes) > 1]


def only(targets: Targets, conditions: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return some of the conditions, in their order."""
    wanted = set(conditions)
    return {condition: genes for condition, genes in targets.items() if condition in wanted}


def all_genes(targets: Targets) -> list[str]:
    """Return every target gene once, sorted."""
    return sorted({gene for genes in targets.values() for gene in genes})
