"""get: results without spelling a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import scgenept as sgp
from scgenept._errors import DataError, UnknownNameError
from tests.small import GENES, small_model
from tests.tl.test_predict_perturbation import ENGINE, cells, with_controls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


@pytest.mark.parametrize("kind", [np.float16, np.float32, sp.csr_matrix, sp.csc_matrix])
def test_means_are_added_up_in_double_precision(kind: Callable[[np.ndarray], Any]) -> None:
    adata = cells(kind, n_cells=300)
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)
    table = sgp.get.predictions(adata, "GENE03").set_index("gene").loc[adata.var_names]
    dense = adata.X.toarray() if sp.issparse(adata.X) else adata.X
    control, predicted = (values.astype(np.float64).mean(axis=0) for values in (dense, adata.layers["GENE03"]))
    np.testing.assert_allclose(table["control_mean"], control, rtol=1e-12)
    np.testing.assert_allclose(table["delta"], predicted - control, rtol=0, atol=1e-12)


def test_a_target_is_found_by_whatever_name() -> None:
    cells = sgp.datasets.k562_mini()[:8].copy()
    cells.var_names = ["ENSG00000105610", *cells.var_names[1:]]
    sgp.tl.predict_perturbation(cells, "KLF1+MAP2K6", model="scgenept-mini")
    table = sgp.get.predictions(cells, "KLF1+MAP2K6")
    assert table.loc[table["is_target"], "gene"].tolist() == ["ENSG00000105610"]
    ax = sgp.pl.top_genes(cells[:, :20].copy(), "KLF1+MAP2K6", show=False)
    bold = [label.get_text() for label in ax.get_xticklabels() if label.get_fontweight() == "bold"]
    assert bold == ["ENSG00000105610"]
    plt.close(ax.figure)


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


def _log_again(adata: ad.AnnData) -> None:
    adata.X = np.log1p(adata.X)


def _start_from_the_prediction(adata: ad.AnnData) -> None:
    adata.X = adata.layers["GENE03"].clip(0)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize("replace", [_log_again, _start_from_the_prediction])
def test_changes_over_other_log_values_are_refused(
    replace: Callable[[ad.AnnData], None], kind: Callable[[np.ndarray], Any]
) -> None:
    adata = cells(kind)
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)
    replace(adata)
    said = r"X is not what the prediction 'GENE03' started from: GENE\d+ of cell cell\d+ was .* Put the old values back"
    for part in (adata, adata[20:, 15:30].copy()):
        for read in (sgp.get.predicted, sgp.get.predictions):
            with pytest.raises(DataError, match=said):
                read(part, "GENE03")


def test_the_values_that_a_prediction_started_from_are_known_again(tmp_path: Path) -> None:
    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE, obs_mask=np.arange(30) < 20)
    order = np.random.default_rng(0).permutation(30)
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    half, wide, renamed = adata[::2].copy(), adata.copy(), adata[order].copy()
    half.X = half.X.toarray().astype(np.float16)
    wide.X = wide.X.astype(np.float64)
    renamed.obs_names = adata.obs_names  # each name is now that of another cell
    parts = [adata[:11].copy(), adata[11:].copy()]
    joined = [ad.concat(parts, uns_merge=merge) for merge in ("same", "first", "unique")]
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    for same in (
        adata[order, adata.var_names[::-1]],
        half,
        wide,
        renamed,
        ad.read_h5ad(tmp_path / "a.h5ad"),
        ad.read_zarr(tmp_path / "a.zarr"),
        backed,
        *joined,
    ):
        assert sgp.get.predicted(same, "GENE03").n_vars == 40
    backed.file.close()
    with pytest.warns(UserWarning, match="names are not unique"):
        assert sgp.get.predicted(ad.concat([adata, adata[order]], uns_merge="same"), "GENE03").n_obs == 40
    for changed in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr"), *joined):
        changed.X = np.log1p(changed.X)
        with pytest.raises(DataError, match="is not what the prediction 'GENE03' started from"):
            sgp.get.predicted(changed, "GENE03")


@pytest.mark.parametrize("layer", ["X", "log"])
def test_the_layer_that_a_prediction_started_from_is_read_again(layer: str) -> None:
    adata = cells()
    adata.layers[layer] = adata.X.copy()
    adata.X = adata.X * 0.5
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE, layer=layer)
    response = sgp.get.predicted(adata, "GENE03")
    np.testing.assert_array_equal(response.layers["control"].toarray(), adata.layers[layer].toarray())
    del adata.layers[layer]
    with pytest.raises(DataError, match="There is no layer 'log'" if layer == "log" else "X is not what"):
        sgp.get.predicted(adata, "GENE03")
    if layer == "X":  # records of early versions mean adata.X by it
        del adata.uns["scgenept"]["started_from"]
        np.testing.assert_array_equal(sgp.get.predicted(adata, "GENE03").layers["control"].toarray(), adata.X.toarray())


def test_a_layer_called_x_is_not_the_x_that_a_prediction_started_from() -> None:
    adata = cells()
    adata.layers["X"] = adata.X * 0.5
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)
    response = sgp.get.predicted(adata, "GENE03")
    np.testing.assert_array_equal(response.layers["control"].toarray(), adata.X.toarray())


def test_a_prediction_that_concat_took_the_record_of() -> None:
    adata = with_controls()
    sgp.tl.predict_perturbation(adata, "GENE05+GENE03", model=small_model(), engine=ENGINE)
    parts, key = [adata[:15].copy(), adata[15:].copy()], "GENE03+GENE05"
    joined = ad.concat(parts)
    lost = r"layers\['GENE03\+GENE05'\] is there.*uns_merge='same'.*overwrite=True"
    for read in (sgp.get.predicted, sgp.get.record, sgp.get.predictions):
        with pytest.raises(UnknownNameError, match=lost):
            read(joined, "GENE05+GENE03")
    with pytest.raises(UnknownNameError, match=lost):
        sgp.get.mudata(joined)
    with pytest.raises(DataError, match=r"obs\['is_control'\] says that they were: ad.concat drops uns"):
        sgp.get.setup(joined)
    # as the message says
    again = ad.concat(parts, uns_merge="same")
    pd.testing.assert_frame_equal(sgp.get.predictions(again, key), sgp.get.predictions(adata, key))
    joined.obs["is_control"] = joined.obs["is_control"].astype(bool)
    sgp.tl.predict_perturbation(joined, key, model=small_model(), engine=ENGINE, obs_mask="is_control", overwrite=True)
    assert sgp.get.record(joined, key)["n_cells"] == 20


def test_parts_that_measure_other_genes_are_not_read_as_one() -> None:
    parts = [cells()[:10].copy(), cells()[10:, GENES[1:]].copy()]
    for part in parts:
        sgp.tl.predict_perturbation(part, "GENE03", model=small_model(), engine=ENGINE)
    joined = ad.concat(parts, join="outer", uns_merge="same")
    lost = r"20 of 30 cells have no prediction 'GENE03' of 1 of 40 genes \(GENE00\).*join='inner'"
    for read in (sgp.get.predicted, sgp.get.predictions):
        with pytest.raises(DataError, match=lost):
            read(joined, "GENE03")
    # as the message says
    for whole in (joined[:, GENES[1:]], ad.concat(parts, uns_merge="same")):
        response = sgp.get.predicted(whole, "GENE03")
        assert response.obs_names.tolist() == joined.obs_names.tolist()
        np.testing.assert_array_equal(response.X[:10], parts[0].layers["GENE03"][:, 1:])
    table = sgp.get.predictions(joined[10:], "GENE03").set_index("gene")  # one part: the gene is nowhere predicted
    assert table.index[table["delta"].isna()].tolist() == ["GENE00"]


def test_parts_that_two_models_predicted_have_no_record_in_common() -> None:
    parts, other = [cells()[:15].copy(), cells()[15:].copy()], small_model()
    next(other.network.parameters()).data.mul_(2)
    for part, model in zip(parts, (small_model(), other), strict=True):
        sgp.tl.predict_perturbation(part, "GENE03", model=model, engine=ENGINE)
    with pytest.raises(DataError, match="record of the prediction 'GENE03' has no weight_hash.*one by one"):
        sgp.get.predicted(ad.concat(parts, uns_merge="same"), "GENE03")


def test_what_get_predicted_returns_holds_the_prediction_in_x() -> None:
    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)
    with pytest.raises(UnknownNameError, match=r"it is X: pass the AnnData that was predicted\."):
        sgp.get.predictions(sgp.get.predicted(adata, "GENE03"), "GENE03")


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
    with pytest.raises(DataError, match="No cell of adata was predicted for 'GENE03': take cells that were"):
        sgp.get.predictions(adata[5:], "GENE03")
    assert sgp.get.predicted(adata[5:], "GENE03").shape == (0, 40)
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
