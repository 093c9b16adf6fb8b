"""Preprocessing: read labels, prepare values, match gene names, split, pair with controls, rank genes."""

from __future__ import annotations

from ..data.splits.options import SplitOptions
from ._match_genes import match_genes
from ._pair_controls import pair_controls
from ._prepare import prepare
from ._rank_de_genes import rank_de_genes
from ._setup_perturbations import setup_perturbations
from ._split import split

__all__ = [
    "SplitOptions",
    "match_genes",
    "pair_controls",
    "prepare",
    "rank_de_genes",
    "setup_perturbations",
    "split",
]
