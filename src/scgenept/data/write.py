"""Put predictions into an AnnData, whole or not at all."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import _keys
from .._errors import DataError, KeyTakenError
from .._memory import available_memory
from .records import read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData

WARN_BYTES: Final = 1_000_000_000
"""A result that is mostly NaN warns from this size on."""


def require_free_key(adata: AnnData, key: str, *, overwrite: bool, interval: bool = False) -> None:
    """Refuse a key that holds something scgenept did not write, or that no file can hold."""
    given: object = key
    if not isinstance(given, str) or "/" in key or not key:
        msg = f"key_added={key!r} cannot be stored: a key needs at least one character and no '/'."
        raise KeyTakenError(msg)
    record = predictions(adata).get(key)
    obsm_key, varm_key = _keys.embedding_obsm(key), _keys.interval_varm(key)
    taken = []
    if record is None:
        taken += [f"layers[{key!r}]"] * (key in adata.layers) + [f"obsm[{obsm_key!r}]"] * (obsm_key in adata.obsm)
    if interval and _keys.INTERVAL_SOURCE not in (record or {}):
        taken += [f"varm[{varm_key!r}]"] * (varm_key in adata.varm)
    if taken and not overwrite:
        msg = (
            f"{' and '.join(taken)} exists and was not written by scgenept, as far as uns says: "
            "choose another key_added=, or pass overwrite=True."
        )
        raise KeyTakenError(msg)


def predictions(adata: AnnData) -> Mapping[str, Any]:
    """Return the records of all predictions, by key."""
    records: Mapping[str, Any] = read_record(adata, _keys.PREDICTIONS) or {}
    return records


def check_room(adata: AnnData, n_input: int) -> None:
    """Warn where most of a large result would be NaN; refuse what memory cannot hold."""
    n_bytes = 4 * adata.n_obs * adata.n_vars
    available = available_memory()
    remedy = "Pass copy=True to get an AnnData of the input cells only."
    if available is not None and n_bytes > available:
        msg = f"The result needs {n_bytes / 1e9:.1f} GB and {available / 1e9:.1f} GB are free. {remedy}"
        raise DataError(msg)
    if n_bytes >= WARN_BYTES and n_input < adata.n_obs / 2:
        msg = (
            f"{adata.n_obs - n_input:,} of {adata.n_obs:,} rows of the result are NaN; it takes "
            f"{n_bytes / 1e9:.1f} GB. {remedy}"
        )
        warnings.warn(msg, UserWarning, stacklevel=3)


def write_prediction(
    adata: AnnData,
    key: str,
    rows: np.ndarray,
    values: np.ndarray,
    embedding: np.ndarray,
    record: Mapping[str, Any],
    *,
    started_from: Mapping[str, np.ndarray],
    interval: pd.DataFrame | None = None,
) -> None:
    """Write layer, embedding, interval and records of one prediction; rows that were not predicted are NaN."""
    layer, obsm = values, embedding
    if len(rows) < adata.n_obs:
        layer = np.full((adata.n_obs, values.shape[1]), np.nan, dtype=np.float32)
        obsm = np.full((adata.n_obs, embedding.shape[1]), np.nan, dtype=np.float32)
        layer[rows], obsm[rows] = values, embedding
    adata.layers[key] = layer
    adata.obsm[_keys.embedding_obsm(key)] = obsm
    varm_key = _keys.interval_varm(key)
    if interval is not None:
        adata.varm[varm_key] = interval
    elif _keys.INTERVAL_SOURCE in predictions(adata).get(key, {}):
        adata.varm.pop(varm_key, None)  # of the prediction that this one replaces
    write_record(adata, _keys.PREDICTIONS, {**predictions(adata), key: dict(record)})
    kept: Mapping[str, Any] = read_record(adata, _keys.STARTED_FROM) or {}
    write_record(adata, _keys.STARTED_FROM, {**kept, key: dict(started_from)})


def record_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values that every file format of AnnData can hold."""
    return {name: value if isinstance(value, (bool, int, float, str)) else str(value) for name, value in values.items()}


def unknown_genes(record: Mapping[str, Any]) -> set[str]:
    """Return the genes of a prediction that its model did not know."""
    return set(filter(None, str(record.get("unknown_genes", "")).split(", ")))
