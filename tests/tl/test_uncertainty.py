"""predict_perturbation(uncertainty=): what is written, read back, replaced and refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError, UnknownNameError
from scgenept.evaluation.pseudobulk import pseudobulk
from scgenept.tl._interval_table import interval_table
from tests.experiment import TEST, VAL, experiment, trained_model
from tests.small import GENES
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from scgenept.weights.model import ScGenePT

ENGINE = sgp.tl.Engine(device="cpu")
PAIR = "GENE02+GENE03"  # both seen in training


@pytest.fixture(scope="module")
def model() -> ScGenePT:
    return trained_model()


@pytest.fixture(scope="module")
def calibrated(model: ScGenePT) -> ScGenePT:
    return sgp.tl.calibrate(model, experiment(), levels=[0.5], engine=ENGINE)


@pytest.fixture(scope="module")
def members() -> list[ScGenePT]:
    return [trained_model(seed) for seed in range(3)]


def controls() -> ad.AnnData:
    adata = experiment()
    return adata[adata.obs["is_control"]].copy()


def test_without_it_nothing_is_added(model: ScGenePT) -> None:
    adata = controls()
    sgp.tl.predict_perturbation(adata, PAIR, model=model, engine=ENGINE)
    assert list(adata.varm) == []
    assert not [name for name in sgp.get.record(adata, PAIR) if name.startswith("interval")]
    assert "lower" not in sgp.get.predictions(adata, PAIR)


def test_controls(model: ScGenePT) -> None:
    adata, plain = controls(), controls()
    sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE)
    sgp.tl.predict_perturbation(plain, PAIR, model=model, engine=ENGINE)
    np.testing.assert_array_equal(adata.layers[PAIR], plain.layers[PAIR])
    record = sgp.get.record(adata, PAIR)
    assert (record["interval_source"], record["interval_level"], record["interval_n"]) == ("controls", 0.9, 20)
    table = sgp.get.predictions(adata, PAIR)
    assert table.columns.tolist()[-5:] == ["lower", "upper", "std", "level", "source"]
    assert ((table["lower"] < table["predicted_mean"]) & (table["predicted_mean"] < table["upper"])).all()
    np.testing.assert_allclose(table["std"], table["predicted_std"] / np.sqrt(20), rtol=0.15)


def test_the_bootstrap_follows_the_seed(model: ScGenePT) -> None:
    def bounds(rng: int | np.random.Generator) -> np.ndarray:
        adata = controls()
        sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE, rng=rng)
        return adata.varm[f"{PAIR}_interval"].to_numpy()

    np.testing.assert_array_equal(bounds(1), bounds(1))
    np.testing.assert_array_equal(bounds(1), bounds(np.random.default_rng(1)))
    assert (bounds(1) != bounds(2)).any()


def test_ensemble(members: list[ScGenePT]) -> None:
    adata = controls()
    sgp.tl.predict_perturbation(adata, PAIR, model=members, uncertainty="ensemble", engine=ENGINE)
    alone = []
    for member in members:
        cells = sgp.tl.predict_perturbation(controls(), PAIR, model=member, engine=ENGINE, copy=True)
        assert cells is not None
        alone.append(np.asarray(cells.layers[PAIR]))
    np.testing.assert_allclose(adata.layers[PAIR], np.mean(alone, axis=0), atol=1e-6)
    means = np.mean(alone, axis=1)
    half = (
        2.919985580353 * means.std(axis=0, ddof=1) * np.sqrt(4 / 3)
    )  # Student's t, 2 degrees of freedom, 95th percentile
    bounds = adata.varm[f"{PAIR}_interval"]
    np.testing.assert_allclose(bounds["upper"] - means.mean(axis=0), half, rtol=1e-3, atol=1e-6)
    record = sgp.get.record(adata, PAIR)
    assert record["interval_n"] == 3
    assert record["model"] == "small"
    assert record["weight_hash"] == ", ".join(member.weight_hash for member in members)


def test_conformal(calibrated: ScGenePT) -> None:
    adata = controls()
    wish = sgp.tl.Uncertainty("conformal", level=0.8)
    with pytest.warns(UserWarning, match=r"GENE30 was never perturbed"):
        sgp.tl.predict_perturbation(adata, "GENE30", model=calibrated, uncertainty=wish, engine=ENGINE)
    stored = calibrated.calibration
    assert stored is not None
    own = np.sort(stored.scores[[kind == "unseen_single" for kind in stored.strata]], axis=0)
    assert len(own) == 12
    table = sgp.get.predictions(adata, "GENE30").set_index("gene").loc[GENES]
    scale = np.sqrt(stored.spread**2 + table["delta"] ** 2)
    np.testing.assert_allclose((table["upper"] - table["lower"]) / 2, own[10] * scale, rtol=1e-4)  # 0.8 * 13 -> 11th
    record = sgp.get.record(adata, "GENE30")
    assert (record["interval_stratum"], record["interval_group"], record["interval_n"]) == (
        "unseen_single",
        "unseen_single",
        12,
    )


def test_a_small_stratum_is_pooled_and_said(calibrated: ScGenePT) -> None:
    adata = controls()
    with pytest.warns(UserWarning, match=r"Only 2 of 15 .* are combo_seen2, and .* 0\.9 takes 9"):
        sgp.tl.predict_perturbation(adata, PAIR, model=calibrated, uncertainty="conformal", engine=ENGINE)
    record = sgp.get.record(adata, PAIR)
    assert (record["interval_stratum"], record["interval_group"], record["interval_n"]) == ("combo_seen2", "all", 15)


def test_other_modality_is_said(calibrated: ScGenePT) -> None:
    adata = experiment("CRISPRi")
    wish = sgp.tl.Uncertainty("conformal", level=0.5)
    with (
        pytest.warns(UserWarning, match="trained on CRISPRa and adata is CRISPRi"),
        pytest.warns(UserWarning, match="calibrated on CRISPRa cells and these are CRISPRi"),
    ):
        sgp.tl.predict_perturbation(adata, PAIR, model=calibrated, uncertainty=wish, engine=ENGINE, copy=True)


def test_genes_that_were_not_calibrated_have_no_interval(model: ScGenePT) -> None:
    fewer = sgp.tl.calibrate(model, experiment()[:, 3:].copy(), levels=[0.5], engine=ENGINE)
    adata = controls()
    wish = sgp.tl.Uncertainty("conformal", level=0.5)
    with pytest.warns(UserWarning, match="3 of 40 genes were not calibrated .*: GENE00, GENE01, GENE02"):
        sgp.tl.predict_perturbation(adata, PAIR, model=fewer, uncertainty=wish, engine=ENGINE)
    assert adata.varm[f"{PAIR}_interval"]["lower"].isna().tolist() == [True] * 3 + [False] * 37
    assert fewer.calibration is not None
    foreign = replace(fewer.calibration, genes=tuple(f"OTHER{i}" for i in range(37)))
    other = type(model)(model.network, model.vocabulary, model.card, genes=model.genes, calibration=foreign)
    with unchanged(adata), pytest.raises(DataError, match="None of the 40 genes of adata was calibrated"):
        sgp.tl.predict_perturbation(adata, PAIR, model=other, uncertainty=wish, engine=ENGINE)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_it_survives_writing(model: ScGenePT, tmp_path: Path, kind: str) -> None:
    adata = controls()
    sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE)
    expected = sgp.get.predictions(adata, PAIR)
    path = tmp_path / f"cells.{kind}"
    getattr(adata, f"write_{kind}")(path)
    back = getattr(ad, f"read_{kind}")(path)
    found = sgp.get.predictions(back, PAIR)
    assert found.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(found["lower"], expected["lower"])
    again = sgp.get.predicted(back, PAIR)
    assert list(again.varm) == [f"{PAIR}_interval"]


def test_copy_has_the_interval_and_the_data_do_not(model: ScGenePT) -> None:
    adata = experiment()
    with unchanged(adata):
        cells = sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE, copy=True)
    assert cells is not None
    assert f"{PAIR}_interval" in cells.varm
    assert f"{PAIR}_interval" not in adata.varm


def test_predicting_again_takes_the_old_interval_away(model: ScGenePT) -> None:
    adata = controls()
    for _ in range(2):
        sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE)
    sgp.tl.predict_perturbation(adata, PAIR, model=model, engine=ENGINE)
    assert list(adata.varm) == []


def test_a_foreign_key_is_not_overwritten(model: ScGenePT) -> None:
    adata = controls()
    sgp.tl.predict_perturbation(adata, PAIR, model=model, engine=ENGINE)
    adata.varm[f"{PAIR}_interval"] = np.zeros((40, 2))
    with unchanged(adata), pytest.raises(KeyTakenError, match=r"varm\['GENE02\+GENE03_interval'\] exists"):
        sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE)
    sgp.tl.predict_perturbation(adata, PAIR, model=model, engine=ENGINE)
    assert adata.varm[f"{PAIR}_interval"].shape == (40, 2)
    sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty="controls", engine=ENGINE, overwrite=True)
    assert list(adata.varm[f"{PAIR}_interval"]) == ["lower", "upper", "std"]


def test_what_is_refused(model: ScGenePT, calibrated: ScGenePT, members: list[ScGenePT]) -> None:
    adata = controls()

    def predict(model: object, uncertainty: object, **options: object) -> None:
        sgp.tl.predict_perturbation(adata, PAIR, model=model, uncertainty=uncertainty, engine=ENGINE, **options)  # type: ignore[arg-type]

    with unchanged(adata):
        with pytest.raises(DataError, match=r"small is not calibrated\. Run model = scgenept\.tl\.calibrate"):
            predict(model, "conformal")
        with pytest.raises(DataError, match=r"0\.95 takes 19 calibration perturbations, and there are 15"):
            predict(calibrated, sgp.tl.Uncertainty("conformal", level=0.95))
        with pytest.raises(UnknownNameError, match="'conformla' is none of"):
            predict(model, "conformla")
        with pytest.raises(DataError, match="needs two of them or more; got 1"):
            predict(model, "controls", n_cells=1)
        with pytest.raises(DataError, match=r"'ensemble' needs several models.*model=\[first"):
            predict(model, "ensemble")
        with pytest.raises(DataError, match="3 models make an ensemble: pass uncertainty='ensemble'"):
            predict(members, None)
        with pytest.raises(DataError, match="3 models make an ensemble"):
            predict(members, "conformal")
        with pytest.raises(DataError, match="two models or more; got 1"):
            predict(members[:1], "ensemble")
        with pytest.raises(DataError, match="Members 1, 3 of the ensemble have the same weights"):
            predict([*members[:2], members[0]], "ensemble")
        with pytest.raises(DataError, match=r"differ in modality \(CRISPRa and CRISPRi\)"):
            predict([model, trained_model(1, modality="CRISPRi")], "ensemble")
        other = trained_model(1)
        other.genes = (*GENES[1:], "OUTA")
        with pytest.raises(DataError, match="1 and 2 .* on different genes, 2 of them: GENE00, OUTA"):
            predict([model, other], "ensemble")


def test_evaluate_intervals(calibrated: ScGenePT, members: list[ScGenePT]) -> None:
    adata = experiment()
    with unchanged(adata):
        report = sgp.tl.evaluate_intervals(adata, model=calibrated, engine=ENGINE)
    assert report.summary.query("stratum == 'all'")["level"].tolist() == [0.5, 0.8, 0.9]
    assert any("15 calibration perturbations do not reach level 0.95" in note for note in report.notes)
    assert any("Only 2 of 15" in note for note in report.notes)
    table = report.per_perturbation.query("level == 0.9").set_index("perturbation")
    assert table.loc[PAIR, ["stratum", "group"]].tolist() == ["combo_seen2", "all"]
    assert table.loc["GENE19", ["stratum", "group"]].tolist() == ["unseen_single"] * 2
    cells = controls()
    with pytest.warns(UserWarning, match="never perturbed"):
        sgp.tl.predict_perturbation(cells, "GENE19", model=calibrated, uncertainty="conformal", engine=ENGINE)
    bounds = cells.varm["GENE19_interval"]
    observed = np.asarray(adata[adata.obs["perturbation"] == "GENE19"].X.mean(axis=0)).ravel()
    inside = ((bounds["lower"] <= observed) & (observed <= bounds["upper"])).mean()
    assert table.loc["GENE19", "coverage"] == pytest.approx(inside)
    spread = sgp.tl.evaluate_intervals(adata, model=members, uncertainty="ensemble", engine=ENGINE)
    assert set(spread.per_perturbation["source"]) == {"ensemble"}
    narrow = sgp.tl.evaluate_intervals(adata, model=members[0], uncertainty="controls", n_cells=10, engine=ENGINE)
    assert len(narrow.summary) == 4 * 5
    assert (narrow.summary.query("level == 0.9")["coverage"] < 0.9).all()  # no truth enters these


def test_the_table_of_an_evaluation_needs_no_second_prediction(calibrated: ScGenePT, model: ScGenePT) -> None:
    adata = experiment()
    expected = sgp.tl.evaluate_intervals(adata, model=calibrated, engine=ENGINE).per_perturbation
    bulk = pseudobulk(adata)
    cells = controls()
    names = sorted({*TEST, VAL[0]})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* never perturbed", category=UserWarning)
        for name in names:
            sgp.tl.predict_perturbation(cells, name, model=calibrated, engine=ENGINE)
    predicted = np.stack([np.asarray(cells.layers[name]).mean(axis=0, dtype=float) for name in names])
    known = {
        "observed": bulk.mean.loc[names].to_numpy(),
        "predicted": predicted,
        "control": np.asarray(cells.X.mean(axis=0)).ravel(),
        "rng": np.random.default_rng(0),
    }
    found = interval_table(calibrated, GENES, names, **known)
    assert found is not None
    pd.testing.assert_frame_equal(found.per_perturbation, expected, rtol=1e-4)
    assert interval_table(model, GENES, names, **known) is None
    assert interval_table(calibrated, GENES, VAL[:1], **known | {"predicted": predicted[:1]}) is None


def test_evaluate_intervals_refuses_what_it_was_calibrated_on(calibrated: ScGenePT) -> None:
    with pytest.raises(DataError, match="15 of 15 test perturbations were calibrated on"):
        sgp.tl.evaluate_intervals(experiment(), model=calibrated, split=VAL, engine=ENGINE)
