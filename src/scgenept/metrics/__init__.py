"""Scores of predicted against observed pseudobulks, perturbations x genes. See :mod:`scgenept.evaluation.scores`."""

from __future__ import annotations

from ..evaluation.scores import (
    centroid_accuracy,
    collapse_ratio,
    mse,
    pds_cosine,
    pearson,
    pearson_delta,
    pearson_delta_ref_mean,
    wmse,
)

__all__ = [
    "centroid_accuracy",
    "collapse_ratio",
    "mse",
    "pds_cosine",
    "pearson",
    "pearson_delta",
    "pearson_delta_ref_mean",
    "wmse",
]
