"""Examples: the numbers that a data set gives to a fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.data.examples import examples_from_adata
from scgenept.data.setup import read_setup
from tests.training.interrupted import cells
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

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


def with_zeros(values: sp.csr_matrix) -> sp.csr_matrix:
    """Store every zero too, and the values of a cell from the last gene to the first."""
    n_cells, n_genes = values.shape
    backwards = values.toarray()[:, ::-1].ravel()
    genes = np.tile(np.arange(n_genes)[::-1], n_cells)
    return sp.csr_matrix((backwards, genes, np.arange(n_cells + 1) * n_genes), shape=values.shape)


@pytest.mark.parametrize(
    "kind", [with_zeros, sp.csc_matrix, sp.csr_array, lambda x: x.toarray(), lambda x: x.astype(np.float64)]
)
def test_the_digest_is_of_the_values_not_of_their_storage(kind: Callable[[sp.csr_matrix], Any]) -> None:
    adata = cells()
    before = examples(adata).digest
    adata.X = kind(adata.X)
    with unchanged(adata):
        assert examples(adata).digest == before


@pytest.mark.parametrize("what", ["gene", "value", "label", "split", "is_control", "context"])
def test_the_digest_is_of_all_that_a_training_sees(what: str) -> None:
    adata = cells()
    before = examples(adata).digest
    if what == "gene":
        adata.var_names = ["OTHER", *adata.var_names[1:]]
    elif what == "value":
        adata.X[0, adata.X.indices[0]] += 1e-3
    elif what == "context":
        adata.obs["batch"] = ["one", "two"] * 30
        sgp.pp.pair_controls(adata, by="batch")
    else:
        column = {"label": "perturbation"}.get(what, what)
        values = adata.obs[column].tolist()
        others = [i for i, value in enumerate(values) if value != values[-1] and not adata.obs["is_control"].iloc[i]]
        values[-1] = not values[-1] if what == "is_control" else values[others[0]]
        adata.obs[column] = values
    assert examples(adata).digest != before


def test_the_digest_knows_frozen_pairs() -> None:
    digests = []
    for seed in (0, 1):
        adata = cells()
        sgp.pp.pair_controls(adata, rng=seed)
        digests.append((examples(adata).digest, examples(adata, paired=True).digest))
    (drawn, first), (drawn_too, second) = digests
    assert drawn == drawn_too
    assert len({drawn, first, second}) == 3


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
