"""A folder laid out as GEARS leaves it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from pathlib import Path

CONDITIONS = {
    "ctrl": 9, "KLF1+ctrl": 4, "ctrl+KLF1": 3, "JUN+ctrl": 5, "ctrl+FOS": 4, "FOS+JUN": 3, "KLF1+JUN": 4, "FOS+KLF1": 3,
}  # fmt: skip
GENES = ["KLF1", "JUN", "FOS", *(f"GENE{i}" for i in range(22))]
IDS = [f"ENSG{i:011d}" for i in range(len(GENES))]
SPLIT = {
    "train": ["JUN+ctrl", "KLF1+ctrl", "ctrl+KLF1", "ctrl"],
    "val": ["KLF1+JUN"],
    "test": ["ctrl+FOS", "FOS+JUN", "FOS+KLF1"],
}
SUBGROUPS = {
    "test_subgroup": {
        "combo_seen0": [],
        "combo_seen1": ["FOS+JUN", "FOS+KLF1"],
        "combo_seen2": [],
        "unseen_single": ["ctrl+FOS"],
    },
    "val_subgroup": {"combo_seen0": [], "combo_seen1": [], "combo_seen2": ["KLF1+JUN"], "unseen_single": []},
}
STEM = "norman_simulation_1_0.75"


def gears_cells(cell_type: str = "A549") -> ad.AnnData:
    """Cells with what is odd in the public files: one wrong cell type, dense counts of whole numbers."""
    rng = np.random.default_rng(0)
    labels = [name for name, n in CONDITIONS.items() for _ in range(n)]
    rng.shuffle(labels)
    counts = rng.poisson(1.0, (len(labels), len(GENES)))
    counts[:, -1] += 1
    values = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
    names = [f"{cell_type}_{label}_{'1+1' if '+' in label else '1'}" for label in labels]
    obs = pd.DataFrame(
        {"condition": labels, "cell_type": cell_type, "condition_name": names},
        index=[f"cell{i}" for i in range(len(labels))],
    )
    adata = ad.AnnData(
        sp.csr_matrix(values),
        obs=obs.astype("category"),
        var=pd.DataFrame({"gene_name": GENES}, index=IDS),
        layers={"counts": counts},
    )
    adata.uns["top_non_dropout_de_20"] = {names[0]: np.array(IDS[:3], dtype=object)}
    return adata


def numpy_strings(split: dict[str, list[str]]) -> dict[str, list[str]]:
    """Every other condition as numpy's string, which is what GEARS leaves after it drew some."""
    return {part: [np.str_(name) if i % 2 else name for i, name in enumerate(names)] for part, names in split.items()}


def write_split(folder: Path, stem: str = STEM, split: object = None, subgroups: object = None) -> None:
    (folder / "splits").mkdir(exist_ok=True)
    (folder / "splits" / f"{stem}.pkl").write_bytes(pickle.dumps(split or numpy_strings(SPLIT)))
    if subgroups is None:
        subgroups = {name: numpy_strings(groups) for name, groups in SUBGROUPS.items()}
    (folder / "splits" / f"{stem}_subgroup.pkl").write_bytes(pickle.dumps(subgroups))


def write_folder(folder: Path, *, split: bool = True) -> ad.AnnData:
    """Write cells and a split; returns the cells as they were."""
    adata = gears_cells()
    folder.mkdir(parents=True)
    adata.write_h5ad(folder / "perturb_processed.h5ad")
    with h5py.File(folder / "perturb_processed.h5ad") as file:
        assert isinstance(file["layers/counts"], h5py.Dataset), "counts are stored densely"
    if split:
        write_split(folder)
    return adata
