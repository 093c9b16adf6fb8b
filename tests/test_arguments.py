"""Arguments of the wrong kind are refused in words, by every door, and the data stay as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept._arguments import require_kind, require_path, require_whole
from scgenept._errors import DataError, MissingExtraError, UnknownNameError, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

DOORS: dict[str, Callable[[Any], object]] = {
    "prepare": sgp.pp.prepare,
    "match_genes": lambda given: sgp.pp.match_genes(given, ["KLF1"]),
    "split": sgp.pp.split,
    "predict": lambda given: sgp.tl.predict_perturbation(given, "KLF1", model="scgenept-mini"),
    "evaluate_intervals": lambda given: sgp.tl.evaluate_intervals(given, model="scgenept-mini"),
    "setup": sgp.get.setup,
    "split_table": sgp.get.split_table,
    "mudata": sgp.get.mudata,
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("given", [None, "cells.h5ad", Path("cells.h5ad"), pd.DataFrame({"KLF1": [0.0]}), np.eye(2)])
def test_what_is_no_anndata_is_named(door: Callable[[Any], object], given: object) -> None:
    with pytest.raises(DataError, match=rf"Expected an AnnData.*, got {type(given).__name__}\."):
        door(given)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("cells.h5ad", r"adata = anndata\.read_h5ad\('cells\.h5ad'\)"),
        (pd.DataFrame({"KLF1": [0.0]}), r"adata = anndata\.AnnData\("),
    ],
)
def test_a_file_or_table_comes_with_the_way_to_an_anndata(given: object, remedy: str) -> None:
    with pytest.raises(DataError, match=remedy):
        sgp.pp.prepare(given)


@pytest.mark.parametrize("given", ["12", None, 1.5, 0, -1, [3], np.zeros(5_000)])
def test_whole_numbers(given: object) -> None:
    with pytest.raises(DataError, match="n= should|n=.* should be a whole number, at least 1") as caught:
        require_whole("n", given)
    assert len(str(caught.value)) < 200
    require_whole("n", np.int64(1))


def test_kinds_and_paths() -> None:
    with pytest.raises(DataError, match=r"plan= should be a TrainingPlan, not dict\. Make one: scgenept"):
        require_kind("plan", {}, sgp.tl.TrainingPlan, "scgenept.tl.TrainingPlan(epochs=5)")
    with pytest.raises(DataError, match="path= should be the path of a file, not NoneType"):
        require_path("path", None, what="the path of a file")


CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    "seed": (lambda adata: sgp.pp.split(adata, seed="one"), "seed='one' should be a whole number from 0"),
    "options": (lambda adata: sgp.pp.split(adata, options={"val_fraction": 0}), "options= should be a SplitOptions"),
    "key_added": (lambda adata: sgp.pp.split(adata, key_added=1), "key_added=1 cannot be a column"),
    "by": (lambda adata: sgp.pp.rank_de_genes(adata, by=1), "obs has no column 1"),
    "layer": (lambda adata: sgp.pp.rank_de_genes(adata, layer=1), "There is no layer 1"),
    "n_boot": (lambda adata: sgp.tl.evaluate(adata, "mean", n_boot=None), "n_boot=None should be a whole number"),
    "calibrate": (lambda adata: sgp.tl.evaluate(adata, "mean", calibrate=None), "calibrate=None should be True"),
    "engine": (
        lambda adata: sgp.tl.predict_perturbation(adata, "KLF1", model="scgenept-mini", engine="cpu"),
        "engine= should be a Engine, not str",
    ),
    "plan": (lambda adata: sgp.tl.finetune(adata, plan={"epochs": 1}), "plan= should be a TrainingPlan, not dict"),
    "model": (lambda adata: sgp.tl.evaluate_intervals(adata, model=1), "name_or_path= should be the name of a model"),
    "source": (lambda _: sgp.knowledge.neighbors("go_c", "KLF1"), "source= should be a KnowledgeSource, not str"),
}


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_doors_say_what_an_argument_should_be(call: Callable[[Any], object], message: str) -> None:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    before = (list(adata.obs), list(adata.layers), list(adata.uns["scgenept"]))
    with pytest.raises(DataError, match=message):
        call(adata)
    assert (list(adata.obs), list(adata.layers), list(adata.uns["scgenept"])) == before


def test_no_cells_is_said_before_anything_that_follows_from_it() -> None:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    empty = adata[:0].copy()
    for door in (sgp.pp.split, lambda given: sgp.tl.evaluate(given, "mean", split=["KLF1"])):
        with pytest.raises(DataError, match="adata is empty: 0 cells x 40 genes"):
            door(empty)


def test_perturbations_to_test_may_come_as_an_array() -> None:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    with pytest.warns(UserWarning, match="2 of 2 test perturbations"):
        sgp.pp.split(adata, scheme="custom", test=np.array(["KLF1+MAP2K6", "KLF1"]))
    assert set(adata.obs.loc[adata.obs["split"] == "test", "perturbation"]) == {"KLF1", "KLF1+MAP2K6"}


def test_genes_in_small_letters_come_with_a_way_out() -> None:
    cells = sgp.datasets.k562_mini()[:4].copy()
    cells.var_names = cells.var_names.str.capitalize()
    with pytest.warns(UserWarning, match=r"Only 2 of 500 .*In capitals \d+ are.*adata\.var_names\.str\.upper\(\)"):
        sgp.tl.predict_perturbation(cells, "KLF1", model="scgenept-mini")


@pytest.mark.parametrize("kind", [DataError, WriteError, MissingExtraError, UnknownNameError])
def test_values_of_numpy_are_shown_as_values(kind: type[Exception]) -> None:
    name, number = np.array(["KLF1"])[0], np.array([0.5])[0]
    said = f"key={name!r} and {[name, number]} of {np.int64(-3)!r}: np.log1p(X)"
    error = kind(said, "extra") if kind is MissingExtraError else kind(said)
    assert "key='KLF1' and ['KLF1', 0.5] of -3: np.log1p(X)" in str(error)


def test_a_label_of_numpy_is_shown_as_a_label() -> None:
    adata = sgp.datasets.toy()
    with pytest.raises(DataError, match="obs has no column 'cond'"):
        sgp.pp.setup_perturbations(adata, key=np.array(["cond"])[0])
    adata.obs["cell_line"] = "A549"
    with pytest.warns(UserWarning, match=r"cell_type='K562', but .*correct it: adata\.obs\['cell_line'\] = 'K562'\."):
        sgp.pp.setup_perturbations(adata, key="condition", cell_type=np.array(["K562"])[0])
