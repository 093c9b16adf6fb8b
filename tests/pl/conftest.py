"""What tests of figures share: one small screen with predictions, and closed figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from scgenept import _keys
from tests.screens import screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anndata as ad

PAIR = "G01+G03"
PREDICTED = (PAIR, "G02+G04", "G07", "G01+G02")


@pytest.fixture(autouse=True)
def _figures_are_closed_and_rc_is_left_alone() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="session")
def _screen() -> ad.AnnData:
    adata = screen(n_cells=30)
    control = adata.obs[_keys.IS_CONTROL].to_numpy()
    values = adata.X.toarray()
    records = {}
    for i, name in enumerate(PREDICTED):
        truth = values[(adata.obs[_keys.PERTURBATION] == name).to_numpy()].mean(axis=0) - values[control].mean(axis=0)
        noise = np.random.default_rng(i).normal(0, 0.05, len(truth))
        layer = np.full(adata.shape, np.nan, dtype=np.float32)
        layer[control] = values[control] + 0.6 * truth + noise
        adata.layers[name] = layer
        records[name] = {
            "perturbation": name,
            "model": "test-model",
            "weight_hash": "0",
            "modality": "CRISPRa",
            "cell_type": "K562",
            "input_layer": "X",
        }
    adata.uns[_keys.UNS] = {**adata.uns[_keys.UNS], _keys.PREDICTIONS: records}
    return adata


@pytest.fixture
def cells(_screen: ad.AnnData) -> ad.AnnData:
    """30 control cells and 30 of each of 18 perturbations, split, with four predictions from the controls."""
    return _screen.copy()
