"""Seconds and peak memory of a full default report: 120 test perturbations x 5,000 genes x 40,000 cells, 10 % non-zero.

Split-half and bootstrap included, no sampling of genes or perturbations. What is judged is a table, so that no network
and no slow baseline is timed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgenept as sgp

from ..measure import memory, table
from ..measure.timing import interleaved

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Evaluation: a full default report"


def experiment(n_cells: int, n_genes: int, n_test: int, n_training: int, density: float = 0.1) -> ad.AnnData:
    """Simulated cells: singles for training, pairs and singles for test, each with changes of its own."""
    rng = np.random.default_rng(0)
    genes = [f"GENE{i}" for i in range(n_genes)]
    singles = genes[: n_training + n_test // 2]
    pairs = [f"{a}+{b}" for a, b in list(pairwise(singles))[: n_test - n_test // 2]]
    test = [*singles[n_training:], *pairs]
    names = ["ctrl", *singles, *pairs]
    share = np.full(len(names), 0.9 / (len(names) - 1))
    share[0] = 0.1
    labels = np.repeat(names, np.maximum(2, (share * n_cells).astype(int)))
    rate = density * rng.gamma(1.0, 1.0, n_genes).clip(0.05, 5)
    effect = rng.normal(0, 1, (len(names), n_genes)) * (rng.random((len(names), n_genes)) < 0.05)
    effect[0] = 0
    blocks = []
    for start in range(0, len(labels), 2000):
        part = labels[start : start + 2000]
        index = [names.index(label) for label in part]
        present = rng.random((len(part), n_genes)) < np.minimum(0.95, rate * np.exp(effect[index]))
        values = np.where(present, rng.gamma(4.0, 0.4, present.shape), 0).astype(np.float32)
        blocks.append(sp.csr_matrix(values))
    adata = ad.AnnData(sp.vstack(blocks, format="csr"), var=pd.DataFrame(index=genes))
    adata.X.data = np.minimum(adata.X.data, 5)
    adata.obs["condition"] = pd.Categorical(labels)
    adata.obs["split"] = np.where(np.isin(labels, test), "test", "train")
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="simulated")
    return adata


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    cells, genes, test, training = (4_000, 500, 20, 30) if options.quick else (40_000, 5_000, 120, 100)
    job = {"label": f"{cells:,} x {genes:,}, {test} test perturbations", "cells": cells, "genes": genes, "test": test}
    return [job | {"training": training, "repeats": 1 if options.quick else min(2, options.repeats), "notes": []}]


def run(settings: dict[str, Any]) -> dict[str, Any]:
    adata = experiment(settings["cells"], settings["genes"], settings["test"], settings["training"])
    test = sorted(set(adata.obs.loc[adata.obs["split"] == "test", "perturbation"]))
    rng = np.random.default_rng(1)
    mean = np.asarray(adata.X.mean(axis=0)).ravel()
    values = np.abs(mean + rng.normal(0, 0.02, (len(test), adata.n_vars)))
    judged = pd.DataFrame(values, index=test, columns=adata.var_names)
    peak = memory.peak_of(lambda: sgp.tl.evaluate(adata, judged))
    taken = interleaved({"report": lambda: sgp.tl.evaluate(adata, judged)}, settings["repeats"], warm_up=False)
    return {"seconds": taken, "memory": peak, "notes": settings["notes"]}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    timing, peak = result["seconds"]["report"], result["memory"]
    return [
        {
            "cells x genes": settings["label"],
            "time": table.seconds(timing["median"]),
            "spread": table.seconds(timing["spread"]),
            "peak memory": table.megabytes(peak["peak_mb"]),
            "of it for the report": table.megabytes(peak["above_mb"]),
        }
    ]
