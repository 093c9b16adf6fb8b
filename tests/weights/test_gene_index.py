"""Genes that training and new data call by different names."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept.genes.aliases import alias_table
from scgenept.weights.gene_index import GeneIndex
from scgenept.weights.model import ScGenePT
from tests.small import log_cells, small_model

ENSEMBL = {
    symbol: ids[0]
    for symbol, names in alias_table().names.items()
    if len(ids := [name for name in names if name.startswith("ENSG")]) == 1
    and alias_table().symbols_of(ids[0]) == (symbol,)
}
SYMBOLS = ["MAP3K21", "TMSB4X", *[symbol for symbol in ENSEMBL if symbol not in {"MAP3K21", "TMSB4X"}][:38]]
IDS = [ENSEMBL[symbol] for symbol in SYMBOLS]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_gene_is_found_under_another_name(*, reverse: bool) -> None:
    asked, listed = (IDS, SYMBOLS) if reverse else (SYMBOLS, IDS)
    index = GeneIndex(small_model(SYMBOLS), listed)
    np.testing.assert_array_equal(index.positions([*asked[::-1], "NOVEL"]), [*range(39, -1, -1), -1])


def test_names_that_mean_no_token_are_found_as_they_are() -> None:
    index = GeneIndex(small_model(SYMBOLS), ["NOVEL", "PTMB4", "TB4X"])
    # both mean TMSB4X, so in the list neither does; each alone is asked for by its name
    assert index.positions(["NOVEL", "OTHER"]).tolist() == [0, -1]
    assert index.positions(["PTMB4"]).tolist() == [1]


def test_official_models_know_the_exact_names_only() -> None:
    index = GeneIndex(small_model(SYMBOLS, token_mapping="v1"), [*IDS, "TMSB4X"])
    assert index.positions(["MAP3K21", "TMSB4X", IDS[0]]).tolist() == [-1, 40, 0]


def test_predictions_with_symbols_from_a_model_trained_on_ensembl_ids_are_in_its_domain() -> None:
    made = small_model(SYMBOLS, training={"train": ["ctrl", "KIAA1804", "TMSB4X"]})
    mean = dict(zip(IDS, log_cells().mean(axis=0).tolist(), strict=True))
    model = ScGenePT(made.network, made.vocabulary, made.card, genes=IDS, control_mean=mean)
    adata = ad.AnnData(log_cells(), var=pd.DataFrame(index=SYMBOLS))
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    sgp.tl.predict_perturbation(adata, "MAP3K21", model=model)  # a warning would be an error
    record = sgp.get.record(adata, "MAP3K21")
    assert record["genes_in_training"] == 1.0
    assert record["control_correlation"] == pytest.approx(1.0)
    assert record["unseen_targets"] == ""
    with pytest.warns(UserWarning, match=f"{SYMBOLS[5]} was never perturbed"):
        sgp.tl.predict_perturbation(adata, SYMBOLS[5], model=model)
