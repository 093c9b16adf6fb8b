"""The control cell that GEARS paired with each perturbed cell, read off the graphs of a PertData object."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import listing
from .._logging import logger
from .._version import VERSION
from ..data.records import write_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData


def graphs_of(data: Any) -> dict[str, list[Any]]:
    """Return the graphs of a PertData by condition; ``get_dataloader`` moves them from one attribute to others."""
    if graphs := getattr(data, "dataset_processed", None):
        return {str(name): list(items) for name, items in graphs.items()}
    found: dict[str, list[Any]] = {}
    loaders: Mapping[str, Any] = getattr(data, "dataloader", None) or {}
    for loader in loaders.values():
        for graph in loader.dataset:
            found.setdefault(str(graph.pert), []).append(graph)
    return found


def write_pairs(adata: AnnData, graphs: Mapping[str, Sequence[Any]], *, condition: str, control: str) -> None:
    """Write ``obs["control_cell"]``, the name of the control whose values each graph starts from, and the record.

    A graph holds values, not names: the control is found by its values, the first where several cells are equal. A
    condition whose graphs do not belong to its cells stays without pairs, and is logged.
    """
    labels = adata.obs[condition].astype(str).to_numpy()
    controls = np.flatnonzero(labels == control)
    of_values = {digest: int(row) for row, digest in reversed([*zip(controls, _digests(adata, controls), strict=True)])}
    position = np.full(adata.n_obs, -1, dtype=np.int64)
    foreign = []
    for name, items in graphs.items():
        rows = np.flatnonzero(labels == name)
        if name == control:
            continue
        observed = [_digest(graph.y.numpy()) for graph in items]
        sources = [of_values.get(_digest(graph.x[:, 0].numpy()), -1) for graph in items]
        if len(items) != len(rows) or observed != _digests(adata, rows) or -1 in sources:
            foreign.append(name)
            continue
        position[rows] = sources
    used, number = np.unique(position[position >= 0], return_inverse=True)
    codes = np.full(adata.n_obs, -1, dtype=np.int64)
    codes[position >= 0] = number
    names = pd.Index(adata.obs_names[used].astype(str), dtype=object)
    adata.obs[_keys.CONTROL_CELL] = pd.Categorical.from_codes(codes, categories=names)
    record = {"by": "", "seed": "gears", "n_pairs": len(number), "n_controls": len(used), "version": VERSION}
    write_record(adata, _keys.PAIRS, record)
    if foreign:
        logger.warning("Graphs of %d conditions belong to other cells: %s.", len(foreign), listing(foreign))


def _digests(adata: AnnData, rows: np.ndarray) -> list[bytes]:
    """Return a digest of the values of each cell."""
    found = []
    for start in range(0, len(rows), 1024):
        block = adata.X[rows[start : start + 1024]]
        found += [_digest(row) for row in (block.toarray() if hasattr(block, "toarray") else np.asarray(block))]
    return found


def _digest(values: Any) -> bytes:
    # Adding zero makes -0.0 and 0.0 the same bytes.
    return blake2b((np.asarray(values, dtype=np.float32).ravel() + 0.0).tobytes(), digest_size=16).digest()
