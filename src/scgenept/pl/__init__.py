"""Figures. matplotlib is imported here and nowhere else in the package; every function returns its axes."""

from __future__ import annotations

from ._delta_scatter import delta_scatter
from ._embedding_shift import embedding_shift
from ._knowledge_map import knowledge_map
from ._response_heatmap import response_heatmap
from ._top_genes import top_genes

__all__ = ["delta_scatter", "embedding_shift", "knowledge_map", "response_heatmap", "top_genes"]
