"""Preprocessing: read labels, prepare values, match gene names, split, pair with controls."""

from __future__ import annotations

from ..data.splits.options import SplitOptions
from ._match_genes import match_genes
from ._pair_controls import pair_controls
from ._prepare import prepare
from ._setup_perturbations import setup_perturbations
from ._split import split

__all__ = ["SplitOptions", "match_genes", "pair_controls", "prepare", "setup_perturbations", "split"]
