"""tl.predict_perturbation: what is written, and that nothing is when something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgenept as sgp
from scgenept import _errors
from tests.small import GENES, log_cells, small_model
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scgenept.weights.model import ScGenePT

ENGINE = sgp.tl.Engine(device="cpu")
FIRST = np.arange(20) < 10


@pytest.fixture(scope="module")
def model() -> ScGenePT:
    made = small_model()
    made.control_mean = dict(zip(GENES, log_cells().mean(axis=0).tolist(), strict=True))
    return made


def cells(kind: Callable[[np.ndarray], Any] = sp.csr_matrix, n_cells: int = 30) -> ad.AnnData:
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(n_cells)])
    return ad.AnnData(kind(log_cells(n_cells)), obs=obs, var=pd.DataFrame(index=GENES))


def with_controls(n_control: int = 20) -> ad.AnnData:
    adata = cells()
    adata.obs["condition"] = ["control"] * n_control + ["GENE03"] * (30 - n_control)
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality="CRISPRa", key_added="target")
    return adata


def fingerprint(adata: ad.AnnData) -> tuple[Any, ...]:
    values = adata.X[:] if adata.isbacked else adata.X
    dense = values.toarray() if sp.issparse(values) else np.asarray(values)
    return (
        dense.tobytes(),
        sorted(key for key in adata.layers if key),
        sorted(adata.obsm),
        adata.obs.to_csv(),
        adata.var.to_csv(),
        repr(sorted(adata.uns)),
        repr(adata.uns.get("scgenept")),
        adata.is_view,
    )


def test_what_is_written(model: ScGenePT) -> None:
    adata = cells()
    assert sgp.tl.predict_perturbation(adata, ["GENE05", "GENE03"], model=model, engine=ENGINE) is None
    key = "GENE03+GENE05"
    assert adata.layers[key].dtype == np.float32
    assert adata.layers[key].shape == adata.shape
    assert adata.obsm[f"X_{key}"].shape == (30, 16)
    record = adata.uns["scgenept"]["predictions"][key]
    assert record["perturbation"] == key
    assert record["model"] == "small"
    assert record["weight_hash"] == model.weight_hash
    assert (record["modality"], record["cell_type"]) == ("CRISPRa", "K562")
    assert (record["n_cells"], record["seed"], record["dtype"], record["device"]) == (30, 0, "float32", "cpu")
    assert record["version"] == sgp.__version__
    assert record["genes_in_training"] == 1.0


def test_an_approximation_is_in_the_record_with_its_error(model: ScGenePT) -> None:
    adata = cells()
    engine = sgp.tl.Engine(device="cpu", approximation=sgp.tl.Approximation(context_genes=10, mean_control=True))
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=engine)
    record = adata.uns["scgenept"]["predictions"]["GENE03"]
    assert (record["context_genes"], record["mean_control"], record["approximation_n_cells"]) == (10, True, 30)
    assert 0 < record["approximation_max_error"] < 1
    assert -1 <= record["approximation_pearson_delta"] < 1
    assert len(np.unique(adata.layers["GENE03"], axis=0)) == 1


def test_it_is_the_network_that_answers(model: ScGenePT) -> None:
    import torch

    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03+OUTA", model=model, engine=ENGINE)
    ids = [model.vocabulary.id(gene) for gene in [*GENES, "OUTA"]]
    flags = [int(gene in {"GENE03", "OUTA"}) for gene in [*GENES, "OUTA"]]
    values = np.pad(adata.X.toarray(), ((0, 0), (0, 1)))
    with torch.no_grad():
        expected = model.network(
            torch.tensor(ids).expand(30, -1), torch.from_numpy(values), torch.tensor(flags).expand(30, -1)
        )
    np.testing.assert_allclose(adata.layers["GENE03+OUTA"], expected[:, :40], atol=2e-6)
    assert adata.uns["scgenept"]["predictions"]["GENE03+OUTA"]["unmeasured_targets"] == "OUTA"


@pytest.mark.parametrize(
    "kind",
    [np.asarray, lambda x: x.astype(np.float64), sp.csr_matrix, sp.csc_matrix, sp.csr_array],
    ids=["dense32", "dense64", "csr", "csc", "csr_array"],
)
def test_storage_does_not_matter(model: ScGenePT, kind: Callable[[np.ndarray], Any]) -> None:
    expected = sgp.tl.predict_perturbation(cells(), "GENE03", model=model, engine=ENGINE, copy=True)
    found = sgp.tl.predict_perturbation(cells(kind), "GENE03", model=model, engine=ENGINE, copy=True)
    assert expected is not None
    assert found is not None
    np.testing.assert_allclose(found.layers["GENE03"], expected.layers["GENE03"], atol=2e-6)


def test_backed_data_are_predicted_into_a_copy(model: ScGenePT, tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(_errors.DataError, match=r"backed by a file: .* pass copy=True"):
        sgp.tl.predict_perturbation(backed, "GENE03", model=model, engine=ENGINE)
    found = sgp.tl.predict_perturbation(backed, "GENE03", model=model, engine=ENGINE, copy=True)
    expected = sgp.tl.predict_perturbation(cells(), "GENE03", model=model, engine=ENGINE, copy=True)
    assert found is not None
    assert expected is not None
    np.testing.assert_allclose(found.layers["GENE03"], expected.layers["GENE03"], atol=2e-6)
    backed.file.close()


def test_a_subset_of_a_file_is_predicted_and_read_as_the_whole_is(model: ScGenePT, tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = sgp.tl.predict_perturbation(backed[5:25], "GENE03", model=model, engine=ENGINE, obs_mask=FIRST, copy=True)
    backed.file.close()
    expected = sgp.tl.predict_perturbation(cells()[5:15], "GENE03", model=model, engine=ENGINE, copy=True)
    assert found is not None
    assert expected is not None
    assert not found.isbacked
    assert found.obs_names.tolist() == expected.obs_names.tolist()
    np.testing.assert_allclose(found.layers["GENE03"], expected.layers["GENE03"], atol=2e-6)
    found.write_h5ad(tmp_path / "found.h5ad")
    backed = ad.read_h5ad(tmp_path / "found.h5ad", backed="r")
    for part in (backed, backed[2:]):
        cut = found[found.obs_names.isin(part.obs_names)]
        pd.testing.assert_frame_equal(sgp.get.predictions(part, "GENE03"), sgp.get.predictions(cut, "GENE03"))
        np.testing.assert_array_equal(sgp.get.mudata(part)["GENE03"].X, cut.layers["GENE03"])
    backed.file.close()


def test_a_copy_shares_nothing_with_what_it_was_made_of(model: ScGenePT) -> None:
    adata = with_controls()
    adata.uns["mine"] = {"array": np.zeros(3), "table": pd.DataFrame({"a": [0.0, 0.0]})}
    adata.varm["array"], adata.varm["table"] = np.zeros((40, 2)), pd.DataFrame({"a": np.zeros(40)}, index=GENES)
    adata.layers["log"], adata.obsm["array"] = adata.X.copy(), np.zeros((30, 2))
    made = sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, copy=True)
    assert made is not None
    with unchanged(adata):
        made.uns["mine"]["array"][:] = 1
        made.uns["mine"]["table"].loc[0, "a"] = 1
        made.uns["scgenept"]["setup"]["modality"] = "CRISPRi"
        made.X.data[:] = 1
        made.layers["log"].data[:] = 1
        for values in (made.varm["array"], made.obsm["array"]):
            values[:] = 1
        made.varm["table"].iloc[0, 0] = 1
    assert not adata.varm["array"].any()
    assert not adata.obsm["array"].any()
    assert not adata.varm["table"].to_numpy().any()


def test_control_cells_are_the_default_and_other_rows_are_nan(model: ScGenePT) -> None:
    adata = with_controls()
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)
    layer = adata.layers["GENE03"]
    assert np.isfinite(layer[:20]).all()
    assert np.isnan(layer[20:]).all()
    assert np.isnan(adata.obsm["X_GENE03"][20:]).all()
    alone = sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, copy=True)
    assert alone is not None
    assert alone.n_obs == 20
    np.testing.assert_array_equal(alone.layers["GENE03"], layer[:20])


def test_cells_can_be_chosen_and_drawn(model: ScGenePT) -> None:
    adata = with_controls()
    adata.obs["mine"] = np.arange(30) >= 25
    for mask in ("mine", adata.obs["mine"], adata.obs["mine"].to_numpy(), adata.obs["mine"].tolist()):
        chosen = sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, obs_mask=mask, copy=True)
        assert chosen is not None
        assert chosen.obs_names.tolist() == [f"cell{i}" for i in range(25, 30)]
    options: dict[str, Any] = {"model": model, "engine": ENGINE, "n_cells": 6, "copy": True}
    drawn = [sgp.tl.predict_perturbation(adata, "GENE03", rng=seed, **options) for seed in (0, 0, 1)]
    names = [set(found.obs_names) for found in drawn if found is not None]
    assert [len(found) for found in names] == [6, 6, 6]
    assert names[0] == names[1] != names[2]
    with pytest.raises(_errors.DataError, match="n_cells=21 of 20 control cells"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, n_cells=21)


def test_rerunning_overwrites_ours_and_nothing_else(model: ScGenePT) -> None:
    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)
    adata.layers["GENE04"] = np.ones(adata.shape)
    before = fingerprint(adata)
    with pytest.raises(_errors.KeyTakenError, match=r"layers\['GENE04'\] exists and was not written by scgenept"):
        sgp.tl.predict_perturbation(adata, "GENE04", model=model, engine=ENGINE)
    assert fingerprint(adata) == before
    sgp.tl.predict_perturbation(adata, "GENE04", model=model, engine=ENGINE, key_added="other")
    assert (adata.layers["GENE04"] == 1).all()
    sgp.tl.predict_perturbation(adata, "GENE04", model=model, engine=ENGINE, overwrite=True)
    assert not (adata.layers["GENE04"] == 1).all()


def test_mudata_results_go_into_the_modality(model: ScGenePT) -> None:
    rna, protein = cells(), cells()
    protein.var_names = [f"protein{i}" for i in range(40)]
    options = md.settings.override if hasattr(md, "settings") else md.set_options
    with options(pull_on_update=False):
        mdata = md.MuData({"rna": rna, "protein": protein})
    with pytest.raises(_errors.DataError, match="Pass mod= one of: rna, protein"):
        sgp.tl.predict_perturbation(mdata, "GENE03", model=model, engine=ENGINE)
    sgp.tl.predict_perturbation(mdata, "GENE03", model=model, engine=ENGINE, mod="rna")
    assert "GENE03" in mdata["rna"].layers
    with pytest.raises(_errors.DataError, match="goes with a MuData"):
        sgp.tl.predict_perturbation(rna, "GENE03", model=model, engine=ENGINE, mod="rna")


@pytest.mark.parametrize("format_", ["h5ad", "zarr"])
def test_results_survive_files(model: ScGenePT, tmp_path: Path, format_: str) -> None:
    adata = with_controls()
    sgp.tl.predict_perturbation(adata, "GENE03+OUTA", model=model, engine=ENGINE)
    path = tmp_path / f"result.{format_}"
    getattr(adata, f"write_{format_}")(path)
    again = getattr(ad, f"read_{format_}")(path)
    np.testing.assert_array_equal(again.layers["GENE03+OUTA"], adata.layers["GENE03+OUTA"])
    assert sgp.get.record(again, "GENE03+OUTA") == sgp.get.record(adata, "GENE03+OUTA")
    assert sgp.get.setup(again) == sgp.get.setup(adata)
    pd.testing.assert_frame_equal(
        sgp.get.predictions(again, "GENE03+OUTA"), sgp.get.predictions(adata, "GENE03+OUTA"), check_dtype=False
    )


def test_three_genes_warn(model: ScGenePT) -> None:
    with pytest.warns(UserWarning, match="never evaluated on more than two"):
        sgp.tl.predict_perturbation(cells(), "GENE01+GENE02+GENE03", model=model, engine=ENGINE)


def test_another_normalisation_warns(model: ScGenePT) -> None:
    adata = cells()
    adata.X = np.log1p(np.expm1(adata.X.toarray()) * 100)
    with (
        pytest.warns(UserWarning, match="X is log1p, but of counts per about 1,000,000, where models expect 10,000"),
        pytest.warns(UserWarning, match=r"resembles the cells.*but its values are 1\.\d\d times as high"),
    ):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)


@pytest.mark.parametrize("factor", [0.5, 1 / np.log(2), 2.0])
def test_another_scale_of_like_cells_warns(factor: float) -> None:
    """The level is the slope through the origin of the mean cell over the mean training cell."""
    adata, model = cells(), small_model()
    profile = adata.X.toarray().mean(axis=0)
    model.control_mean = dict(zip(GENES, profile.tolist(), strict=True))
    sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)
    assert sgp.get.record(adata, "GENE03")["control_level"] == pytest.approx(1)
    model.control_mean = {gene: value / factor for gene, value in model.control_mean.items()}
    with pytest.warns(UserWarning, match=f"its values are {factor:.2f} times as high"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE, overwrite=True)
    assert sgp.get.record(adata, "GENE03")["control_level"] == pytest.approx(factor)


def test_labelled_cells_without_a_setup_warn(model: ScGenePT) -> None:
    adata = cells()
    adata.obs["condition"] = ["control"] * 10 + ["GENE03"] * 20
    with pytest.warns(UserWarning, match=r"All 30 cells serve as controls, yet obs\['condition'\] holds 2 labels"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)


@pytest.mark.parametrize(
    "values", [[True] * 10 + [np.nan] * 20, ["False"] * 30, pd.array([True, None] * 15, "boolean")]
)
def test_a_control_column_that_is_not_boolean_is_refused(model: ScGenePT, values: Any) -> None:
    adata = with_controls()
    adata.obs["is_control"] = values
    with pytest.raises(_errors.DataError, match="should be True or False for each cell"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)


def test_other_doors_ask_for_one_modality() -> None:
    options = md.settings.override if hasattr(md, "settings") else md.set_options
    with options(pull_on_update=False):
        with_both = md.MuData({"rna": cells()})
    for call in (
        lambda: sgp.pp.setup_perturbations(with_both, key="condition"),
        lambda: sgp.pp.prepare(with_both),
        lambda: sgp.get.predicted(with_both, "GENE03"),
    ):
        with pytest.raises(
            _errors.DataError, match=r"Expected an AnnData, got MuData. Pass one modality: mdata\['rna'\]"
        ):
            call()


@pytest.mark.parametrize(("of_cells", "of_model"), [("CRISPRi", "CRISPRa"), ("CRISPRa", "CRISPRi, knock-out")])
def test_another_modality_than_that_of_the_training_is_said(of_cells: Any, of_model: str) -> None:
    adata = with_controls()
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality=of_cells, key_added="target")
    with pytest.warns(UserWarning, match=f"small was trained on {of_model} and adata is {of_cells}: it predicts"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(modality=of_model), engine=ENGINE, copy=True)


@pytest.mark.parametrize(
    ("of_cells", "of_model"), [("unknown", "CRISPRa"), ("CRISPRi", "unknown"), ("CRISPRi", "CRISPRa, CRISPRi")]
)
def test_modalities_that_agree_or_are_not_known_bring_no_warning(of_cells: Any, of_model: str) -> None:
    adata = with_controls()
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality=of_cells, key_added="target")
    sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(modality=of_model), engine=ENGINE, copy=True)


def test_targets_never_perturbed_in_training_warn() -> None:
    adata, model = cells(), small_model(training={"train": ["GENE01+GENE03", "OUTA"]})
    with pytest.warns(UserWarning, match="GENE02 was never perturbed in the training of small"):
        sgp.tl.predict_perturbation(adata, "GENE02+GENE03", model=model, engine=ENGINE)
    assert sgp.get.record(adata, "GENE02+GENE03")["unseen_targets"] == "GENE02"
    sgp.tl.predict_perturbation(adata, "OUTA+GENE03", model=model, engine=ENGINE)
    assert sgp.get.record(adata, "GENE03+OUTA")["unseen_targets"] == ""


def test_cells_unlike_the_training_cells_warn() -> None:
    profile = np.random.default_rng(1).random(40)
    strange = small_model()
    strange.control_mean = dict(zip(GENES, profile.tolist(), strict=True))
    adata = cells()
    with pytest.warns(UserWarning, match="correlates only"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=strange, engine=ENGINE)
    assert adata.uns["scgenept"]["predictions"]["GENE03"]["control_correlation"] < 0.8


def test_few_known_genes_warn() -> None:
    adata = cells()
    adata.var_names = [*GENES[:15], *(f"NOVEL{i}" for i in range(25))]
    with pytest.warns(UserWarning, match="Only 15 of 40 genes \\(38%\\) are known to small"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)


def test_single_unknown_genes_warn() -> None:
    adata = cells()
    adata.var_names = [*GENES[:38], "NOVEL1", "NOVEL2"]
    with pytest.warns(UserWarning, match="2 of 40 genes are unknown to small .* means nothing: NOVEL1, NOVEL2. Leave"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=small_model(), engine=ENGINE)


def test_the_global_rng_is_untouched(model: ScGenePT) -> None:
    import torch

    before = (np.random.get_state()[1].tobytes(), torch.random.get_rng_state())
    sgp.tl.predict_perturbation(cells(), "GENE03", model=model, engine=ENGINE, n_cells=3)
    assert np.random.get_state()[1].tobytes() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])


def broken(change: Callable[[ad.AnnData], ad.AnnData | None]) -> ad.AnnData:
    adata = cells(np.asarray)
    changed = change(adata)
    return adata if changed is None else changed


def put(value: float) -> Callable[[ad.AnnData], None]:
    def change(adata: ad.AnnData) -> None:
        adata.X[2, 3] = value

    return change


def counts(adata: ad.AnnData) -> None:
    adata.X = np.rint(np.expm1(adata.X)).astype(np.float32)


def repeated(adata: ad.AnnData) -> None:
    adata.var_names = [GENES[0], *GENES[:-1]]


def foreign(adata: ad.AnnData) -> None:
    adata.var_names = [f"NOVEL{i}" for i in range(40)]


def no_controls(adata: ad.AnnData) -> None:
    adata.obs["condition"] = ["control"] + ["GENE03"] * 29
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality="CRISPRa")
    adata.obs["is_control"] = False


BAD_DATA: list[tuple[str, Callable[[ad.AnnData], ad.AnnData | None], str]] = [
    ("empty", lambda adata: adata[:0].copy(), "has no cells|is empty"),
    ("few genes", lambda adata: adata[:, :19].copy(), "19 genes; at least 20"),
    ("NaN", put(np.nan), "1 NaN"),
    ("inf", put(np.inf), "1 infinite"),
    ("negative", put(-1.0), "neither counts nor log1p|negative"),
    ("counts", counts, "raw counts.*pp.prepare"),
    ("repeated genes", repeated, "appear more than once: GENE00"),
    ("foreign genes", foreign, "None of the 40 genes of adata is known to small"),
    ("no controls", no_controls, "no control cells.*Labels seen"),
    ("view", lambda adata: adata[:20], "is a view of another AnnData"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD_DATA], ids=[case[0] for case in BAD_DATA])
def test_bad_data_are_refused_and_left_alone(
    model: ScGenePT, change: Callable[[ad.AnnData], ad.AnnData | None], message: str
) -> None:
    adata = broken(change)
    before = fingerprint(adata)
    with pytest.raises(_errors.DataError, match=message):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)
    assert fingerprint(adata) == before


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"genes": "GENE99"}, _errors.UnknownGeneError, "neither a measured gene nor known to small.*Nearest known names"),
    ({"genes": "GENE05_GENE03"}, _errors.UnknownGeneError, r"what is meant, ask for 'GENE03\+GENE05'"),
    ({"genes": "gene05+OUTA"}, _errors.UnknownGeneError, r"gene05 is neither .* ask for 'GENE05\+OUTA'"),
    ({"genes": ""}, _errors.ScGenePTError, "perturb|gene|empty"),
    ({"layer": "nope"}, _errors.DataError, "There is no layer 'nope'"),
    ({"obs_mask": "nope"}, _errors.DataError, "not a column of adata.obs"),
    ({"obs_mask": [True]}, _errors.DataError, "30 booleans"),
    ({"obs_mask": np.zeros(30, dtype=bool)}, _errors.DataError, "no cells selected by obs_mask"),
    ({"key_added": "a/b"}, _errors.KeyTakenError, "no '/'"),
    ({"n_cells": 0}, _errors.DataError, "n_cells=0"),
    ({"engine": sgp.tl.Engine(device="cuda:77")}, _errors.DeviceError, "does not exist on this machine"),
    ({"model": "scgenept_go_z"}, _errors.UnknownNameError, "scgenept_go_z"),
    ({"model": small_model(fine_tuned=False)}, _errors.CheckpointError, "pretrained only"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_refused(
    model: ScGenePT, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    adata = cells()
    before = fingerprint(adata)
    options = {"genes": "GENE03", "model": model, "engine": ENGINE, **arguments}
    with pytest.raises(error, match=message):
        sgp.tl.predict_perturbation(adata, options.pop("genes"), **options)
    assert fingerprint(adata) == before


def test_a_result_that_memory_cannot_hold_is_refused_before_computing(
    model: ScGenePT, monkeypatch: pytest.MonkeyPatch
) -> None:
    adata = with_controls()
    monkeypatch.setattr("scgenept.data.write.available_memory", lambda: 100)
    with pytest.raises(_errors.DataError, match=r"The result needs .* GB .*copy=True"):
        sgp.tl.predict_perturbation(adata, "GENE03", model=model, engine=ENGINE)
    monkeypatch.setattr("scgenept.data.write.available_memory", lambda: None)
    monkeypatch.setattr("scgenept.data.write.WARN_BYTES", 100)
    minority = with_controls(n_control=5)
    with pytest.warns(UserWarning, match="25 of 30 rows of the result are NaN.*copy=True"):
        sgp.tl.predict_perturbation(minority, "GENE03", model=model, engine=ENGINE)
