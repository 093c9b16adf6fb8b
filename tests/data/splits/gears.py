"""Splits that cell-gears 0.0.2 made, recorded: small copies in the repository, all of them in the shared folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np

import scgenept as sgp
from tests.golden_files import COPIES, SHARED

if TYPE_CHECKING:
    from pathlib import Path

COPY = COPIES / "splits" / "splits.json"
FILES = [COPY, *sorted((SHARED / "splits").glob("*.json"))]
OPTIONS = {"test_perts": "test_genes", "only_test_set_perts": "only_test_genes"}


def cases(path: Path) -> list[tuple[list[str], str, int, dict[str, Any], dict[str, Any]]]:
    """Labels in their order, scheme, seed, options under our names, and what the original returned."""
    found = []
    for content in json.loads(path.read_text()).values():
        for name, results in content["splits"].items() if "splits" in content else ():
            scheme, _, rest = name.partition("/seed")
            seed, _, extra = rest.partition("/")
            options = {OPTIONS.get(key, key): value for key, value in json.loads(extra or "{}").items()}
            if "test_genes" in options:
                options["test_genes"] = tuple(options["test_genes"].split("_"))
            # GEARS' door drops the result of simulation_single; its splitter gives it, for data without pairs.
            result = results["DataSplitter" if scheme == "simulation_single" else "prepare_split"]
            if not isinstance(result, str):
                found.append((content["conditions"], scheme, int(seed), options, result))
    return found


def with_cells(labels: list[str], n_cells: int = 2) -> ad.AnnData:
    """Some cells of each label, in this order, set up."""
    names = np.tile(np.array(labels, dtype=object), n_cells)
    adata = ad.AnnData(np.ones((len(names), 2), dtype=np.float32))
    adata.obs_names = [f"cell{i}" for i in range(len(names))]
    adata.obs["condition"] = names
    sgp.pp.setup_perturbations(adata, key="condition")
    return adata


def parts_of(adata: ad.AnnData, column: str = "split") -> dict[str, set[str]]:
    """Original labels by what a column says of their cells, left out where it says nothing."""
    table = adata.obs[["condition", column]].dropna()
    return {part: set(table.loc[table[column] == part, "condition"]) for part in table[column].unique()}
