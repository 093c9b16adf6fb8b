"""Where golden numbers lie: small copies in the repository, all of them in the shared folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

COPIES = Path(__file__).parent / "data" / "golden"
SHARED = Path(os.environ.get("SCGENEPT_SHARED", Path(__file__).parents[2] / "shared")) / "golden"

N_TOKENS, PAD_ID, N_HEADS = 60, 24, 4
"""Sizes of the tiny networks the original code was run on."""

# Original model type without "_gpt", "_concat" and "_avg" -> our variant, where stripping is not enough.
TYPO_VARIANTS = {"scgenept_ncbi_scgpt_counts": "scgpt_counts", "go_f_scgpt_counts": "scgpt_counts"}


def archives(kind: str) -> list[Path]:
    """Every archive of a kind ("forward" or "train"), shared ones where they are, else the copies."""
    found = {path.name: path for folder in (COPIES, SHARED) for path in sorted((folder / kind).glob("*.npz"))}
    return list(found.values())


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an archive, and leave no file open."""
    with np.load(path) as archive:
        return dict(archive)


def tensors(archive: dict[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    """The arrays under a prefix, as tensors by their bare names."""
    return {name.removeprefix(prefix): torch.from_numpy(archive[name]) for name in archive if name.startswith(prefix)}


def our_variant(original: str) -> str:
    """Our name of an original model type."""
    bare = original
    for part in ("_concat", "_avg", "_gpt"):
        bare = bare.replace(part, "")
    return TYPO_VARIANTS.get(bare, bare)
