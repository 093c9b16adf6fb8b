"""A small simulated screen: control, singles and pairs with changes of their own, set up and split."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgenept as sgp

TRAINING = ["G01", "G02", "G03", "G04", "G05", "G06", "G01+G02", "G03+G04"]
TEST = ["G07", "G08", "G09", "G01+G03", "G02+G04", "G05+G06", "G01+G07", "G02+G08", "G07+G08", "G09+G10"]


def screen(n_cells: int = 60, n_genes: int = 40, *, few: dict[str, int] | None = None, seed: int = 0) -> ad.AnnData:
    """Log1p cells in csr; ``few`` gives single labels another number of cells."""
    rng = np.random.default_rng(seed)
    genes = [f"G{i:02d}" for i in range(1, n_genes + 1)]
    base = rng.gamma(2.0, 0.5, n_genes)
    shared = np.where(rng.random(n_genes) < 0.2, rng.normal(0, 0.5, n_genes), 0)
    own = {gene: np.where(rng.random(n_genes) < 0.3, rng.normal(0, 0.8, n_genes), 0) for gene in genes[:10]}
    labels, rows = [], []
    for name in ["ctrl", *TRAINING, *TEST]:
        number = (few or {}).get(name, n_cells)
        log_rate = np.log(base) + sum((own[gene] for gene in name.split("+") if gene in own), np.zeros(n_genes))
        log_rate = log_rate + (0 if name == "ctrl" else shared)
        counts = rng.poisson(np.exp(log_rate) * 3, size=(number, n_genes)) + 1e-9
        # about a twentieth of the counts of a cell are of these genes
        share = np.linspace(0.0495, 0.0505, number)[:, None]
        rows.append(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4 * share))
        labels += [name] * number
    adata = ad.AnnData(sp.csr_matrix(np.concatenate(rows).astype(np.float32)), var=pd.DataFrame(index=genes))
    adata.obs["condition"] = pd.Categorical(labels)
    adata.obs["split"] = pd.Categorical(np.where(np.isin(labels, TEST), "test", "train"))
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    return adata


def observed(adata: ad.AnnData, names: list[str] = TEST) -> pd.DataFrame:
    """Pseudobulks by a plain loop."""
    values = adata.X.toarray().astype(float)
    labels = adata.obs["perturbation"].astype(str).to_numpy()
    return pd.DataFrame([values[labels == name].mean(axis=0) for name in names], index=names, columns=adata.var_names)
