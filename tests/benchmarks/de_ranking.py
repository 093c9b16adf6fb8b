"""Seconds to rank the genes of every perturbation, beside scanpy's t-test and what cell-gears does with it.

All rank the same cells: 20,000 x 5,000, a tenth non-zero, 100 perturbations. Before anything is timed the top-20
lists must agree. cell-gears runs where it is installed; it ranks, then looks for dropouts. Runs are interleaved, so
that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import platform
import statistics
import time
import warnings
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp

import scgenept as sgp

if TYPE_CHECKING:
    from collections.abc import Callable


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--perturbations", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=pd.errors.PerformanceWarning)

    adata = cells(arguments.cells, arguments.genes, arguments.perturbations)
    if wrong := differing(adata):
        msg = f"{wrong} lists differ from scanpy's: nothing is timed"
        raise SystemExit(msg)
    calls: dict[str, Callable[[ad.AnnData], None]] = {"scgenept": ours, "scanpy": scanpys}
    if importlib.util.find_spec("gears"):
        calls["cell-gears"] = gears
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(arguments.repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call(adata)
            seconds[name].append(time.perf_counter() - start)
    print(f"{platform.processor() or platform.machine()}, {adata.n_obs:,} cells x {adata.n_vars:,} genes, lists agree")
    reference = statistics.median(seconds["scanpy"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<12} {median:6.2f} s  spread {max(times) - min(times):5.2f}  {median / reference:5.2f} of scanpy")


if __name__ == "__main__":
    main()
