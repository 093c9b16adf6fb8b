"""Compute the figures behind ``datasets.k562_mini()`` from the registry file ``norman_subset``.

Run once by a maintainer::

    python scripts/build_k562_mini.py [path/to/norman_mcfaline_subset.h5ad]

Only aggregates leave this script, never a cell: per-gene parameters of the control cells, pseudobulk means and
standard deviations of 33 perturbations and the control, and how well each effect repeats itself between random halves
of its cells. The same input gives the same files.

Control cells are described by a multivariate Poisson log-normal (Aitchison & Ho, Biometrika 1989): a cell of library
size L has Poisson counts with rates ``L * exp(z_g)``, z normal with a low-rank covariance. All parameters follow from
factorial moments, in closed form, and are then moved a little so that the mean and the standard deviation of
log values are the observed ones. With about 15 counted genes per cell and 100 cells, that is marginal statistics
plus the few strongest gene-gene correlations; it is no claim about single cells beyond these.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scgenept import Perturbation
from scgenept.datasets._k562_mini import ControlFigures, simulate_controls

OUT: Final = Path(__file__).parents[1] / "src" / "scgenept" / "datasets" / "data"
SOURCE: Final = "norman_subset"
TARGET_SUM: Final = 1e4
N_DRAWS: Final = 1000
N_FACTORS: Final = 4
MIN_CELLS_FOR_FACTORS: Final = 20

TEST_STRATA: Final = {
    # The only two of five pairs with both singles observed that share no gene with each other.
    "KLF1+MAP2K6": "combo_seen2",
    "MAPK1+TGFBR2": "combo_seen2",
    # Both genes occur nowhere else; of the two such pairs the one with more cells and the more repeatable effect.
    "CEBPE+RUNX1T1": "combo_seen0",
    # Of the 11 singles that occur in no pair, those whose effect repeats itself (split-half Pearson delta over 0.6):
    # on the others no method can be told from another. TMSB4X, the one target that is measured, stays in training.
    "FOXO4": "unseen_single",
    "IER5L": "unseen_single",
    "MIDN": "unseen_single",
    "NIT1": "unseen_single",
}
"""Held-out perturbations, chosen from the data alone before any network was trained."""


def main() -> None:
    """Read the cells, compute the figures, write three small files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        help="the file; fetched through the registry when left out",
    )
    path = parser.parse_args().path or fetch_source()
    log_values, labels, genes, library = read_norman(path)
    perturbations = sorted(set(labels) - {"ctrl"})

    rows = {name: log_values[labels == name] for name in [*perturbations, "ctrl"]}
    control = calibrate(fit_control(*to_counts(rows["ctrl"], library[labels == "ctrl"])), rows["ctrl"])
    repeatability = split_half(rows, perturbations)

    OUT.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        OUT / "k562_mini.npz",
        genes=np.asarray(genes),
        perturbations=np.asarray(list(rows)),
        observed_mean=np.stack([cells.mean(axis=0) for cells in rows.values()], axis=1).astype(np.float32),
        observed_std=np.stack([cells.std(axis=0, ddof=1) for cells in rows.values()], axis=1).astype(np.float32),
        **{key: value.astype(np.float32) for key, value in vars(control).items()},
    )
    observed_table(rows, repeatability).to_csv(
        OUT / "k562_mini.tsv",
        sep="\t",
        index=False,
        float_format="%.4f",
        lineterminator="\n",
    )
    provenance = {
        "source": SOURCE,
        "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "script": "scripts/build_k562_mini.py",
        "cells": "norman19: K562, CRISPRa (Norman et al., Science 2019; GEO GSE133344)",
        "licence": "BSD-3-Clause (perturbench); figures computed from it",
        "split_half_draws": N_DRAWS,
        "split_half_seed": 0,
    }
    (OUT / "k562_mini.json").write_text(json.dumps(provenance, indent=2) + "\n")


def fetch_source() -> Path:
    """Return the path of the registry's copy of the source file."""
    from scgenept.registry import fetch

    return fetch(f"{SOURCE}.h5ad")


def read_norman(path: Path) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Return log values (cells x genes), canonical labels, gene names and library sizes of the Norman part."""
    adata = ad.read_h5ad(path)
    adata = adata[adata.obs["dataset"] == "norman19"].copy()
    labels = [str(Perturbation.parse(label, control=("control",))) for label in adata.obs["perturbation"].astype(str)]
    log_values = sparse.csr_matrix(adata.X).toarray().astype(np.float64)
    return (
        log_values,
        np.asarray(labels),
        list(adata.var_names),
        adata.obs["ncounts"].to_numpy(float),
    )


def to_counts(log_values: np.ndarray, library: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undo ``log1p(1e4 * count / library)``: return counts (cells x genes) and the library sizes that were used.

    The stored ``ncounts`` are about 0.5 % above the sizes used for normalising (genes were filtered in between). The
    smallest value of a cell is one count, which gives its exact size.
    """
    scaled = np.expm1(log_values) * library[:, None] / TARGET_SUM
    one = np.where(scaled > 0, scaled, np.inf).min(axis=1)
    exact = np.where(np.abs(one - 1) < 0.05, one, np.median(one))
    counts = scaled / exact[:, None]
    if np.abs(counts - np.round(counts)).max() > 0.05:
        msg = "The values are not log1p of counts per 1e4; is this the right file?"
        raise ValueError(msg)
    return np.round(counts), library / exact


