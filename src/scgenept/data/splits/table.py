"""The columns and the record of a split, and the table they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ... import _keys
from ..._errors import DataError, listing
from ..records import read_record
from ..setup import read_setup
from .conditions import read_conditions
from .parts import PARTS, SUBGROUPS, TRAIN

if TYPE_CHECKING:
    from anndata import AnnData

    from ..setup import Setup
    from .conditions import Conditions
    from .parts import Parts


@dataclass(frozen=True)
class SplitColumns:
    """Where a split stands in ``obs``."""

    split: str
    subgroup: str


def columns_of(key_added: str | None) -> SplitColumns:
    """Return the columns that a split is written to."""
    if key_added is None:
        return SplitColumns(_keys.SPLIT, _keys.SPLIT_SUBGROUP)
    return SplitColumns(key_added, _keys.subgroup_of(key_added))


def read_split(adata: AnnData) -> SplitColumns:
    """Return the columns of the last split.

    Raises
    ------
    DataError
        If there is none, or a column of it is gone.
    """
    record = read_record(adata, _keys.SPLIT)
    if not isinstance(record, Mapping) or "key" not in record:
        msg = "This AnnData is not split. Run scgenept.pp.split(adata)."
        raise DataError(msg)
    columns = columns_of(str(record["key"]))
    if gone := [key for key in (columns.split, columns.subgroup) if key not in adata.obs]:
        msg = f"The split names obs columns that are gone: {listing(gone)}. Run scgenept.pp.split again."
        raise DataError(msg)
    return columns


def cell_values(
    conditions: Conditions, parts: Parts, *, controls: str = TRAIN
) -> tuple[pd.Categorical, pd.Categorical]:
    """Return the part and the subgroup of each cell, missing where there is none; control cells are in training."""
    part = [parts.part.get(condition) for condition in conditions.names]
    subgroup = [parts.subgroup.get(condition) for condition in conditions.names]
    extra = sorted({name for name in subgroup if name is not None} - set(SUBGROUPS))
    return (
        _categorical([*part, controls], PARTS, conditions.codes),
        _categorical([*subgroup, None], (*SUBGROUPS, *extra), conditions.codes),
    )


def split_frame(adata: AnnData) -> pd.DataFrame:
    """Return the table that :func:`scgenept.get.split_table` documents."""
    setup = read_setup(adata)
    columns = read_split(adata)
    conditions = read_conditions(adata, setup)
    rows = pd.DataFrame(
        {
            "code": conditions.codes,
            "split": adata.obs[columns.split].to_numpy(dtype=object),
            "subgroup": adata.obs[columns.subgroup].to_numpy(dtype=object),
        }
    )
    rows["label"] = _source(adata, setup)
    rows = rows[rows["code"] >= 0]
    names = np.array(list(conditions.names.values()), dtype=object)
    rows["perturbation"] = names[rows["code"]]
    targets = conditions.perturbations
    keys = ["perturbation", "split", "subgroup"]
    table = rows.groupby(keys, dropna=False, sort=False)["label"].agg(["size", _joined_labels]).reset_index()
    seen = {gene for name in table.loc[table["split"] == TRAIN, "perturbation"] for gene in targets[name]}
    table["n_targets"] = [len(targets[name]) for name in table["perturbation"]]
    table["n_targets_seen"] = [sum(gene in seen for gene in targets[name]) for name in table["perturbation"]]
    table = table.rename(columns={"size": "n_cells", "_joined_labels": "labels"})
    table["order"] = [PARTS.index(part) if part in PARTS else len(PARTS) for part in table["split"]]
    table = table.sort_values(["order", "perturbation"], ignore_index=True)
    return table[["perturbation", "split", "subgroup", "n_cells", "n_targets", "n_targets_seen", "labels"]]


def _source(adata: AnnData, setup: Setup) -> Any:
    key = setup.source_key if setup.source_key in adata.obs else setup.perturbation_key
    return adata.obs[key].to_numpy(dtype=object)


def _joined_labels(labels: pd.Series[Any]) -> str:
    return ", ".join(sorted(set(map(str, labels))))


def _categorical(values: list[str | None], categories: tuple[str, ...], codes: np.ndarray) -> pd.Categorical:
    """Return one value per cell; the last value is that of control cells, whose code is -1."""
    position = {value: i for i, value in enumerate(categories)}
    numbers = np.array([-1 if value is None else position[value] for value in values])
    # Of dtype object on every pandas: older anndata cannot write the string type of pandas 3.
    return pd.Categorical.from_codes(numbers[codes], categories=pd.Index(categories, dtype=object))
