"""The schemes ``single``, ``combo_seen0`` to ``combo_seen2`` and ``no_test``, drawn without replacement.

They keep what GEARS' schemes of these names promise and do not depend on the order of the cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._errors import DataError
from .parts import all_genes, combos, from_lists, only, singles

if TYPE_CHECKING:
    from .options import SplitOptions
    from .parts import Parts, Targets


def draws(targets: Targets, scheme: str, seed: int, options: SplitOptions) -> Parts:
    """Split by one of these schemes.

    ``single``
        Test: single perturbations of genes drawn. Combinations with one of these genes are held out of all parts.
    ``combo_seen0``
        Test: combinations none of whose genes is seen, and these genes alone. Combinations with some of them are held
        out.
    ``combo_seen1``
        Test: every perturbation with one of the genes drawn, which are genes of combinations.
    ``combo_seen2``
        Test: combinations drawn among those whose genes were each perturbed alone, too.
    ``no_test``
        Validation: perturbations drawn among all; no test part.

    Parameters
    ----------
    targets
        Perturbation -> its genes.
    scheme
        One of the above.
    seed
        Of numpy's ``RandomState``, whose stream is frozen.
    options
        Sizes of the parts.

    Raises
    ------
    DataError
        If the scheme needs combinations, and there are none that serve.
    """
    targets = dict(sorted(targets.items()))
    rng = np.random.RandomState(seed)
    if scheme == "no_test":
        val = _some(list(targets), options.val_fraction, rng)
        return from_lists(targets, train=set(targets) - set(val), val=val, test=())
    train, test = _level(targets, scheme, rng, options.combo_single_split_test_set_fraction)
    _require_combos(targets, scheme, test)
    train, val = _level(only(targets, train), scheme, rng, options.val_fraction)
    return from_lists(targets, train=train, val=val, test=test)


def _level(targets: Targets, scheme: str, rng: np.random.RandomState, share: float) -> tuple[list[str], list[str]]:
    """Return the perturbations that stay and those drawn; what is in neither is held out."""
    alone, together = singles(targets), combos(targets)
    held_out: list[str] = []
    if scheme == "combo_seen2":
        seen_alone = {targets[name][0] for name in alone}
        drawn = _some([name for name in together if seen_alone.issuperset(targets[name])], share, rng)
    else:
        n_genes = _count(len(alone) or len(all_genes(targets)), share)
        if scheme == "combo_seen0":
            genes = _genes_of_combos([targets[name] for name in together], n_genes, rng)
        else:
            chosen = alone if scheme == "single" else together
            pool = all_genes(only(targets, chosen or alone))
            genes = set(_first(pool, n_genes, rng))
        touched = [name for name in together if genes.intersection(targets[name])]
        inside = [name for name in touched if genes.issuperset(targets[name])]
        drawn = [name for name in alone if targets[name][0] in genes]
        drawn += {"single": [], "combo_seen0": inside, "combo_seen1": touched}[scheme]
        held_out = [name for name in touched if name not in drawn]
    gone = {*drawn, *held_out}
    return [name for name in targets if name not in gone], drawn


def _count(n: int, share: float) -> int:
    """Return how many to draw: at least one, unless none is wanted or there is none."""
    return min(n, max(1, int(n * share))) if share else 0


def _some(names: list[str], share: float, rng: np.random.RandomState) -> list[str]:
    return _first(names, _count(len(names), share), rng)


def _first(names: list[str], n: int, rng: np.random.RandomState) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))[:n]]


def _genes_of_combos(found: list[tuple[str, ...]], n_genes: int, rng: np.random.RandomState) -> set[str]:
    """Return about ``n_genes`` genes that make up whole combinations: drawn one by one, few combinations would be."""
    genes: set[str] = set()
    for i in rng.permutation(len(found)) if n_genes else ():
        more = genes.union(found[i])
        if not genes or len(more) <= n_genes:
            genes = more
    return genes


def _require_combos(targets: Targets, scheme: str, test: list[str]) -> None:
    if scheme == "single" or any(len(targets[name]) > 1 for name in test):
        return
    together = combos(targets)
    what = "combinations whose genes were each perturbed alone too" if scheme == "combo_seen2" else "combinations"
    msg = (
        f"scheme={scheme!r} tests {what}; of {len(targets)} perturbations {len(together)} are of several genes, and "
        "none of them came into the test part. Use scheme='simulation' or 'single'"
        f"{', another seed, or a larger combo_single_split_test_set_fraction' if together else ''}."
    )
    raise DataError(msg)
