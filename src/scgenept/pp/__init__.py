"""Preprocessing: read labels, prepare values, match gene names."""

from __future__ import annotations

from ._match_genes import match_genes
from ._prepare import prepare
from ._setup_perturbations import setup_perturbations

__all__ = ["match_genes", "prepare", "setup_perturbations"]
