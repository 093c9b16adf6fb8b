"""Seconds to fit each baseline to 200 perturbations x 5,000 genes and to predict 100.

With two threads on cores that others use, the small matrices of linear and gp take many times as long as with
``OMP_NUM_THREADS=1``.

The data are simulated: 40 latent axes of genes, changes bilinear in them, noise. Targets are measured genes, 60 of the
200 perturbations are pairs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgenept.models import baselines

from ..measure import memory, table

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Baselines: seconds to fit and to predict 100 perturbations"


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


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    n_perturbations, n_genes = (30, 200) if options.quick else (200, 5000)
    label = f"{n_perturbations} x {n_genes:,}"
    return [{"label": label, "perturbations": n_perturbations, "genes": n_genes, "notes": []}]


def run(settings: dict[str, Any]) -> dict[str, Any]:
    """Time each baseline once."""
    training, control, n_cells, wanted = simulated(settings["perturbations"], settings["genes"])
    seconds: dict[str, tuple[float, float]] = {}

    def all_of_them() -> None:
        for name in baselines.available().query("extra == ''")["name"]:
            start = time.perf_counter()
            fitted = baselines.load(name).fit_pseudobulks(training, control, n_cells=n_cells)
            middle = time.perf_counter()
            fitted.predict_pseudobulks(wanted)
            seconds[name] = (middle - start, time.perf_counter() - middle)

    return {"memory": memory.peak_of(all_of_them), "seconds": seconds, "notes": settings["notes"]}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    each = {"perturbations x genes": settings["label"]}
    found = [
        each | {"baseline": name, "fit": table.seconds(fit), "predict": table.seconds(predict)}
        for name, (fit, predict) in result["seconds"].items()
    ]
    total = sum(map(sum, result["seconds"].values()))
    return [
        *found,
        each | {"baseline": f"all: {table.megabytes(result['memory']['peak_mb'])}", "fit": table.seconds(total)},
    ]
