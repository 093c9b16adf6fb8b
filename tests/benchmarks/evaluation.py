"""Seconds and peak memory of a full default report: 120 test perturbations x 5,000 genes x 40,000 cells, 10 % non-zero.

``python -m tests.benchmarks.evaluation``: split-half and bootstrap included, no sampling of genes or perturbations.
What is judged is a table, so that no network and no slow baseline is timed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgenept as sgp


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=40_000)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--test", type=int, default=120)
    parser.add_argument("--training", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    adata = experiment(arguments.cells, arguments.genes, arguments.test, arguments.training)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    test = sorted(set(adata.obs.loc[adata.obs["split"] == "test", "perturbation"]))
    rng = np.random.default_rng(1)
    mean = np.asarray(adata.X.mean(axis=0)).ravel()
    table = pd.DataFrame(
        np.abs(mean + rng.normal(0, 0.02, (len(test), adata.n_vars))), index=test, columns=adata.var_names
    )
    share = adata.X.nnz / np.prod(adata.shape)
    print(f"{adata.n_obs:,} cells x {adata.n_vars:,} genes, {share:.1%} non-zero, {len(test)} test perturbations")
    seconds = []
    for _ in range(arguments.repeats):
        start, busy = time.perf_counter(), time.process_time()
        report = sgp.tl.evaluate(adata, table)
        seconds.append(time.perf_counter() - start)
        print(f"{seconds[-1]:.1f} s, of the processor {time.process_time() - busy:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(report)
    print(f"median {statistics.median(seconds):.1f} s, spread {max(seconds) - min(seconds):.1f} s")
    print(f"peak memory of the process {peak / 1e6:.2f} GB, of it before {before / 1e6:.2f} GB (cells and making them)")


if __name__ == "__main__":
    main()
