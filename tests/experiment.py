"""An experiment small enough to make in a test: control cells, and perturbations of the genes of the small model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgenept as sgp
from tests.small import GENES, log_cells, small_model

if TYPE_CHECKING:
    from scgenept.weights.model import ScGenePT

TRAIN = [*GENES[:6], "GENE00+GENE01"]
VAL = [*GENES[6:18], "GENE00+GENE02", "GENE01+GENE03", "GENE04+GENE18"]
TEST = [*GENES[19:24], "GENE02+GENE03", "GENE05+GENE25", "GENE26+GENE27"]
N_CONTROLS, N_CELLS = 20, 4


def trained_model(seed: int = 0, **card: object) -> ScGenePT:
    """A small model whose card says that it was trained on ``TRAIN``; other seeds have other weights."""
    model = small_model(**{"training": {"train": TRAIN, "val": [], "test": []}, **card})
    if seed:
        rng = np.random.default_rng(seed)
        state = model.network.state_dict()
        noisy = {name: tensor + 0.05 * float(rng.normal()) for name, tensor in state.items() if name.endswith("bias")}
        model.network.load_state_dict({**state, **noisy})
    return model


def experiment(modality: str = "CRISPRa") -> ad.AnnData:
    """20 control cells and 4 of each perturbation, set up and split; the first gene of a pair goes up."""
    labels = ["control"] * N_CONTROLS + [name for name in [*TRAIN, *VAL, *TEST] for _ in range(N_CELLS)]
    values = log_cells(len(labels))
    for row, label in enumerate(labels):
        if label != "control":
            values[row, GENES.index(label[:6])] += 1
    values = np.expm1(values)
    values = np.log1p(values / values.sum(axis=1, keepdims=True) * 1e4)
    obs = pd.DataFrame({"condition": labels}, index=[f"cell{i}" for i in range(len(labels))])
    adata = ad.AnnData(sp.csr_matrix(values), obs=obs, var=pd.DataFrame(index=GENES))
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality=modality, cell_type="K562")
    part = {name: part for part, names in (("train", TRAIN), ("val", VAL), ("test", TEST)) for name in names}
    adata.obs["split"] = adata.obs["perturbation"].astype(str).map(part).fillna("train")
    return adata
