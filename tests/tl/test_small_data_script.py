"""The script that trains on small real data: its splits and its paired differences."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate_small_data.py"


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("evaluate_small_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def data(script: Any) -> Any:
    """Return 8 targets in two contexts, 3 cells each, and controls."""
    names = [f"G{i}" for i in range(8)]
    labels = np.repeat(["ctrl", *names], 6)
    obs = pd.DataFrame(
        {"guide": labels, "line": np.tile(["x", "y"], len(labels) // 2)}, index=[f"c{i}" for i in range(len(labels))]
    )
    values = np.random.default_rng(0).random((len(labels), 20), dtype=np.float32)
    adata = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(20)]))
    sgp.pp.setup_perturbations(adata, key="guide")
    return script.Data(adata, "line", n_test=2, n_validation=1, n_other_context=2)


@pytest.mark.parametrize("seed", range(5))
def test_held_out_perturbations_are_held_out(script: Any, seed: int) -> None:
    held = data(script)
    script.split(held, seed)
    obs = held.adata.obs[~held.adata.obs["is_control"]]
    parts = obs.groupby(["perturbation", "line"], observed=True)["split"].agg(set)
    assert all(len(part) == 1 for part in parts)
    by_name = parts.map(lambda part: next(iter(part))).unstack()
    whole = by_name[by_name["x"] == by_name["y"]]["x"].value_counts()
    assert whole.to_dict() == {"train": 3, "test": 2, "val": 1}
    mixed = by_name[by_name["x"] != by_name["y"]]
    assert [set(row) for row in mixed.to_numpy()] == [{"train", "test"}] * 2


def test_strata_name_what_was_seen_in_other_cells(script: Any) -> None:
    held = data(script)
    script.split(held, 1)
    kinds = pd.concat([view.kinds for view in script.views(held)])
    assert kinds.value_counts().to_dict() == {"unseen_single": 4, "other_context": 2}


def test_differences_are_on_the_same_split(script: Any, tmp_path: Path) -> None:
    scores = dict.fromkeys(script.SCORES, 0.0) | dict.fromkeys(script.DIAGNOSES, 0.0)
    row = {"perturbation": "A", "predictor": "network", "context": "x", "stratum": "unseen_single"}
    for seed, (base, other) in enumerate([(0.1, 0.3), (0.5, 0.6), (0.2, 0.1)]):
        for recipe, value in (("faster", base), ("residual", other)):
            table = pd.DataFrame([row | scores | {"pearson_delta": value, "recipe": recipe}])
            script.finish(tmp_path / f"norman.{recipe}.{seed}.csv", table)
    found = script.differences(script.read_results(tmp_path), "faster").loc[("norman", "residual", "network")]
    assert found["pearson_delta"].tolist() == pytest.approx([0.1, -0.1, 0.2])
    assert found["mse"].tolist() == [0, 0, 0]


def test_baselines_and_bounds_are_scored_in_every_context(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "N_PERMUTATIONS", 2)
    held = data(script)
    script.split(held, 1)
    texts = sgp.knowledge.KnowledgeSource("go_c", held.adata.var_names, np.eye(20))
    table = script.baseline_scores(held, texts, 1)
    permuted = {f"{name}_permuted" for name in script.ON_TEXT}
    bounds = {"other_contexts", "split_half", "split_half_shared"}
    assert set(table["predictor"]) == {*script.BASELINES, *permuted, *bounds}
    assert (table.groupby("predictor").size() == 6).all()
    assert set(table.loc[table["predictor"] == "ridge", "above_permuted"]) <= {0, 0.5, 1}
    mean = table[table["predictor"] == "mean"]
    assert mean["pearson_delta_ref_mean"].isna().all()


def test_permuted_texts_are_those_of_other_genes(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = data(script)
    script.split(held, 1)
    seen: list[sgp.knowledge.KnowledgeSource] = []

    def finetune(adata: ad.AnnData, **options: Any) -> None:
        seen.extend(options["language"])
        raise InterruptedError

    monkeypatch.setattr(sgp.tl, "finetune", finetune)
    texts = sgp.knowledge.KnowledgeSource("go_c", held.adata.var_names, np.eye(20))
    for name in ("mean_to_change", "mean_to_change_permuted", "mean_to_change_no_language"):
        with pytest.raises(InterruptedError):
            script.network_scores(held, script.RECIPES[name], texts, 1, 1)
    real, permuted = seen
    assert real.sha256 == texts.sha256
    assert permuted.names == texts.names
    assert not np.diag(permuted.vectors).any()
    np.testing.assert_array_equal(np.sort(permuted.vectors, axis=0), np.sort(texts.vectors, axis=0))
