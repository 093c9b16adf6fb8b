"""Splits as GEARS keeps them: lists of conditions, in pickles or in a PertData object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from .. import _keys
from .._errors import DataError, UnknownNameError, listing, near_names
from .._logging import logger
from .._version import VERSION
from ..data.records import write_record
from ..pickles.text_unpickler import load_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData

PARTS: Final = ("train", "val", "test")
SUBGROUPS: Final = ("unseen_single", "combo_seen0", "combo_seen1", "combo_seen2")
_SUFFIX: Final = "_subgroup"
_NAME: Final = re.compile(
    r".*?_?(?P<scheme>simulation_single|simulation|combo_seen[012]|single|no_test|no_split)_(?P<seed>\d+)_[\d.]+.*"
)


@dataclass(frozen=True)
class GearsSplit:
    """Which conditions are in which part.

    Attributes
    ----------
    parts
        ``train``, ``val``, ``test`` -> conditions, as GEARS labels cells.
    subgroups
        ``unseen_single``, ``combo_seen0`` ... -> conditions of validation and test.
    scheme, seed
        As GEARS was told; empty where that is not known.
    source
        Name of the file, or ``"PertData"``.
    """

    parts: Mapping[str, Sequence[str]]
    subgroups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scheme: str = ""
    seed: str = ""
    source: str = ""


def split_of_folder(folder: Path, split: str | None) -> GearsSplit | None:
    """Read the one split of a folder, or the one asked for.

    Parameters
    ----------
    folder
        Of a data set, with ``splits/*.pkl`` or without.
    split
        ``"auto"``, a file name without ``.pkl`` or a part of it that only one has, or ``None``.

    Raises
    ------
    DataError
        There are several splits and none was chosen, or the file holds something else.
    UnknownNameError
        There is no such split.
    UnsafePickleError
        The file asks for more than names.
    CheckpointError
        The file is damaged.
    """
    if split is None:
        return None
    files = {path.stem: path for path in sorted((folder / "splits").glob("*.pkl")) if not path.stem.endswith(_SUFFIX)}
    if split == "auto":
        if len(files) > 1:
            msg = f"There are {len(files)} splits: {listing(files)}. Choose one with split=, or none with split=None."
            raise DataError(msg)
        if not files:
            return None
        chosen = next(iter(files))
    else:
        wanted = split.removesuffix(".pkl")
        found = [wanted] if wanted in files else [stem for stem in files if wanted in stem]
        if len(found) != 1:
            what = f"{len(found)} splits are" if found else "No split is"
            msg = f"{what} called {split!r}.{near_names(wanted, files)} Splits: {listing(files) or 'none'}."
            raise UnknownNameError(msg)
        chosen = found[0]
    path, beside = files[chosen], folder / "splits" / f"{chosen}{_SUFFIX}.pkl"
    named = _NAME.fullmatch(chosen)
    return GearsSplit(
        parts=_lists(load_names(path), path.name),
        subgroups=_merged(load_names(beside), beside.name) if beside.is_file() else {},
        scheme=named["scheme"] if named else "",
        seed=named["seed"] if named else "",
        source=path.name,
    )


def split_of_object(data: Any) -> GearsSplit | None:
    """Return the split of a PertData, or ``None`` where none was prepared."""
    parts = getattr(data, "set2conditions", None)
    if parts is None:
        return None
    subgroups = getattr(data, "subgroup", None)
    return GearsSplit(
        parts=_lists(_plain(parts), "PertData.set2conditions"),
        subgroups=_merged(_plain(subgroups), "PertData.subgroup") if subgroups else {},
        scheme=str(getattr(data, "split", "")),
        seed=str(getattr(data, "seed", "")),
        source="PertData",
    )


def write_split(adata: AnnData, split: GearsSplit, *, condition: str) -> None:
    """Write ``obs["split"]``, ``obs["split_subgroup"]`` and the record; a split that was there is kept beside it.

    Raises
    ------
    DataError
        The split names conditions that no cell has, or one condition in two parts.
    """
    labels = adata.obs[condition].astype(str)
    of_label = _inverted(split.parts, split.source)
    if lost := sorted(set(of_label) - set(labels)):
        msg = (
            f"{len(lost)} of {len(of_label)} conditions of the split {split.source} are in no cell: {listing(lost)}."
            f"{near_names(lost[0], set(labels))} It belongs to other cells; load these without it: split=None."
        )
        raise DataError(msg)
    subgroup = _inverted(split.subgroups, split.source)
    subgroup = {label: name for label, name in subgroup.items() if of_label.get(label) in PARTS[1:]}
    before = adata.obs[_keys.SPLIT].copy() if _keys.SPLIT in adata.obs else None
    adata.obs[_keys.SPLIT] = pd.Categorical(labels.map(of_label), categories=pd.Index(PARTS, dtype=object))
    adata.obs[_keys.SPLIT_SUBGROUP] = pd.Categorical(labels.map(subgroup), categories=pd.Index(SUBGROUPS, dtype=object))
    if before is not None:
        adata.obs[_keys.original_labels(_keys.SPLIT)] = before
    outside = sorted(set(labels) - set(of_label))
    record = {
        "key": _keys.SPLIT,
        "scheme": split.scheme,
        "seed": split.seed,
        "source": split.source,
        **{f"n_{part}": len(split.parts.get(part, ())) for part in PARTS},
        "n_held_out": len(outside),
        "version": VERSION,
    }
    write_record(adata, _keys.SPLIT, record)
    if outside:
        logger.warning("%d conditions are in no part of the split: %s.", len(outside), listing(outside))


def _plain(value: Any) -> Any:
    """Return lists of strings, also where a PertData holds arrays."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [str(item) for item in value]


def _lists(found: Any, source: str) -> dict[str, list[str]]:
    """Return part -> conditions, or refuse what is none."""
    wrong = not isinstance(found, Mapping) or not all(
        name in PARTS and isinstance(items, list) and all(isinstance(item, str) for item in items)
        for name, items in found.items()
    )
    if wrong or not found:
        msg = f"{source} should hold lists of conditions for {', '.join(PARTS)}; it holds {_described(found)}."
        raise DataError(msg)
    return {str(name): list(items) for name, items in found.items()}


def _merged(found: Any, source: str) -> dict[str, list[str]]:
    """Return the subgroups of validation and test in one."""
    groups: dict[str, list[str]] = {}
    for where in found.values() if isinstance(found, Mapping) else ():
        for name, items in where.items() if isinstance(where, Mapping) else ():
            if name in SUBGROUPS and isinstance(items, list) and all(isinstance(item, str) for item in items):
                groups.setdefault(name, []).extend(items)
    if not groups:
        msg = f"{source} should hold the subgroups of test and validation; it holds {_described(found)}."
        raise DataError(msg)
    return groups


def _inverted(groups: Mapping[str, Sequence[str]], source: str) -> dict[str, str]:
    """Return condition -> group, or refuse a condition in two groups."""
    pairs = [(item, name) for name, items in groups.items() for item in items]
    found = dict(pairs)
    if twice := sorted({item for item, name in pairs if found[item] != name}):
        msg = f"{len(twice)} conditions of {source} are in two parts: {listing(twice)}. Load without it: split=None."
        raise DataError(msg)
    return found


def _described(found: object) -> str:
    return f"a dict of {listing(map(str, found)) or 'nothing'}" if isinstance(found, Mapping) else type(found).__name__
