"""Figures. matplotlib is imported here and nowhere else in the package; every function returns its axes."""

from __future__ import annotations

from ._calibration import calibration
from ._delta_scatter import delta_scatter
from ._embedding_shift import embedding_shift
from ._evaluation import evaluation
from ._knowledge_map import knowledge_map
from ._panels import Panels
from ._response_heatmap import response_heatmap
from ._split import split
from ._top_genes import top_genes
from ._training import training

__all__ = [
    "Panels",
    "calibration",
    "delta_scatter",
    "embedding_shift",
    "evaluation",
    "knowledge_map",
    "response_heatmap",
    "split",
    "top_genes",
    "training",
]
