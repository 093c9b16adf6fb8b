"""Seconds to rank the genes of every perturbation, beside scanpy's t-test and what cell-gears does with it.

All rank the same cells: 20,000 x 5,000, a tenth non-zero, 100 perturbations. Before anything is timed the top-20
lists must agree. cell-gears runs where it is installed; it ranks, then looks for dropouts. Runs are interleaved, so
that a busy machine is busy for all.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp

import scgenept as sgp

from ..measure import table
from ..measure.timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Evaluation: ranking the genes of every perturbation"


def cells(n_cells: int, n_genes: int, n_perturbations: int, density: float = 0.1) -> ad.AnnData:
    """Random cells in which each perturbation doubles thirty genes."""
    rng = np.random.default_rng(0)
    names = [f"G{i}" for i in range(n_genes)]
    labels = rng.integers(0, n_perturbations + 1, n_cells)
    values = sp.random(n_cells, n_genes, density, format="csr", dtype=np.float32, random_state=rng)
    values.data = (0.5 + 2 * values.data).astype(np.float32)
    moved = np.array([rng.permutation(n_genes) < 30 * (label > 0) for label in range(n_perturbations + 1)])
    rows = np.repeat(labels, np.diff(values.indptr))
    values.data[moved[rows, values.indices]] *= 2
    conditions = np.array(["ctrl", *(f"{name}+ctrl" for name in names[:n_perturbations])])[labels]
    obs = pd.DataFrame({"condition": conditions, "cell_type": "K562"}, index=[f"c{i}" for i in range(n_cells)])
    adata = ad.AnnData(values, obs=obs, var=pd.DataFrame({"gene_name": names}, index=names))
    sgp.pp.setup_perturbations(adata, key="condition")
    return adata


def ours(adata: ad.AnnData) -> None:
    sgp.pp.rank_de_genes(adata)


def scanpys(adata: ad.AnnData) -> None:
    sc.tl.rank_genes_groups(
        adata, "perturbation", reference="ctrl", method="t-test", rankby_abs=True, use_raw=False, n_genes=adata.n_vars
    )


def gears(adata: ad.AnnData) -> None:
    from gears.data_utils import get_DE_genes, get_dropout_non_zero_genes

    with contextlib.redirect_stdout(io.StringIO()):
        get_dropout_non_zero_genes(get_DE_genes(adata))


def differing(adata: ad.AnnData) -> int:
    """Perturbations whose top-20 lists differ between scanpy and us."""
    ours(adata)
    scanpys(adata)
    theirs = pd.DataFrame(adata.uns["rank_genes_groups"]["names"])
    mine = sgp.get.de_genes(adata).groupby("perturbation")["gene"].apply(list)
    return sum(mine[name] != theirs[name][:20].tolist() for name in theirs)


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    cells, genes, perturbations = (4_000, 1_000, 20) if options.quick else (20_000, 5_000, 100)
    job = {"label": f"{cells:,} x {genes:,}, {perturbations} perturbations", "repeats": options.repeats, "notes": []}
    return [job | {"cells": cells, "genes": genes, "perturbations": perturbations}]


def run(settings: dict[str, Any]) -> dict[str, Any]:
    warnings.filterwarnings("ignore", category=pd.errors.PerformanceWarning)
    adata = cells(settings["cells"], settings["genes"], settings["perturbations"])
    if wrong := differing(adata):
        msg = f"{wrong} lists differ from scanpy's: nothing is timed"
        raise SystemExit(msg)
    who: dict[str, Callable[[ad.AnnData], None]] = {"scgenept": ours, "scanpy": scanpys}
    notes = list(settings["notes"])
    if importlib.util.find_spec("gears"):
        who["cell-gears"] = gears
    else:
        notes.append("cell-gears is not installed here")
    calls = {name: lambda call=call: call(adata) for name, call in who.items()}
    return {"seconds": interleaved(calls, settings["repeats"], warm_up=False), "notes": notes}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    ours_median = result["seconds"]["scgenept"]["median"]
    return [
        {
            "cells x genes": settings["label"],
            "who": name,
            "time": table.seconds(timing["median"]),
            "spread": table.seconds(timing["spread"]),
            "time / ours": f"{timing['median'] / ours_median:.2f}",
        }
        for name, timing in result["seconds"].items()
    ]
