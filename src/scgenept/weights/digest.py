"""One hash for all tensors of a network, independent of file format."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from .._errors import CheckpointError
from .mapped import file_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_ROWS = 4096


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of all tensors, in the order of their names.

    What is a view of a file is read from the file: through its pages it would all become resident memory.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if (blocks := file_blocks(tensor)) is not None:
            for block in blocks:
                digest.update(block)
            continue
        for rows in torch.split(tensor, _ROWS) if tensor.dim() else (tensor,):
            digest.update(rows.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def require_sha256(tensors: Mapping[str, Tensor], expected: str, source: object) -> None:
    """Require tensors to be those of a hash; ``source`` is what the error message names."""
    if tensors_sha256(tensors) != expected:
        msg = f"{source} does not hold the weights that card.json names: copy or save the model again."
        raise CheckpointError(msg)
