"""Predictions that need no network. A model that does not beat them has learned nothing special.

One interface, :class:`Baseline`: ``fit(adata)`` or ``fit_pseudobulks(training, control)``, then ``predict`` or
``predict_pseudobulks``. :func:`scgenept.models.baselines.available` lists them with their formulas and sources.

Mean and additive beat or tie every published deep model on Pearson delta (Ahlmann-Eltze et al., Nat Methods 2025).
"""

from __future__ import annotations

from ._base import Baseline
from ._catalog import CATALOG, DEFAULT, Entry
from ._constant import Mean, MeanCells, NoChange, Random
from ._embeddings import EmbeddingLike, GeneVectors, gene_pca, go_pca, mini_text
from ._gaussian_process import GaussianProcess
from ._gears import GEARS
from ._linear import Linear
from ._regression import NearestNeighbours, RandomForest, Ridge
from ._targets import Additive, MatchingMean, TargetMean

__all__ = [
    "CATALOG",
    "DEFAULT",
    "GEARS",
    "Additive",
    "Baseline",
    "EmbeddingLike",
    "Entry",
    "GaussianProcess",
    "GeneVectors",
    "Linear",
    "MatchingMean",
    "Mean",
    "MeanCells",
    "NearestNeighbours",
    "NoChange",
    "Random",
    "RandomForest",
    "Ridge",
    "TargetMean",
    "gene_pca",
    "go_pca",
    "mini_text",
]
