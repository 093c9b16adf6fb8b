"""The same numbers in every storage that an AnnData may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from pathlib import Path

STORAGES = ["numpy", "csr", "csc", "csr_array", "csc_array", "numpy backed", "csr backed", "csc backed"]
IN_MEMORY = STORAGES[:5]
_MAKE = {
    "numpy": np.asarray,
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "csc_array": sp.csc_array,
}


def stored(values: np.ndarray, storage: str, folder: Path) -> Any:
    """``values`` in this storage; a backed one is read from a file in ``folder``."""
    kind, _, backed = storage.partition(" ")
    made = _MAKE[kind](values)
    if not backed:
        return made
    path = folder / f"{kind}.h5ad"
    ad.AnnData(made).write_h5ad(path)
    return ad.read_h5ad(path, backed="r").X
