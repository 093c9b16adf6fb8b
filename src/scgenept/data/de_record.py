"""The record of ranked genes: one table per comparison, beside how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _keys
from .records import read_record, write_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

TABLE = "table"


def de_records(adata: AnnData) -> dict[str, dict[str, Any]]:
    """Return what is recorded, by comparison (``"control"``, ``"rest"``)."""
    record = read_record(adata, _keys.DE)
    if not isinstance(record, Mapping):
        return {}
    return {name: dict(entry) for name, entry in record.items() if isinstance(entry, Mapping) and TABLE in entry}


def write_de(adata: AnnData, against: str, table: pd.DataFrame, settings: Mapping[str, Any]) -> None:
    """Write or replace one comparison and leave the other."""
    write_record(adata, _keys.DE, {**de_records(adata), against: {TABLE: table, **settings}})
