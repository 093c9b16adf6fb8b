"""Placeholder until safe reading lands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pathlib import Path


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict with ``weights_only=True``."""
    return torch.load(path, weights_only=True, map_location="cpu", mmap=True)
