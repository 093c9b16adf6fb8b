"""One hash for all tensors of a network, independent of file format."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_ROWS = 4096


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # Row blocks: a memory-mapped table is read through, never copied whole.
        for rows in torch.split(tensor, _ROWS) if tensor.dim() else (tensor,):
            digest.update(rows.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
