"""Strata: kinds of perturbations that a model finds easy or hard, to report a score by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from .. import _keys
from .._errors import DataError, listing
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from ..perturbation import PerturbationLike

TERTILES = ("low", "mid", "high")


def strata(
    perturbations: Iterable[PerturbationLike],
    training: Iterable[PerturbationLike],
    *,
    effect_size: npt.ArrayLike | None = None,
    n_cells: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Sort test perturbations by what the model saw of them, by the size of their effect and by their number of cells.

    A gene is seen if it is perturbed in any training perturbation, alone or not. The split of GEARS (Roohani et al.,
    Nat Biotechnol 2024) uses the same words for genes that it *draws* for training, before it takes out validation
    perturbations, and even where no training perturbation has the gene; for these subgroups use those of the split.
    Tertiles are of ranks among these perturbations; equal values share a tertile.

    Parameters
    ----------
    perturbations
        The test perturbations.
    training
        The training perturbations; a control among them counts for nothing.
    effect_size
        One value per test perturbation, such as the length of its observed change.
    n_cells
        Number of observed cells of each test perturbation.

    Returns
    -------
    One row per test perturbation under its canonical name, in the order given: ``kind`` (``seen_single``,
    ``unseen_single``, ``combo_seen0``, ``combo_seen1``, ``combo_seen2``; ``multi_seen<k>`` for three genes and more;
    ``ctrl``), and, where given, ``effect_size`` and ``n_cells`` with the values and ``effect_size_tertile`` and
    ``n_cells_tertile`` (``low``, ``mid``, ``high``; missing where the value is).

    Raises
    ------
    DataError
        There is not one value per perturbation, or a perturbation is given twice.

    Examples
    --------
    >>> strata(["KLF1", "FOSB+KLF1"], ["KLF1", "CEBPA"])["kind"].tolist()
    ['seen_single', 'combo_seen1']
    """
    wanted = [Perturbation.parse(p) for p in perturbations]
    seen = {gene for p in training for gene in Perturbation.parse(p).genes}
    names = [str(p) for p in wanted]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        msg = f"{len(repeated)} perturbations are given twice: {listing(repeated)}. Name each once."
        raise DataError(msg)
    columns: dict[str, Any] = {"kind": [_kind(p, seen) for p in wanted]}
    for name, values in (("effect_size", effect_size), ("n_cells", n_cells)):
        if values is None:
            continue
        if isinstance(values, pd.Series) and list(map(str, values.index)) != names:
            msg = f"{name} is labelled with other perturbations, or in another order: {listing(values.index)}."
            raise DataError(msg)
        array = np.asarray(values)
        if array.shape != (len(wanted),):
            msg = f"{name} must be one value for each of {len(wanted)} perturbations; got shape {array.shape}."
            raise DataError(msg)
        columns |= {name: array, f"{name}_tertile": tertiles(array)}
    return pd.DataFrame(columns, index=pd.Index(names, name=_keys.PERTURBATION, dtype=object))


def tertiles(values: npt.ArrayLike) -> pd.Categorical:
    """Sort values into ``low``, ``mid`` and ``high`` by rank; equal values share a tertile, NaN has none.

    A value is low while the middle of its rank, ``(rank - 1/2) / n``, is under a third, high while it is over two.

    Examples
    --------
    >>> list(tertiles([1.0, 2.0, 30.0]))
    ['low', 'mid', 'high']
    >>> list(tertiles([5.0, 5.0, 5.0]))
    ['mid', 'mid', 'mid']
    """
    numbers = np.asarray(values, dtype=np.float64)
    names = np.full(len(numbers), None, dtype=object)
    known = ~np.isnan(numbers)
    # in whole numbers, so that the bounds are exact
    middle = 3.0 * (2.0 * stats.rankdata(numbers[known]) - 1.0)
    n = known.sum()
    names[known] = np.select([middle < 2 * n, middle > 4 * n], [TERTILES[0], TERTILES[2]], TERTILES[1])
    return pd.Categorical(names, categories=list(TERTILES), ordered=True)


def _kind(perturbation: Perturbation, seen: set[str]) -> str:
    genes = perturbation.genes
    n_seen = sum(gene in seen for gene in genes)
    if not genes:
        return str(perturbation)
    if len(genes) == 1:
        return "seen_single" if n_seen else "unseen_single"
    return f"combo_seen{n_seen}" if len(genes) == 2 else f"multi_seen{n_seen}"
