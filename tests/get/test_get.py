"""get: results without spelling a key."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc

import scgenept as sgp
from scgenept._errors import DataError, UnknownNameError
from tests.small import small_model
from tests.tl.test_predict_perturbation import ENGINE, cells, with_controls


def test_predicted_cells_go_on_in_scanpy() -> None:
    adata = with_controls()
    sgp.tl.predict_perturbation(adata, "GENE05+GENE03", model=small_model(), engine=ENGINE)
    response = sgp.get.predicted(adata, "GENE05+GENE03")
    assert response.shape == (20, 40)
    np.testing.assert_array_equal(response.X, adata.layers["GENE03+GENE05"][:20])
    np.testing.assert_array_equal(response.layers["control"].toarray(), adata.X[:20].toarray())
    assert response.obsm["X_GENE03+GENE05"].shape == (20, 16)
    sc.pp.pca(response, n_comps=5)
    sc.pp.neighbors(response, n_neighbors=5, method="gauss", transformer="sklearn")  # the others are compiled first
    assert response.obsp["distances"].shape == (20, 20)
    response.X[:] = 0
    assert adata.layers["GENE03+GENE05"][:20].any()


def test_genes_that_the_model_does_not_know_come_last() -> None:
    adata = cells()
    adata.var_names = [*adata.var_names[:38], "NOVEL1", "NOVEL2"]
    with pytest.warns(UserWarning, match="2 of 40 genes are unknown"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)
    table = sgp.get.predictions(adata, "GENE03")
    assert set(table.loc[~table["is_known"], "gene"]) == {"NOVEL1", "NOVEL2"} == set(table["gene"].tail(2))
    assert table["delta"].head(38).abs().is_monotonic_decreasing
    assert table["delta"].abs().iloc[38] > table["delta"].abs().iloc[20]  # else the order would say nothing


def test_one_row_per_gene() -> None:
    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03+OUTA", model=small_model(), engine=ENGINE)
    table = sgp.get.predictions(adata, "GENE03+OUTA").set_index("gene")
    assert len(table) == 40
    assert table["delta"].abs().is_monotonic_decreasing
    layer = adata.layers["GENE03+OUTA"]
    for i, gene in enumerate(adata.var_names):
        control, predicted = float(adata.X[:, i].mean()), float(layer[:, i].astype(float).mean())
        assert table.loc[gene, "control_mean"] == pytest.approx(control, rel=1e-5)
        assert table.loc[gene, "predicted_mean"] == pytest.approx(predicted)
        assert table.loc[gene, "delta"] == pytest.approx(predicted - control, abs=1e-6)
        assert table.loc[gene, "predicted_std"] == pytest.approx(layer[:, i].astype(float).std(ddof=1))
    assert table.index[table["is_target"]].tolist() == ["GENE03"]


def test_mudata_holds_one_modality_per_prediction() -> None:
    adata, model = cells(), small_model()
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, obs_mask=np.arange(30) < 20)
    sgp.tl.predict_perturbation(adata, "GENE04", model=model, engine=ENGINE, obs_mask=np.arange(30) >= 10)
    mdata = sgp.get.mudata(adata)
    assert mdata.n_obs == 10
    assert list(mdata.mod) == ["GENE03", "GENE04"]
    assert mdata["GENE04"].var["gene"].tolist() == adata.var_names.tolist()
    np.testing.assert_array_equal(mdata["GENE03"].X, adata.layers["GENE03"][10:20])
    assert list(sgp.get.mudata(adata, ["GENE04"]).mod) == ["GENE04"]


def test_changes_over_scaled_expression_are_refused() -> None:
    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)
    adata.X = adata.X.toarray()
    sc.pp.scale(adata)
    for read in (sgp.get.predicted, sgp.get.predictions):
        with pytest.raises(DataError, match="X is no longer the log1p expression that the prediction started from"):
            read(adata, "GENE03")


def test_what_is_not_there() -> None:
    adata = cells()
    with pytest.raises(UnknownNameError, match="There is no prediction in adata"):
        sgp.get.mudata(adata)
    with pytest.raises(UnknownNameError, match="no prediction 'GENE03' in adata. Predictions: none"):
        sgp.get.predicted(adata, "GENE03")
    model = small_model()
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, obs_mask=np.arange(30) < 5)
    sgp.tl.predict_perturbation(adata, "GENE04", model=model, engine=ENGINE, obs_mask=np.arange(30) >= 5)
    with pytest.raises(UnknownNameError, match="No cell was predicted for all of GENE03, GENE04"):
        sgp.get.mudata(adata)
    with pytest.raises(UnknownNameError, match="Predictions: GENE03, GENE04"):
        sgp.get.record(adata, "GENE05")


def test_strings_of_numpy_are_shown_as_strings() -> None:
    adata = sgp.datasets.k562_mini()[:4].copy()
    with pytest.raises(UnknownNameError, match="There is no prediction 'KLF2' in adata"):
        sgp.get.predictions(adata, np.array(["KLF2"])[0])


def test_one_prediction_as_mudata_needs_no_list() -> None:
    adata = sgp.datasets.k562_mini()[:4].copy()
    sgp.tl.predict_perturbation(adata, "KLF1", model="scgenept-mini")
    assert list(sgp.get.mudata(adata, "KLF1").mod) == ["KLF1"]
