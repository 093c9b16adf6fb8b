"""Models: list, load, read other people's checkpoints, cite; :mod:`.baselines` are models without a network."""

from __future__ import annotations

from ..weights.card import Card
from ..weights.model import ScGenePT
from . import baselines
from ._available import available
from ._cite import cite
from ._from_checkpoint import from_checkpoint
from ._load import load, load_default, load_pretrained

__all__ = [
    "Card",
    "ScGenePT",
    "available",
    "baselines",
    "cite",
    "from_checkpoint",
    "load",
    "load_default",
    "load_pretrained",
]
