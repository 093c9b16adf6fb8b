"""The network: a transformer that knows nothing of AnnData and needs nothing but torch."""

from __future__ import annotations

from .attention import attention
from .config import LanguageSource, NetworkConfig
from .network import Body, GeneEmbedding, Network
from .variants import VARIANTS, Variant

__all__ = [
    "VARIANTS",
    "Body",
    "GeneEmbedding",
    "LanguageSource",
    "Network",
    "NetworkConfig",
    "Variant",
    "attention",
]
