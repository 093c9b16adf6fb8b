"""Seconds to fit each baseline to 200 perturbations x 5,000 genes and to predict 100.

With two threads on cores that others use, the small matrices of linear and gp take many times as long as with
``OMP_NUM_THREADS=1``.

The data are simulated: 40 latent axes of genes, changes bilinear in them, noise. Targets are measured genes, 60 of the
200 perturbations are pairs.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time

import numpy as np
import pandas as pd

from scgenept.models import baselines


def simulated(n_perturbations: int, n_genes: int) -> tuple[pd.DataFrame, pd.Series[float], pd.Series[int], list[str]]:
    """Return training pseudobulks, the control, numbers of cells and the perturbations to predict."""
    rng = np.random.default_rng(0)
    genes = [f"G{i:05d}" for i in range(n_genes)]
    axes = rng.normal(size=(n_genes, 40)) / 40**0.5
    middle = rng.normal(size=(40, 40)) / 10
    control = pd.Series(rng.gamma(1.0, 0.5, n_genes), index=genes)
    n_pairs = n_perturbations * 3 // 10
    names = genes[: n_perturbations - n_pairs]
    names += [f"{a}+{b}" for a, b in zip(names[:n_pairs], names[n_pairs:], strict=False)]
    at = dict(zip(genes, axes, strict=True))
    changes = np.array([sum(at[gene] for gene in name.split("+")) for name in names]) @ middle @ axes.T
    values = control.to_numpy() + changes + rng.normal(0, 0.05, (n_perturbations, n_genes))
    n_cells = pd.Series(rng.integers(20, 500, n_perturbations), index=names)
    return pd.DataFrame(values, index=names, columns=genes), control, n_cells, genes[-100:]


def main() -> None:
    """Time each baseline once and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--perturbations", type=int, default=200)
    parser.add_argument("--genes", type=int, default=5000)
    arguments = parser.parse_args()
    training, control, n_cells, wanted = simulated(arguments.perturbations, arguments.genes)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {training.shape[0]} perturbations x {training.shape[1]} genes"
    )
    total = 0.0
    for name in baselines.available().query("extra == ''")["name"]:
        start = time.perf_counter()
        fitted = baselines.load(name).fit_pseudobulks(training, control, n_cells=n_cells)
        middle = time.perf_counter()
        fitted.predict_pseudobulks(wanted)
        end = time.perf_counter()
        total += end - start
        print(f"{name:<15} fit {middle - start:7.2f} s   predict {end - middle:6.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'all':<15}     {total:7.2f} s   peak memory {peak:.1f} GB")


if __name__ == "__main__":
    main()