def fit_control(counts: np.ndarray, library: np.ndarray) -> ControlFigures:
    """Fit the Poisson log-normal by factorial moments."""
    rate = counts.sum(axis=0) / library.sum()
    safe = np.where(rate > 0, rate, np.inf)
    second = (library**2).sum()
    variance = np.log(np.maximum((counts * (counts - 1)).sum(axis=0) / (safe**2 * second), 1.0))

    factors = np.zeros((counts.shape[1], N_FACTORS))
    frequent = np.flatnonzero((counts > 0).sum(axis=0) >= MIN_CELLS_FOR_FACTORS)
    some = counts[:, frequent]
    product = (some.T @ some) / (np.outer(rate[frequent], rate[frequent]) * second)
    covariance = np.log(np.maximum(product, 0.2))
    np.fill_diagonal(covariance, variance[frequent])
    values, vectors = np.linalg.eigh(covariance)
    top = np.argsort(values)[::-1][:N_FACTORS]
    factors[frequent, : len(top)] = vectors[:, top] * np.sqrt(np.maximum(values[top], 0.0))
    # Where the factors explain more than a gene's own variance they are shrunk to it.
    explained = (factors**2).sum(axis=1)
    factors *= np.sqrt(np.minimum(1.0, variance / np.where(explained > 0, explained, np.inf)))[:, None]
    residual = np.sqrt(np.maximum(variance - (factors**2).sum(axis=1), 0.0))
    log_library = np.log(library)
    return ControlFigures(
        rate,
        factors,
        residual,
        np.asarray([log_library.mean(), log_library.std(ddof=1)]),
    )


def calibrate(
    control: ControlFigures,
    log_values: np.ndarray,
    *,
    n_cells: int = 4000,
    n_rounds: int = 40,
) -> ControlFigures:
    """Move rates and spreads of frequent genes until simulated log values have the observed mean and deviation.

    Moments of counts do not give those of logs where a gene is not log-normal (H4C3 is on in S phase and off in G1).
    """
    frequent = (log_values > 0).sum(axis=0) >= MIN_CELLS_FOR_FACTORS
    mean, std = (
        log_values.mean(axis=0)[frequent],
        log_values.std(axis=0, ddof=1)[frequent],
    )
    for _ in range(n_rounds):
        cells = simulate_controls(control, n_cells, np.random.default_rng(0))[:, frequent]
        # An increase of log rate by e raises log1p(x) by e x / (1 + x).
        slope = -np.expm1(-cells).mean(axis=0)
        rate, stretch = control.rate.copy(), np.ones(len(frequent))
        rate[frequent] *= np.exp(0.5 * np.clip((mean - cells.mean(axis=0)) / slope, -0.5, 0.5))
        stretch[frequent] = np.clip(np.sqrt(std / cells.std(axis=0)), 0.8, 1.25)
        control = replace(
            control,
            rate=rate,
            factors=control.factors * stretch[:, None],
            residual=control.residual * stretch,
        )
    return control


def split_half(rows: dict[str, np.ndarray], perturbations: list[str]) -> dict[str, dict[str, float]]:
    """Average over random halvings of the scores of one half against the other, each with its own half of controls.

    Half the cells are noisier than all of them, so this understates what a full replicate would reach.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    train = np.asarray([name not in TEST_STRATA for name in perturbations])
    keys = ("mse", "pearson_delta", "pearson_delta_ref_mean")
    total = np.zeros((len(keys), len(perturbations)))
    for _ in range(N_DRAWS):
        half_a, half_b = {}, {}
        for name, cells in rows.items():
            order = rng.permutation(len(cells))
            middle = len(cells) // 2
            half_a[name], half_b[name] = (
                cells[order[:middle]].mean(axis=0),
                cells[order[middle:]].mean(axis=0),
            )
        a, b = (np.stack([half[name] for name in perturbations]) for half in (half_a, half_b))
        total[0] += ((a - b) ** 2).mean(axis=1)
        total[1] += row_correlation(a - half_a["ctrl"], b - half_b["ctrl"])
        total[2] += row_correlation(a - a[train].mean(axis=0), b - b[train].mean(axis=0))
    return {
        name: dict(zip(keys, column, strict=True))
        for name, column in zip(perturbations, total.T / N_DRAWS, strict=True)
    }


def row_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation of each row of ``a`` with the same row of ``b``."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def observed_table(rows: dict[str, np.ndarray], repeatability: dict[str, dict[str, float]]) -> pd.DataFrame:
    """One row per perturbation: cells, split, stratum, split-half scores."""
    return pd.DataFrame(
        [
            {
                "perturbation": name,
                "n_cells": len(rows[name]),
                "split": "test" if name in TEST_STRATA else "train",
                "stratum": TEST_STRATA.get(name, "train"),
                **{f"split_half_{key}": value for key, value in scores.items()},
            }
            for name, scores in repeatability.items()
        ]
    )


if __name__ == "__main__":
    main()
