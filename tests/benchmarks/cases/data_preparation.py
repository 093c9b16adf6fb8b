"""Seconds and memory to make data ready for training, beside what cell-gears 0.0.2 does for the same purpose.

Ours: labels, split and control pairs in the AnnData itself. Theirs: one graph per cell with its control, pickled, and
the split; their DE ranking is left out here. Each run is a process of its own, in turn; memory is the peak above the
loaded data. cell-gears runs where it is installed.
"""

from __future__ import annotations

import importlib.util
import itertools
import pickle
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..measure import memory, table
from ..measure.process import in_process
from ..measure.timing import summary

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Data preparation: labels, split, control pairs"


def made_up_cells(n_cells: int, n_genes: int, n_conditions: int) -> ad.AnnData:
    """Return random cells, a tenth non-zero: controls, singles, and as many pairs, labelled as GEARS labels them."""
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(n_genes)]
    singles = [f"{gene}+ctrl" for gene in genes[: n_conditions // 2]]
    pairs = [f"{a}+{b}" for a, b in itertools.pairwise(genes[: n_conditions // 2 + 1])]
    labels = np.array(["ctrl", *singles, *pairs])[rng.integers(0, n_conditions, n_cells)]
    adata = ad.AnnData(sp.random(n_cells, n_genes, density=0.1, format="csr", dtype=np.float32, random_state=0))
    adata.obs_names, adata.var_names = [f"cell{i}" for i in range(n_cells)], genes
    adata.obs["condition"] = pd.Categorical(labels)
    adata.obs["batch"] = pd.Categorical(rng.choice(["one", "two", "three"], n_cells))
    return adata


def ours(adata: ad.AnnData) -> None:
    import scgenept as sgp

    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    sgp.pp.split(adata, scheme="simulation", seed=1)
    sgp.pp.pair_controls(adata, by="batch")


def gears(adata: ad.AnnData) -> None:
    from gears import PertData

    with tempfile.TemporaryDirectory() as folder:
        data = PertData(folder)
        data.adata, data.dataset_name, data.dataset_path = adata, "made_up", folder
        data.ctrl_adata, data.gene_names = adata[adata.obs["condition"] == "ctrl"], adata.var_names
        graphs = data.create_dataset_file()
        with (Path(folder) / "cell_graphs.pkl").open("wb") as stream:
            pickle.dump(graphs, stream)
        data.prepare_split(split="simulation", seed=1)


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    cells, genes = (5_000, 1_000) if options.quick else (20_000, 5_000)
    job = {"label": f"{cells:,} x {genes:,}, 100 conditions", "cells": cells, "genes": genes, "conditions": 100}
    return [job | {"repeats": options.repeats, "notes": []}]


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Run each in turn, in a process of its own; theirs once, since it takes minutes."""
    repeats, notes = {"scgenept": settings["repeats"]}, list(settings["notes"])
    if importlib.util.find_spec("gears"):
        repeats["cell-gears"] = 1
    else:
        notes.append("cell-gears is not installed here")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in repeats}
    for i in range(max(repeats.values())):
        for name in [name for name, n in repeats.items() if i < n]:
            results[name].append(in_process("data_preparation", settings | {"who": name}))
    if failed := next((result for found in results.values() for result in found if "failed" in result), None):
        return failed
    return {
        "seconds": {name: summary([row["seconds"] for row in found]) for name, found in results.items()},
        "mb": {name: statistics.median(row["mb"] for row in found) for name, found in results.items()},
        "files": {name: found[0]["files"] for name, found in results.items()},
        "notes": notes,
    }


def run(settings: dict[str, Any]) -> dict[str, Any]:
    """Make the data and do one preparation."""
    adata = made_up_cells(settings["cells"], settings["genes"], settings["conditions"])
    if settings["who"] == "scgenept":
        import scgenept as sgp

        _ = sgp.pp.split  # the import itself is not the data
    else:
        import gears as _gears  # noqa: F401

        names = adata.obs["condition"].astype(str)
        adata.obs["condition_name"] = "cell_" + names
        adata.uns["rank_genes_groups_cov_all"] = {
            f"cell_{name}": adata.var_names[:20].to_numpy() for name in names.unique()
        }
    written: list[str] = []

    def watch(event: str, details: tuple[object, ...]) -> None:
        if event == "open" and isinstance(details[1], str) and set(details[1]) & set("wax+"):
            written.append(str(details[0]))

    sys.addaudithook(watch)
    seconds: list[float] = []

    def prepare() -> None:
        written.clear()
        start = time.perf_counter()
        {"scgenept": ours, "cell-gears": gears}[settings["who"]](adata)
        seconds.append(time.perf_counter() - start)

    peak = memory.peak_of(prepare)
    return {"seconds": seconds[0], "mb": peak["above_mb"], "files": len(written)}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    ours_median = result["seconds"]["scgenept"]["median"]
    return [
        {
            "cells x genes": settings["label"],
            "who": name,
            "time": table.seconds(timing["median"]),
            "spread": table.seconds(timing["spread"]),
            "time / ours": f"{timing['median'] / ours_median:.1f}",
            "memory above the data": table.megabytes(result["mb"][name]),
            "files written": str(result["files"][name]),
        }
        for name, timing in result["seconds"].items()
    ]
