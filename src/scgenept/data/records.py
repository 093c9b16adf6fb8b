"""Records under ``uns["scgenept"]``: what was done to an AnnData, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _keys
from .._errors import KeyTakenError

if TYPE_CHECKING:
    from anndata import AnnData


def read_record(adata: AnnData, name: str) -> Any:
    """Return the record of that name, or ``None``."""
    records = adata.uns.get(_keys.UNS)
    return records.get(name) if isinstance(records, Mapping) else None


def split_key(adata: AnnData) -> str:
    """Return the column of ``obs`` with the split that was made last, whether it is there or not."""
    record = read_record(adata, _keys.SPLIT)
    return str(record.get("key", _keys.SPLIT)) if isinstance(record, Mapping) else _keys.SPLIT


def check_records_writable(adata: AnnData) -> None:
    """Refuse where ``uns["scgenept"]`` holds something that is no folder of records.

    Raises
    ------
    KeyTakenError
        If it does.
    """
    records = adata.uns.get(_keys.UNS, {})
    if not isinstance(records, Mapping):
        msg = f"uns[{_keys.UNS!r}] holds a {type(records).__name__} that scgenept did not write: rename or delete it."
        raise KeyTakenError(msg)


def write_record(adata: AnnData, name: str, record: Any) -> None:
    """Write or replace one record and leave the others."""
    adata.uns[_keys.UNS] = {**adata.uns.get(_keys.UNS, {}), name: record}
