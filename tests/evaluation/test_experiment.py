"""Which perturbations are scored, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept.evaluation.experiment import read_experiment
from tests.screens import TEST, TRAINING, observed, screen
from tests.unchanged import unchanged


@pytest.fixture(scope="module")
def adata():
    return screen(n_cells=8)


def test_split_from_the_column_or_by_name(adata) -> None:
    by_column = read_experiment(adata, split="test", layer=None)
    assert by_column.test == tuple(sorted(TEST))
    assert by_column.training == tuple(sorted(TRAINING))
    by_name = read_experiment(adata, split=["G03+G01"], layer=None)
    assert by_name.test == ("G01+G03",)
    assert len(by_name.training) == len(TEST) + len(TRAINING) - 1


def test_cells_outside_of_the_part_of_their_perturbation_are_counted_aloud(adata) -> None:
    mixed = adata.copy()
    mixed.obs["split"] = mixed.obs["split"].astype(object)
    rows = {name: np.flatnonzero(mixed.obs["perturbation"] == name) for name in ("G07", "G08", "G01", "ctrl")}
    for name, n, part in (("G07", 3, np.nan), ("G08", 2, np.nan), ("G01", 5, "val"), ("ctrl", 4, "val")):
        mixed.obs.loc[mixed.obs_names[rows[name][:n]], "split"] = part
    found = read_experiment(mixed, split="test", layer=None)
    counted, why = "count all the same", "since perturbations are taken whole"
    assert [note.partition(". Drop")[0] for note in found.notes] == [
        f"5 cells of 2 test perturbations are not in part 'test' of obs['split'] and {counted}, {why}: G07, G08",
        f"5 cells of 1 training perturbations are not in part 'train' of obs['split'] and {counted}, {why}: G01",
    ]
    whole = read_experiment(adata, split="test", layer=None)
    assert whole.notes == ()
    pd.testing.assert_frame_equal(found.seen.bulk.mean, whole.seen.bulk.mean)
    assert read_experiment(mixed, split=["G07"], layer=None).notes == ()
    report = sgp.tl.evaluate(mixed, "no_change", metrics="mse", baselines=None, calibrate=False, n_boot=10)
    assert set(found.notes) <= set(report.notes)


def test_figures_equal_a_loop(adata) -> None:
    found = read_experiment(adata, split="test", layer=None)
    np.testing.assert_allclose(found.seen.mean, observed(adata, sorted(TEST)), rtol=1e-6)
    np.testing.assert_allclose(found.seen.reference_mean, observed(adata, TRAINING).mean(), rtol=1e-6)
    np.testing.assert_allclose(found.control, observed(adata, ["ctrl"]).iloc[0], rtol=1e-6)
    pairs = [found.test[i] for i in found.seen.pairs]
    assert pairs == [name for name in sorted(TEST) if "+" in name and "G10" not in name]
    singles = observed(adata, ["G01", "G03", "ctrl"])
    expected = singles.loc["G01"] + singles.loc["G03"] - singles.loc["ctrl"]
    np.testing.assert_allclose(found.seen.additive[pairs.index("G01+G03")], expected, rtol=1e-5)


def bad_input():
    def no_split(adata):
        del adata.obs["split"]

    def no_test(adata):
        adata.obs["split"] = "train"

    def no_training(adata):
        adata.obs["split"] = "test"

    def in_both(adata):
        adata.obs["split"] = adata.obs["split"].astype(object)
        adata.obs.loc[adata.obs_names[-1], "split"] = "train"

    def no_setup(adata):
        del adata.uns["scgenept"]

    def counts(adata):
        adata.X = np.rint(adata.X.toarray() * 10)

    def nan(adata):
        adata.X.data[3] = np.nan

    return [
        (no_split, "obs has no column 'split'.*sgp.pp.split"),
        (no_test, "no part that can be scored"),
        (no_training, "No perturbation is in the training split"),
        (in_both, "1 test perturbations have cells in another part"),
        (no_setup, "not set up"),
        (counts, "raw counts"),
        (nan, "NaN"),
    ]


@pytest.mark.parametrize(("spoil", "message"), bad_input(), ids=lambda value: getattr(value, "__name__", ""))
def test_bad_input(adata, spoil, message: str) -> None:
    bad = adata.copy()
    spoil(bad)
    with unchanged(bad), pytest.raises(ValueError, match=message):
        sgp.tl.evaluate(bad, "additive", n_boot=10)


def test_names_of_test_perturbations_must_occur(adata) -> None:
    with pytest.raises(ValueError, match="occur in no cell: ZZZ"):
        read_experiment(adata, split=["ZZZ", "G01"], layer=None)
    with pytest.raises(ValueError, match="no part that can be scored. Parts .* test"):
        read_experiment(adata, split="val", layer=None)
    with pytest.raises(ValueError, match="No cell is a control"):
        read_experiment(adata[adata.obs["perturbation"] != "ctrl"].copy(), split="test", layer=None)


def test_the_split_made_last_is_scored(adata) -> None:
    split = adata.copy()
    split.obs["other"] = np.where(split.obs["perturbation"] == "G01", "test", "train")
    split.uns["scgenept"]["split"] = {"key": "other"}
    assert read_experiment(split, split="test", layer=None).test == ("G01",)
