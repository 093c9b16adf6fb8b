"""Columns of ``obs`` that are about to be written, and what is in their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._errors import DataError, KeyTakenError, listing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anndata import AnnData


def same_values(column: pd.Series[Any], values: Any) -> bool:
    """Whether a column already holds these values, of whatever type; missing ones equal each other."""
    there, new = (np.asarray(found, dtype=object) for found in (column, values))
    missing = pd.isna(there)
    return bool(np.array_equal(missing, pd.isna(new)) and np.array_equal(there[~missing], new[~missing]))


def taken_columns(adata: AnnData, columns: Mapping[str, Any], owned: Collection[str | None]) -> list[str]:
    """Return the columns that hold something else and are not ours."""
    return [
        name
        for name, values in columns.items()
        if name in adata.obs and name not in owned and not same_values(adata.obs[name], values)
    ]


def require_free_columns(
    adata: AnnData, columns: Mapping[str, Any], owned: Collection[str | None], *, overwrite: bool, remedy: str
) -> None:
    """Refuse to replace columns that scgenept did not write.

    Raises
    ------
    KeyTakenError
        If there are any, and ``overwrite`` is false.
    """
    if (taken := taken_columns(adata, columns, owned)) and not overwrite:
        msg = (
            f"obs column {listing(map(repr, taken))} holds something that scgenept did not write. "
            f"{remedy}, or replace it with overwrite=True."
        )
        raise KeyTakenError(msg)


def require_usable_key(key: str) -> None:
    """Refuse a name that no column in a file can have.

    Raises
    ------
    DataError
        If it is empty or holds ``/``.
    """
    given: object = key
    if not isinstance(given, str) or not key or "/" in key:
        msg = f"key_added={key!r} cannot be a column: it should be a string, not empty and without '/'."
        raise DataError(msg)
