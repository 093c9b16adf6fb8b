"""Which cells are controls: every function that needs to know reads it alike, and none guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.data.select import control_mask
from scgenept.data.setup import read_setup
from scgenept.evaluation.baselines._training import training_rows
from tests.tl.test_finetune import train
from tests.training.interrupted import cells
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

CALLS: dict[str, Callable[[AnnData], object]] = {
    "pair_controls": sgp.pp.pair_controls,
    "finetune": train,
    "predict": lambda adata: sgp.tl.predict_perturbation(adata, "KLF1", model="scgenept-mini"),
    "baseline": training_rows,
}


def half_known(adata: AnnData) -> AnnData:
    """Join cells that were never set up."""
    others = sgp.datasets.toy(rng=5)
    others.obs_names = [f"other-{name}" for name in others.obs_names]
    joined = ad.concat([adata, others], join="outer", uns_merge="first")
    for column in ("perturbation", "split"):
        joined.obs[column] = joined.obs[column].astype(object).where(joined.obs[column].notna(), "none")
    return joined


def as_objects(adata: AnnData) -> AnnData:
    joined = half_known(adata)
    column = joined.obs["is_control"].astype(object)
    joined.obs["is_control"] = column.where(column.notna(), np.nan)
    return joined


def as_texts(adata: AnnData) -> AnnData:
    adata.obs["is_control"] = adata.obs["is_control"].astype(str)
    return adata


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("spoil", "missing"), [(half_known, 60), (as_objects, 60), (as_texts, 0)], ids=["concat", "object", "text"]
)
def test_cells_that_may_be_controls_or_not_are_refused(
    spoil: Callable[[AnnData], AnnData], missing: int, call: Callable[[AnnData], object]
) -> None:
    adata = spoil(cells())
    message = (
        rf"True or False for each cell; it is .* with {missing} missing. Run scgenept.pp.setup_perturbations again"
    )
    with unchanged(adata), pytest.raises(DataError, match=message):
        call(adata)


@pytest.mark.parametrize("kind", [bool, "boolean", "category"])
def test_booleans_of_any_kind(kind: Any) -> None:
    adata = cells()
    expected = adata.obs["is_control"].to_numpy()
    adata.obs["is_control"] = pd.Series(expected, adata.obs_names).astype(kind)
    np.testing.assert_array_equal(control_mask(adata, read_setup(adata)), expected)
