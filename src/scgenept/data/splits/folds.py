"""Cross-validation over perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._errors import DataError
from .parts import from_lists

if TYPE_CHECKING:
    from .parts import Parts, Targets


def kfold(targets: Targets, seed: int, *, n_folds: int, fold: int, val_fraction: float) -> Parts:
    """Test one fold of the perturbations; single ones and combinations are spread evenly over the folds.

    The folds of one seed do not overlap and together hold every perturbation. Validation is drawn from what is left.

    Parameters
    ----------
    targets
        Perturbation -> its genes.
    seed
        Of numpy's ``RandomState``, whose stream is frozen.
    n_folds, fold
        Number of folds, and which one is tested, from 0.
    val_fraction
        Share of the other folds that validation takes.

    Raises
    ------
    DataError
        If there is no such fold, or there are fewer perturbations than folds.
    """
    if not 2 <= n_folds <= len(targets):
        msg = f"n_folds={n_folds} of {len(targets)} perturbations: choose 2 to {len(targets)}."
        raise DataError(msg)
    if not 0 <= fold < n_folds:
        msg = f"fold={fold} of n_folds={n_folds}: choose 0 to {n_folds - 1}."
        raise DataError(msg)
    rng = np.random.RandomState(seed)
    ordered = []
    for size in sorted({len(genes) for genes in targets.values()}):
        names = sorted(name for name, genes in targets.items() if len(genes) == size)
        ordered += [names[i] for i in rng.permutation(len(names))]
    test = ordered[fold::n_folds]
    rest = sorted(set(ordered) - set(test))
    n_val = max(1, int(len(rest) * val_fraction)) if val_fraction and len(rest) > 1 else 0
    val = [rest[i] for i in np.random.RandomState([seed, fold]).permutation(len(rest))[:n_val]]
    return from_lists(targets, train=set(rest) - set(val), val=val, test=test)
