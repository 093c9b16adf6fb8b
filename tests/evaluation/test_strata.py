"""Strata of test perturbations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgenept._errors import DataError
from scgenept.evaluation.strata import strata, tertiles

if TYPE_CHECKING:
    from pathlib import Path


def test_kinds() -> None:
    table = strata(["B+A", "A", "Z", "A+Z", "Y+Z", "A+B+Z", "ctrl"], ["A", "B+ctrl", "ctrl", "C+D"])
    assert table.index.tolist() == ["A+B", "A", "Z", "A+Z", "Y+Z", "A+B+Z", "ctrl"]
    assert table["kind"].tolist() == [
        "combo_seen2", "seen_single", "unseen_single", "combo_seen1", "combo_seen0", "multi_seen2", "ctrl"
    ]  # fmt: skip
    assert strata(["C+A"], ["C+D", "A"])["kind"].tolist() == ["combo_seen2"]  # seen in a pair is seen


def test_columns_are_those_asked_for() -> None:
    assert list(strata(["A"], [])) == ["kind"]
    sizes = pd.Series([3.0, np.nan, 1.0], ["A", "B", "C"])
    table = strata(["A", "B", "C"], [], effect_size=sizes, n_cells=[10, 20, 30])
    assert list(table) == ["kind", "effect_size", "effect_size_tertile", "n_cells", "n_cells_tertile"]
    assert table["n_cells_tertile"].tolist() == ["low", "mid", "high"]
    assert table["effect_size_tertile"].isna().tolist() == [False, True, False]
    assert strata([], [], n_cells=[]).shape == (0, 3)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_tertiles_equal_a_loop(values: list[int]) -> None:
    found = list(tertiles(values))
    for value, tertile in zip(values, found, strict=True):
        smaller, equal = sum(v < value for v in values), sum(v == value for v in values)
        twice_middle = 2 * smaller + equal  # twice the middle of its ranks, counted from 0
        expected = "low" if 3 * twice_middle < 2 * len(values) else "mid"
        assert tertile == ("high" if 3 * twice_middle > 4 * len(values) else expected)


def test_distinct_values_fill_tertiles_evenly() -> None:
    assert pd.Series(tertiles(np.random.default_rng(0).normal(size=30))).value_counts().tolist() == [10, 10, 10]


def test_it_is_written_and_read(tmp_path: Path) -> None:
    table = strata(["A", "A+B"], ["A"], effect_size=[1.0, np.nan], n_cells=[1, 2])
    adata = ad.AnnData(np.zeros((1, 1)), uns={"strata": table})
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad").uns["strata"]
    assert read["effect_size_tertile"].isna().tolist() == [False, True]
    assert read["kind"].tolist() == table["kind"].tolist()


def test_errors() -> None:
    with pytest.raises(DataError, match=r"given twice: A\+B"):
        strata(["A+B", "B+A"], [])
    with pytest.raises(DataError, match=r"n_cells must be one value for each of 2"):
        strata(["A", "B"], [], n_cells=[1])
    with pytest.raises(DataError, match="labelled with other perturbations"):
        strata(["A", "B"], [], effect_size=pd.Series([1.0, 2.0], ["B", "A"]))


def test_beside_the_subgroups_of_the_original_split(golden: Path) -> None:
    end_to_end = json.loads((golden / "metrics" / "end_to_end.json").read_text())
    sets, subgroups = end_to_end["set2conditions"], end_to_end["subgroup"]["test_subgroup"]
    # the original draws genes before it takes some perturbations out for validation
    kinds = strata(sets["test"], [*sets["train"], *sets["val"]])["kind"]
    assert kinds[["GENE004", "GENE039"]].tolist() == ["unseen_single"] * len(subgroups["unseen_single"])
    assert kinds[subgroups["combo_seen0"]].tolist() == ["combo_seen0"]
    assert kinds[subgroups["combo_seen1"]].tolist() == ["combo_seen1"]
    # it counts GENE029 as seen, which was drawn for training but occurs in no training perturbation
    assert subgroups["combo_seen2"] == ["GENE017+GENE029"]
    assert kinds[subgroups["combo_seen2"]].tolist() == ["combo_seen1"]
