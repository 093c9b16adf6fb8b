"""tl.calibrate: what is stored, where, what is refused, and that the weights stay as they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import scgenept as sgp
from scgenept._errors import CheckpointError, DataError
from scgenept.evaluation.pseudobulk import pseudobulk
from tests.experiment import TEST, TRAIN, VAL, experiment, trained_model
from tests.small import GENES, small_model
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from scgenept.weights.model import ScGenePT

ENGINE = sgp.tl.Engine(device="cpu")
LEVELS = [0.5, 0.8, 0.9]


@pytest.fixture(scope="module")
def model() -> ScGenePT:
    return trained_model()


@pytest.fixture(scope="module")
def calibrated(model: ScGenePT) -> ScGenePT:
    return sgp.tl.calibrate(model, experiment(), levels=LEVELS, engine=ENGINE)


def test_scores_are_standardised_errors_of_the_mean(calibrated: ScGenePT) -> None:
    adata = experiment()
    stored = calibrated.calibration
    assert stored is not None
    assert stored.perturbations == tuple(sorted(VAL))
    bulk = pseudobulk(adata)
    control, std = bulk.mean.loc["ctrl"].to_numpy(), bulk.std.loc["ctrl"].to_numpy()
    spread = np.sqrt((19 * std**2 + (std**2).mean()) / 20)
    np.testing.assert_allclose(stored.spread, spread, rtol=1e-5)
    for i in (0, 12):
        name = stored.perturbations[i]
        cells = sgp.tl.predict_perturbation(
            adata[adata.obs["is_control"]].copy(), name, model=trained_model(training={}), engine=ENGINE, copy=True
        )
        assert cells is not None
        predicted = cells.layers[name].mean(axis=0)
        expected = np.abs(bulk.mean.loc[name] - predicted) / np.sqrt(spread**2 + (predicted - control) ** 2)
        np.testing.assert_allclose(stored.scores[i], expected, rtol=1e-4, atol=1e-5)


def test_strata_follow_what_was_perturbed_in_training(calibrated: ScGenePT) -> None:
    stored = calibrated.calibration
    assert stored is not None
    assert dict(zip(stored.perturbations, stored.strata, strict=True)) == {
        **dict.fromkeys(VAL[:12], "unseen_single"),
        "GENE00+GENE02": "combo_seen2",
        "GENE01+GENE03": "combo_seen2",
        "GENE04+GENE18": "combo_seen1",
    }
    assert stored.seen == tuple(TRAIN[:6])


def test_the_card_tells_and_the_weights_stay(model: ScGenePT, calibrated: ScGenePT) -> None:
    rows = {(row["stratum"], row["level"]): row for row in calibrated.card.calibration}
    assert len(rows) == 9
    assert rows["unseen_single", 0.9]["group"] == "unseen_single"
    assert rows["combo_seen2", 0.9]["group"] == "all"
    assert (rows["combo_seen2", 0.9]["n"], rows["combo_seen2", 0.9]["n_group"]) == (2, 15)
    assert rows["combo_seen2", 0.5]["group"] == "combo_seen2"
    assert np.isnan(rows["unseen_single", 0.9]["pooled_coverage"])
    assert 0 <= rows["combo_seen2", 0.9]["pooled_coverage"] <= 1
    assert model.calibration is None
    assert model.card.calibration == ()
    assert calibrated.network is model.network
    assert calibrated.weight_hash == model.weight_hash


def test_a_saved_model_keeps_its_calibration(calibrated: ScGenePT, tmp_path: Path) -> None:
    for half in (False, True):
        folder = calibrated.save(tmp_path / f"model{half}", half=half)
        loaded = sgp.models.load(folder)
        assert loaded.calibration is not None
        assert calibrated.calibration is not None
        np.testing.assert_array_equal(loaded.calibration.scores, calibrated.calibration.scores)
        assert loaded.calibration.weights_sha256 == loaded.weight_hash
        for name in ("genes", "perturbations", "strata", "seen", "modality", "cell_type"):
            assert getattr(loaded.calibration, name) == getattr(calibrated.calibration, name)
        np.testing.assert_equal(loaded.card.calibration, calibrated.card.calibration)  # NaN equals NaN
        cells = experiment()[:20].copy()
        wish = sgp.tl.Uncertainty("conformal", level=0.5)
        with pytest.warns(UserWarning, match="never perturbed"):
            sgp.tl.predict_perturbation(cells, "GENE30", model=loaded, uncertainty=wish, engine=ENGINE)


def test_a_folder_given_by_path_is_calibrated_in_place(model: ScGenePT, tmp_path: Path) -> None:
    for path, inside in ((tmp_path / "model", ""), (tmp_path / "run", "model")):
        folder = model.save(path / inside)
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        sgp.tl.calibrate(path, experiment(), levels=[0.9], engine=ENGINE)
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
        assert set(after) - set(before) == {"calibration.safetensors"}
        assert {name for name in before if after[name] != before[name]} == {"card.json"}
        loaded = sgp.models.load(path)
        assert loaded.calibration is not None
        assert len(loaded.card.calibration) == 3


def test_folders_of_before_are_read(model: ScGenePT, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    card = json.loads((folder / "card.json").read_text())
    del card["calibration"]
    (folder / "card.json").write_text(json.dumps(card))
    loaded = sgp.models.load(folder)
    assert loaded.calibration is None
    assert loaded.card.calibration == ()


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_a_damaged_calibration_says_so(calibrated: ScGenePT, tmp_path: Path, content: bytes | None) -> None:
    folder = calibrated.save(tmp_path / "model")
    stored = folder / "calibration.safetensors"
    stored.write_bytes((folder / "model.safetensors").read_bytes() if content is None else content)
    with pytest.raises(CheckpointError, match=r"is not a calibration .* run scgenept\.tl\.calibrate again"):
        sgp.models.load(folder)


def test_sizes_that_do_not_agree_are_refused(calibrated: ScGenePT, tmp_path: Path) -> None:
    assert calibrated.calibration is not None
    wrong = replace(calibrated.calibration, perturbations=calibrated.calibration.perturbations[:3])
    broken = type(calibrated)(calibrated.network, calibrated.vocabulary, calibrated.card, calibration=wrong)
    with pytest.raises(CheckpointError, match="other sizes than it has names"):
        sgp.models.load(broken.save(tmp_path / "model"))


def test_training_further_forgets_the_calibration(calibrated: ScGenePT) -> None:
    plan = sgp.tl.TrainingPlan(epochs=1, batch_size=8)
    tuned = sgp.tl.finetune(experiment(), init=calibrated, plan=plan)
    assert tuned.calibration is None
    assert tuned.card.calibration == ()


def test_changed_weights_are_not_calibrated(model: ScGenePT) -> None:
    changed = sgp.tl.calibrate(trained_model(), experiment(), levels=[0.9], engine=ENGINE)
    with torch.no_grad():
        next(changed.network.parameters()).add_(0.1)
    with pytest.raises(DataError, match=r"weights of small changed after it was calibrated"):
        sgp.tl.predict_perturbation(
            experiment(), "GENE30", model=changed, uncertainty="conformal", engine=ENGINE, copy=True
        )


def test_perturbations_can_be_named(model: ScGenePT) -> None:
    found = sgp.tl.calibrate(model, experiment(), split=["GENE07", "GENE03+GENE02"], levels=[0.5], engine=ENGINE)
    assert found.calibration is not None
    assert found.calibration.perturbations == ("GENE02+GENE03", "GENE07")


def test_data_are_left_alone(model: ScGenePT) -> None:
    adata = experiment()
    with unchanged(adata):
        sgp.tl.calibrate(model, adata, levels=[0.9], n_cells=5, engine=ENGINE)


def test_a_card_without_training_perturbations_needs_the_split() -> None:
    adata, model = experiment(), trained_model(training={})
    found = sgp.tl.calibrate(model, adata, levels=[0.9], engine=ENGINE)
    assert found.calibration is not None
    assert found.calibration.seen == tuple(TRAIN[:6])
    del adata.obs["split"]
    with pytest.raises(DataError, match=r"card of small does not list .* scheme='simulation', seed=1"):
        sgp.tl.calibrate(model, adata, split=["GENE07"], levels=[0.5], engine=ENGINE)


@pytest.mark.parametrize(("trained", "asked"), [("KIAA1804", "MAP3K21"), ("GENE00+MAP3K21", "GENE00+KIAA1804")])
def test_what_was_trained_on_is_known_under_another_name(trained: str, asked: str) -> None:
    adata = experiment()
    adata.obs["perturbation"] = adata.obs["perturbation"].astype(str).replace("GENE07", asked)
    model = small_model([*GENES, "MAP3K21"], training={"train": [*TRAIN, trained]})
    with pytest.raises(DataError, match=rf"1 of 2 perturbations were trained on: {re.escape(asked)}\."):
        sgp.tl.calibrate(model, adata, split=[asked, "GENE08"], levels=[0.5], engine=ENGINE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "train"}, r"7 of 7 perturbations were trained on: GENE00, .* and 2 more"),
        ({"split": ["GENE07", "GENE01"]}, "1 of 2 perturbations were trained on: GENE01"),
        ({"split": ["GENE07", "GENE077"]}, "1 perturbations occur in no cell: GENE077. Nearest known names: GENE07"),
        ({"split": "calibration"}, "No perturbation is in 'calibration'"),
        ({"split": VAL[:3]}, r"3 calibration perturbations are too few: intervals take 4 for 0\.8, 9 for 0\.9"),
        ({"levels": [90]}, "level=90 should lie between 0 and 1"),
        ({"levels": []}, "levels is empty"),
        ({"n_cells": 100}, "ask for 1 to 20"),
    ],
)
def test_what_is_refused(model: ScGenePT, options: dict[str, object], said: str) -> None:
    adata = experiment()
    with unchanged(adata), pytest.raises(DataError, match=said):
        sgp.tl.calibrate(model, adata, **{"levels": [0.8, 0.9], "engine": ENGINE, **options})  # type: ignore[arg-type]


def test_without_setup_or_split(model: ScGenePT) -> None:
    adata = experiment()
    del adata.obs["split"]
    with pytest.raises(DataError, match="obs has no column 'split'"):
        sgp.tl.calibrate(model, adata, engine=ENGINE)
    del adata.uns["scgenept"]
    with pytest.raises(DataError, match="not set up"):
        sgp.tl.calibrate(model, adata, engine=ENGINE)


def test_levels_out_of_reach_are_named(model: ScGenePT) -> None:
    with pytest.warns(UserWarning, match=r"15 calibration perturbations are too few for some levels: 0\.95 takes 19"):
        found = sgp.tl.calibrate(model, experiment(), engine=ENGINE)
    last = found.card.calibration[-1]
    assert last["level"] == 0.95
    assert np.isnan(last["quantile"])


def test_unknown_targets_are_left_out(model: ScGenePT) -> None:
    adata = experiment()
    adata.obs["perturbation"] = adata.obs["perturbation"].astype(str).replace({"GENE06": "NOGENE"})
    with pytest.warns(UserWarning, match="1 perturbations have targets unknown to small: NOGENE"):
        found = sgp.tl.calibrate(model, adata, levels=[0.9], engine=ENGINE)
    assert found.calibration is not None
    assert len(found.calibration.perturbations) == len(VAL) - 1
    assert not {*found.calibration.perturbations} & {*TRAIN, *TEST, "NOGENE"}
