"""Every AnnData key the package writes or reads is spelled here and nowhere else.

Keys hold no ``/`` and everything stored under them survives ``write_h5ad`` and ``write_zarr``.
"""

from __future__ import annotations

from typing import Final

CONTROL: Final = "ctrl"
"""Canonical label of a control cell in ``obs["perturbation"]``."""

# obs
PERTURBATION: Final = "perturbation"
IS_CONTROL: Final = "is_control"
CONTROL_CELL: Final = "control_cell"
SPLIT: Final = "split"
SPLIT_SUBGROUP: Final = "split_subgroup"
SIMULATED: Final = "simulated"
N_WITHOUT_EMBEDDING: Final = "n_without_embedding"

# layers
COUNTS: Final = "counts"
CONTROL_LAYER: Final = "control"
STD: Final = "std"

# var
IN_TRAINING: Final = "in_training"
HIGHLY_VARIABLE: Final = "highly_variable"
MATCHED_GENE: Final = "matched_gene"
MATCHED_HOW: Final = "matched_how"

# varm: genes x perturbations, figures of observed pseudobulks
OBSERVED_MEAN: Final = "observed_mean"
OBSERVED_STD: Final = "observed_std"

# uns["scgenept"][...]
UNS: Final = "scgenept"
SETUP: Final = "setup"
SOURCE: Final = "source"
PREPARE: Final = "prepare"
PREDICTIONS: Final = "predictions"
STARTED_FROM: Final = "started_from"
OBSERVED: Final = "observed"
REPORT: Final = "report"
BASELINE: Final = "baseline"
MATCHES: Final = "gene_matches"
DE: Final = "de"
CORRECTIONS: Final = "corrections"
PAIRS: Final = "pairs"

# Fields of the record of a prediction
INPUT_LAYER: Final = "input_layer"
"""Layer that the prediction started from; empty for ``X``."""
# and of one that has an interval
INTERVAL_SOURCE: Final = "interval_source"
INTERVAL_LEVEL: Final = "interval_level"


def prediction_layer(perturbation: str) -> str:
    """Return the default ``layers`` key of a prediction: the canonical name of the perturbation."""
    return perturbation


def original_labels(key: str) -> str:
    """Return the ``obs`` key that keeps a user's labels where canonical ones took their place."""
    return f"{key}_original"


def subgroup_of(key: str) -> str:
    """Return the ``obs`` key of the subgroup that belongs to the split ``key``."""
    return f"{key}_subgroup"


def interval_varm(key: str) -> str:
    """Return the ``varm`` key of the interval that belongs to the prediction ``key``."""
    return f"{key}_interval"


def embedding_obsm(key: str) -> str:
    """Return the ``obsm`` key of the cell embedding that belongs to the prediction ``key``."""
    return f"X_{key}"
