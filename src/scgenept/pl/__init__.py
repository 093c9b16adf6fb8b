"""Figures. matplotlib is imported here and nowhere else in the package; every function returns its axes."""

from __future__ import annotations

from ._calibration import calibration
from ._evaluation import evaluation
from ._knowledge_map import knowledge_map
from ._panels import Panels
from ._split import split
from ._top_genes import top_genes
from ._training import training

__all__ = ["Panels", "calibration", "evaluation", "knowledge_map", "split", "top_genes", "training"]
