"""Splits that the user brings: lists of perturbations, or a column that names the part of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..._errors import DataError, listing, near_names
from ...perturbation import Perturbation
from .parts import PARTS, TEST, TRAIN, VAL, from_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...perturbation import PerturbationLike
    from .parts import Parts, Targets

SPELLINGS: Final = {
    "train": TRAIN, "training": TRAIN,
    "val": VAL, "valid": VAL, "validation": VAL, "dev": VAL,
    "test": TEST, "testing": TEST, "holdout": TEST,
}  # fmt: skip
"""How data sets spell the parts, in any case."""


def custom(targets: Targets, lists: Mapping[str, Iterable[PerturbationLike] | None]) -> Parts:
    """Split as listed; what is not listed is trained on, unless training is listed too.

    Parameters
    ----------
    targets
        Perturbation -> its genes, under canonical names.
    lists
        ``train``, ``val`` and ``test`` -> perturbations.

    Raises
    ------
    DataError
        If nothing is to be tested, a perturbation is not in the data or in two lists, or controls are to be tested.
    """
    named = {part: _names(part, lists.get(part)) for part in PARTS}
    if not named[TEST]:
        msg = "scheme='custom' needs test=: the perturbations to test."
        raise DataError(msg)
    everything = [name for names in named.values() for name in names]
    if unknown := [name for name in dict.fromkeys(everything) if name not in targets]:
        msg = (
            f"{len(unknown)} of the listed perturbations have no cells in adata: {listing(unknown)}."
            f"{near_names(unknown[0], targets)} Those there are: {listing(targets)}."
        )
        raise DataError(msg)
    if twice := sorted({name for name in everything if sum(name in names for names in named.values()) > 1}):
        msg = f"{len(twice)} perturbations are in two lists: {listing(twice)}. Each belongs in one."
        raise DataError(msg)
    if lists.get(TRAIN) is None:
        named[TRAIN] = dict.fromkeys(name for name in targets if name not in named[VAL] and name not in named[TEST])
    return from_lists(targets, train=named[TRAIN], val=named[VAL], test=named[TEST])


def from_values(targets: Targets, values: Mapping[str, Iterable[Any]], column: str, *, keep_together: bool) -> Parts:
    """Split as a column of ``obs`` says; perturbations whose cells have no value are held out.

    Parameters
    ----------
    targets
        Perturbation -> its genes.
    values
        Perturbation -> the distinct values its cells have, missing ones among them.
    column
        Its name.
    keep_together
        Move a perturbation whose cells are in several parts into the strictest.

    Raises
    ------
    DataError
        If a value is no part, or cells of one perturbation have different values.
    """
    read = {name: {_part(value, column) for value in found} for name, found in values.items()}
    if (mixed := [name for name, found in read.items() if len(found) > 1]) and not keep_together:
        shown = listing(f"{name} ({', '.join(sorted(part or 'none' for part in read[name]))})" for name in mixed)
        msg = (
            f"{len(mixed)} of {len(targets)} perturbations have cells in several parts by obs[{column!r}]: {shown}. A "
            "split is over perturbations, or training sees what is tested. Move each into its strictest part with "
            "options=SplitOptions(keep_together=True)."
        )
        raise DataError(msg)
    part = {name: max(found, key=("", *PARTS).index) for name, found in read.items()}
    return from_lists(targets, **{which: [name for name, its in part.items() if its == which] for which in PARTS})


def _part(value: Any, column: str) -> str:
    """Return the part that a value means, ``""`` for none."""
    if pd.isna(value) or not str(value).strip():
        return ""
    part = SPELLINGS.get(str(value).strip().casefold())
    if part is None:
        msg = f"obs[{column!r}] holds {value!r}; the parts are {', '.join(PARTS)}, or nothing for cells to leave out."
        raise DataError(msg)
    return part


def _names(part: str, listed: Iterable[PerturbationLike] | None) -> dict[str, None]:
    """Return canonical names in order, each once."""
    items = [listed] if isinstance(listed, (str, Perturbation)) else [] if listed is None else list(listed)
    found = [Perturbation.parse(item) for item in items]
    if part != TRAIN and any(perturbation.is_control for perturbation in found):
        msg = f"{part}= names the control cells; they always belong to training."
        raise DataError(msg)
    return dict.fromkeys(str(perturbation) for perturbation in found if not perturbation.is_control)
