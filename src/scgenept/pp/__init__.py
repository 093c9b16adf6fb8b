"""Preprocessing: read labels, prepare values, match gene names, rank genes."""

from __future__ import annotations

from ._match_genes import match_genes
from ._prepare import prepare
from ._rank_de_genes import rank_de_genes
from ._setup_perturbations import setup_perturbations

__all__ = ["match_genes", "prepare", "rank_de_genes", "setup_perturbations"]
