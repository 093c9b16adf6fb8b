"""The cells of a data set, as dense rows on demand: from the device where they fit, else from host memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import torch

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp
    from torch import Tensor

SHARE_OF_FREE_MEMORY: Final = 0.25
"""The matrix may take this much of an accelerator's free memory; activations need the rest."""
_ROWS: Final = 4096


class Cells(Protocol):
    """Something that gives rows of a cells x genes matrix."""

    def take(self, rows: np.ndarray, genes: np.ndarray | None) -> Tensor:
        """Return rows x genes, log1p of counts per 1e4, float32, dense; ``None`` for all genes."""
        ...


class HostCells:
    """Rows of a csr matrix in host memory."""

    def __init__(self, values: sp.csr_matrix) -> None:
        self._values = values

    def take(self, rows: np.ndarray, genes: np.ndarray | None) -> Tensor:
        """Return rows x genes, float32, on the CPU."""
        dense = self._values[rows].toarray()
        return torch.from_numpy(dense if genes is None else dense.take(genes, axis=1))


class DeviceCells:
    """A dense matrix that lies on a device; rows and genes are gathered there.

    Parameters
    ----------
    values
        Cells x genes, csr.
    device, dtype
        Where and how to keep it.
    """

    def __init__(self, values: sp.csr_matrix, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self._table = torch.empty(values.shape, dtype=dtype, device=device)
        for start in range(0, values.shape[0], _ROWS):
            block = torch.from_numpy(values[start : start + _ROWS].toarray())
            self._table[start : start + _ROWS] = block.to(device=device, dtype=dtype)

    def take(self, rows: np.ndarray, genes: np.ndarray | None) -> Tensor:
        """Return rows x genes, float32, on the device."""
        found = self._table[torch.from_numpy(rows).to(self._table.device)]
        if genes is not None:
            found = found[:, torch.from_numpy(genes).to(self._table.device)]
        return found.float()


def cells_near(values: sp.csr_matrix, device: torch.device) -> Cells:
    """Keep a matrix as near to the device as its free memory allows.

    float32 where that fits, else float16 (log1p of counts per 1e4 is below 10, so 11 bits leave an error under 0.004),
    else the csr matrix in host memory. On the CPU the csr matrix is the nearest there is.
    """
    if device.type != "cuda":
        return HostCells(values)
    free = torch.cuda.mem_get_info(device)[0] * SHARE_OF_FREE_MEMORY
    n_values = values.shape[0] * values.shape[1]
    for dtype in (torch.float32, torch.float16):
        if n_values * dtype.itemsize <= free:
            return DeviceCells(values, device, dtype)
    return HostCells(values)
