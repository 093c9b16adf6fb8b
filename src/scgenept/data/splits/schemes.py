"""From the name of a scheme to the part of every condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import pandas as pd

from ..._errors import DataError, UnknownNameError, listing, near_names
from ..._random import require_seed
from .draws import draws
from .folds import kfold
from .given import custom, from_values
from .options import SplitOptions
from .parts import PARTS, TEST, TRAIN, Parts, from_lists, seen_targets
from .simulation import simulation, simulation_single
from .with_replacement import with_replacement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anndata import AnnData

    from ...perturbation import PerturbationLike
    from .conditions import Conditions

Scheme: TypeAlias = Literal[
    "simulation", "simulation_single", "combo_seen0", "combo_seen1", "combo_seen2", "single", "no_test", "no_split",
    "kfold", "from_column", "custom",
]  # fmt: skip

OVER_CONDITIONS: Final = {"simulation", "simulation_single", "no_split"}
"""These split the labels as they came; the others split perturbations, as canonical names."""
DRAWN: Final = {"single", "combo_seen0", "combo_seen1", "combo_seen2", "no_test"}
"""These, too, where the original is reproduced, which draws them with replacement."""


@dataclass(frozen=True)
class Request:
    """What was asked of :func:`scgenept.pp.split`."""

    scheme: str
    seed: int
    options: SplitOptions = field(default_factory=SplitOptions)
    reproduce: Literal["v1"] | None = None
    n_folds: int = 5
    fold: int = 0
    column: str | None = None
    lists: Mapping[str, Iterable[PerturbationLike] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = get_args(Scheme)
        if self.scheme not in known:
            msg = f"scheme={self.scheme!r} does not exist: {', '.join(known)}.{near_names(str(self.scheme), known)}"
            raise UnknownNameError(msg)
        if self.reproduce not in {None, "v1"}:
            msg = f"reproduce={self.reproduce!r} does not exist: 'v1', or None."
            raise UnknownNameError(msg)
        require_seed(self.seed)
        given = [name for name, listed in self.lists.items() if listed is not None]
        if given and self.scheme != "custom":
            msg = f"{'=, '.join(given)}= goes with scheme='custom', not with {self.scheme!r}."
            raise DataError(msg)
        if (self.column is None) is (self.scheme == "from_column"):
            msg = "column= names the column for scheme='from_column', and goes with no other scheme."
            raise DataError(msg)

    @property
    def over_conditions(self) -> bool:
        """Whether labels are split as they came, so that those of one perturbation may part."""
        return self.scheme in OVER_CONDITIONS or (self.reproduce == "v1" and self.scheme in DRAWN)

    def record(self) -> dict[str, Any]:
        """Return what the result depends on, in plain values."""
        record = {"scheme": self.scheme, "seed": int(self.seed), "reproduce": self.reproduce or ""}
        if self.scheme == "kfold":
            record |= {"n_folds": int(self.n_folds), "fold": int(self.fold)}
        if self.column is not None:
            record["column"] = self.column
        return {**record, **self.options.to_dict()}


def make_parts(adata: AnnData, conditions: Conditions, request: Request) -> tuple[Parts, list[str]]:
    """Return the part of every condition, and the perturbations that lie in several.

    Raises
    ------
    DataError
        If the scheme cannot do with these data; if no perturbation would be tested, or none trained on.
    """
    targets = conditions.targets if request.over_conditions else conditions.perturbations
    parts = _split(adata, conditions, targets, request)
    if not request.over_conditions:
        parts = Parts(_spread(conditions, parts.part), _spread(conditions, parts.subgroup))
    parts, torn = _joined(conditions, parts, keep_together=request.options.keep_together)
    _require_filled(conditions, parts, request)
    return parts, torn


def _require_filled(conditions: Conditions, parts: Parts, request: Request) -> None:
    """Refuse a split with no perturbation to learn from, or none to test, unless that is what the scheme is for."""
    n = len(conditions.perturbations)
    sizes = ", ".join(f"{len(parts.of(part))} {part}" for part in PARTS)
    if request.scheme != "no_test" and not parts.of(TEST):
        msg = (
            f"scheme={request.scheme!r} with seed={request.seed} tests none of {n} perturbations ({sizes}). Change the "
            "sizes with options=SplitOptions(...), or name the test perturbations: scheme='custom', test=[...]."
        )
        raise DataError(msg)
    if request.scheme != "no_split" and not parts.of(TRAIN):
        msg = (
            f"scheme={request.scheme!r} with seed={request.seed} leaves none of {n} perturbations for training "
            f"({sizes}). With few perturbations do without validation, options=SplitOptions(val_fraction=0), or name "
            "the parts: scheme='custom', test=[...]."
        )
        raise DataError(msg)


def never_seen(conditions: Conditions, parts: Parts) -> dict[str, list[str]]:
    """Return the tested perturbations with targets that no training perturbation has, and which targets these are."""
    seen = seen_targets(conditions.targets, parts.part)
    unseen = {
        conditions.names[condition]: [gene for gene in conditions.targets[condition] if gene not in seen]
        for condition in parts.of(TEST)
    }
    return {name: genes for name, genes in unseen.items() if genes}


def _split(adata: AnnData, conditions: Conditions, targets: Mapping[str, tuple[str, ...]], request: Request) -> Parts:
    seed, options = request.seed, request.options
    match request.scheme:
        case "simulation":
            parts = simulation(targets, seed, options)
        case "simulation_single":
            parts = simulation_single(targets, seed, options)
        case "no_split":
            parts = from_lists(targets, train=(), val=(), test=targets)
        case "kfold":
            folds, share = request.n_folds, options.val_fraction
            parts = kfold(targets, seed, n_folds=folds, fold=request.fold, val_fraction=share)
        case "custom":
            parts = custom(targets, request.lists)
        case "from_column":
            column = str(request.column)
            values = _values(adata, conditions, column)
            parts = from_values(targets, values, column, keep_together=options.keep_together)
        case drawn if request.reproduce == "v1":
            parts = with_replacement(targets, drawn, seed, options)
        case drawn:
            parts = draws(targets, drawn, seed, options)
    return parts


def _values(adata: AnnData, conditions: Conditions, column: str) -> dict[str, list[Any]]:
    """Return the distinct values that the cells of each perturbation have in a column."""
    if column not in adata.obs:
        msg = (
            f"obs has no column {column!r}.{near_names(column, map(str, adata.obs))} "
            f"Columns: {listing(adata.obs.columns)}."
        )
        raise DataError(msg)
    table = pd.DataFrame({"condition": conditions.codes, "value": adata.obs[column].to_numpy(dtype=object)})
    table = table[table["condition"] >= 0].drop_duplicates()
    names = list(conditions.names.values())
    found: dict[str, list[Any]] = {name: [] for name in names}
    for code, value in table.itertuples(index=False):
        found[names[code]].append(value)
    return found


def _spread(conditions: Conditions, by_perturbation: Mapping[str, str]) -> dict[str, str]:
    """Give each condition what its perturbation has."""
    return {condition: by_perturbation[name] for condition, name in conditions.names.items() if name in by_perturbation}


def _joined(conditions: Conditions, parts: Parts, *, keep_together: bool) -> tuple[Parts, list[str]]:
    """Return the perturbations whose conditions lie in several parts, moved into the strictest where asked for."""
    by_name: dict[str, set[str]] = {}
    for condition, part in parts.part.items():
        by_name.setdefault(conditions.names[condition], set()).add(part)
    torn = sorted(name for name, found in by_name.items() if len(found) > 1)
    if not torn or not keep_together:
        return parts, torn
    moved, subgroup = dict(parts.part), dict(parts.subgroup)
    for name in torn:
        those = [condition for condition in parts.part if conditions.names[condition] == name]
        strictest = max(those, key=lambda condition: PARTS.index(parts.part[condition]))
        for condition in those:
            moved[condition], subgroup[condition] = parts.part[strictest], parts.subgroup[strictest]
    return Parts(moved, subgroup), []
