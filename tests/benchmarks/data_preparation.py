"""Seconds and memory to make data ready for training, beside what cell-gears 0.0.2 does for the same purpose.

    python -m tests.benchmarks.data_preparation [--cells 20000] [--genes 5000] [--repeats 5] [--gears-repeats 1]

Ours: labels, split and control pairs in the AnnData itself. Theirs: one graph per cell with its control, pickled, and
the split; their DE ranking is left out here. Each run is a process of its own, in turn; memory is the peak above the
loaded data. cell-gears runs where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp


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


def run(which: str, arguments: argparse.Namespace) -> None:
    """Make the data, do one preparation, and print what it took."""
    adata = made_up_cells(arguments.cells, arguments.genes, arguments.conditions)
    if which == "ours":
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
    before = memory(reset=True)
    written.clear()
    start = time.perf_counter()
    {"ours": ours, "gears": gears}[which](adata)
    seconds = time.perf_counter() - start
    n_files = len(written)
    print("RESULT" + json.dumps({"seconds": seconds, "mb": memory(reset=False) - before, "files": n_files}))


def memory(*, reset: bool) -> float:
    """Return megabytes: resident now, where the peak is reset, else the peak since; NaN where the system has none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS" if reset else "VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--conditions", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--gears-repeats", type=int, default=1)
    parser.add_argument("--run", choices=["ours", "gears"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments.run, arguments)
        return
    repeats = {"ours": arguments.repeats}
    if importlib.util.find_spec("gears"):
        repeats["gears"] = arguments.gears_repeats
    else:
        print("cell-gears is not installed here: ours alone")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in repeats}
    sizes = ["--cells", arguments.cells, "--genes", arguments.genes, "--conditions", arguments.conditions]
    for i in range(max(repeats.values())):
        for name in [name for name, n in repeats.items() if i < n]:
            command = [sys.executable, "-m", "tests.benchmarks.data_preparation", "--run", name, *map(str, sizes)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results[name].append(json.loads(done.stdout.rpartition("RESULT")[2]))
    print(
        f"{platform.processor() or platform.machine()}; {arguments.cells:,} cells x {arguments.genes:,} genes, a tenth",
        end=" ",
    )
    print(f"non-zero, {arguments.conditions} conditions; medians")
    for name, rows in results.items():
        seconds, mb, files = (statistics.median(row[key] for row in rows) for key in ("seconds", "mb", "files"))
        spread = max(row["seconds"] for row in rows) - min(row["seconds"] for row in rows)
        print(f"{name:<8} {seconds:8.2f} s (spread {spread:.2f}, n={len(rows)})  {mb:8.0f} MB above the data  ", end="")
        print(f"{files:.0f} files written")


if __name__ == "__main__":
    main()
