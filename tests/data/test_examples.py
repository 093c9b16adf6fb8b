"""Examples: the numbers that a data set gives to a fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.data.examples import examples_from_adata
from scgenept.data.setup import read_setup
from tests.training.interrupted import cells

if TYPE_CHECKING:
    from anndata import AnnData

    from scgenept.data.examples import Examples


def examples(adata: AnnData, *, paired: bool = False) -> Examples:
    return examples_from_adata(adata, read_setup(adata), layer=None, with_controls=False, paired=paired)


def test_means_over_many_cells_are_exact() -> None:
    one = cells()
    adata = ad.concat([one] * 400, index_unique="-", uns_merge="first")
    assert adata.X.dtype == np.float32
    found = examples(adata)
    is_control = adata.obs["is_control"].to_numpy()
    expected = adata.X[is_control].toarray().astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(found.control_mean, expected, rtol=0, atol=1e-12)
    few = examples(one)
    np.testing.assert_allclose(found.training_mean, few.training_mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.training_change, few.training_change, rtol=0, atol=1e-12)


def test_pairs_of_an_earlier_setup_are_refused() -> None:
    adata = cells()
    adata.obs["condition"] = adata.obs["condition"].astype(str)
    mock = adata.obs_names[:12]
    adata.obs.loc[mock, "condition"] = "mock"
    sgp.pp.setup_perturbations(adata, key="condition", control=["ctrl", "mock"])
    sgp.pp.pair_controls(adata)
    examples(adata, paired=True)
    adata.obs["condition"] = adata.obs["condition"].replace("mock", "MAPK1")
    sgp.pp.setup_perturbations(adata, key="condition", control="ctrl")
    n_odd = adata.obs["control_cell"].isin(mock).groupby(adata.obs["control_cell"], observed=True).any().sum()
    with pytest.raises(DataError, match=rf"{n_odd} cells that .* are no control cells: .*Pair anew: scgenept.pp.pair"):
        examples(adata, paired=True)
    examples(adata)  # without pairs nothing is wrong
    sgp.pp.pair_controls(adata)
    examples(adata, paired=True)
