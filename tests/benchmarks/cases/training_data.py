"""Milliseconds that one training step spends on its data: 64 pairs on 1,536 genes, from host memory.

Random cells of which a tenth of the values is not zero, 100 perturbations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgenept.data.pairs import Pairs
from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.perturbation import Perturbation
from scgenept.training.batches import PairBatches, Share, TargetTokens
from scgenept.training.plan import TrainingPlan
from scgenept.training.step import GeneRows
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT

from ..measure import table
from ..measure.timing import interleaved

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Training: the data of one step"


def made_up_pairs(n_cells: int, n_genes: int, n_perturbations: int = 100) -> Pairs:
    """Return random cells of which a tenth of the values is not zero; 5 % are controls."""
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(n_genes)]
    values = sp.random(n_cells, n_genes, density=0.1, format="csr", dtype=np.float32, random_state=0)
    n_controls = n_cells // 20
    perturbations = [Perturbation.parse(genes[i]) for i in range(n_perturbations)]
    labels = rng.integers(n_perturbations, size=n_cells - n_controls)
    return Pairs.from_arrays(genes, values[:n_controls], values[n_controls:], perturbations, labels)


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    cells, genes = (5_000, 5_045) if options.quick else (20_000, 5_045)
    return [
        {"label": f"64 x 1,536 of {cells:,} x {genes:,}", "cells": cells, "genes": genes, "repeats": 50, "notes": []}
    ]


def run(settings: dict[str, Any]) -> dict[str, Any]:
    pairs = made_up_pairs(settings["cells"], settings["genes"])
    vocabulary = Vocabulary(pairs.genes).with_specials()
    config = VARIANTS["scgpt"].config(
        n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, d_model=8, n_heads=1, d_hidden=8, n_layers=1
    )
    model = ScGenePT(Network.initialised(config), vocabulary, Card("benchmark", token_mapping="v1"))
    tokens = TargetTokens(model, pairs)
    plan = TrainingPlan(genes_per_step=settings.get("sample", 1536))
    steps = PairBatches(pairs, tokens, GeneRows(model.network, tokens.all_ids()), plan, seed=0).training(0, 0, Share())
    taken = interleaved({"data": lambda: next(steps)}, settings["repeats"])
    return {"seconds": taken["data"], "notes": settings.get("notes", [])}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    timing = result["seconds"]
    return [
        {
            "pairs": settings["label"],
            "time": table.seconds(timing["median"]),
            "spread": table.seconds(timing["spread"]),
            "share of a step of 66 ms": f"{timing['median'] / (0.066 + timing['median']):.1%}",
        }
    ]
