"""The table of baselines and loading one by name."""

from __future__ import annotations

import pytest

import scgenept as sgp
from scgenept._errors import UnknownNameError
from scgenept.evaluation import baselines


def test_available_lists_every_baseline() -> None:
    table = sgp.models.baselines.available()
    kinds = {value for value in vars(baselines).values() if isinstance(value, type) and hasattr(value, "predict")}
    assert set(table["name"]) == {kind.name for kind in kinds - {baselines.Baseline}}
    assert table["name"].is_unique
    assert (table[["description", "reference"]] != "").all(axis=None)
    assert tuple(table.loc[table["default"], "name"]) == baselines.DEFAULT
    takes_embedding = [options.startswith("embedding") for options in table["options"]]
    assert takes_embedding == table["needs_embedding"].tolist()


def test_load_by_name() -> None:
    for name in sgp.models.baselines.available()["name"]:
        assert sgp.models.baselines.load(name).name == name
    assert sgp.models.baselines.load("knn", n_neighbours=3).n_neighbours == 3


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"no baseline 'adittive'\. Nearest known names: additive"):
        sgp.models.baselines.load("adittive")
    with pytest.raises(UnknownNameError, match=r"knn has no option n_neighbors\. Nearest known names: n_neighbours"):
        sgp.models.baselines.load("knn", n_neighbors=3)
    with pytest.raises(UnknownNameError, match="Its options: none"):
        sgp.models.baselines.load("mean", weights=1)
