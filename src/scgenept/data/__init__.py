"""Cells and values: checks, selections, pairs and writing; numpy, scipy and anndata only."""

from __future__ import annotations
