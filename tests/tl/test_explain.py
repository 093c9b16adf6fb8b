"""tl.explain: tables that add up, data and model as they were, the cost before the work."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import scgenept as sgp
from scgenept import _errors
from scgenept.prediction.explanation import result
from scgenept.tl import _explain
from tests.small import GENES, log_cells, small_model
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from scgenept.weights.model import ScGenePT

ENGINE = sgp.tl.Engine(device="cpu")
KEYS = ["gene", "kind", "source"]


@pytest.fixture(scope="module")
def model() -> ScGenePT:
    return small_model(modality="CRISPRa")


def cells(n: int = 12, genes: list[str] | None = None) -> ad.AnnData:
    names = genes or GENES
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(n)])
    return ad.AnnData(sp.csr_matrix(log_cells(n, len(names))), obs=obs, var=pd.DataFrame(index=names))


def explain(model: ScGenePT, adata: ad.AnnData, genes: str = "GENE03+GENE05", **options: Any) -> sgp.tl.Explanation:
    options = {"responding": 4, "n_steps": 20, "engine": ENGINE, **options}
    return sgp.tl.explain(model, adata, genes, **options)


@pytest.fixture(scope="module")
def found(model: ScGenePT) -> sgp.tl.Explanation:
    return explain(model, cells(), cells="each")


def test_tables_add_up(found: sgp.tl.Explanation) -> None:
    by_source = found.by_source.set_index(KEYS)["attribution"]
    of_inputs = found.by_input.groupby(KEYS, sort=False)["attribution"].sum()
    pd.testing.assert_series_equal(of_inputs, by_source, check_exact=False, rtol=1e-9)
    of_genes = by_source.groupby("gene", sort=False).sum()
    np.testing.assert_allclose(of_genes, found.responses["attributed"])
    table = found.responses
    np.testing.assert_allclose(table["response"] - table["reference"], table["attributed"] + table["gap"])
    parts = found.by_source[["of_itself", "of_targets", "of_others"]].sum(axis=1)
    np.testing.assert_allclose(parts, found.by_source["attribution"], atol=1e-12)


def test_parts_are_those_of_the_inputs(found: sgp.tl.Explanation) -> None:
    rows = found.by_input
    itself = rows[rows["gene"] == rows["input_gene"]].set_index(KEYS)["attribution"]
    targets = rows[rows["is_target"] & (rows["gene"] != rows["input_gene"])].groupby(KEYS)["attribution"].sum()
    table = found.by_source.set_index(KEYS)
    np.testing.assert_allclose(itself.reindex(table.index).fillna(0), table["of_itself"], atol=1e-12)
    np.testing.assert_allclose(targets.reindex(table.index).fillna(0), table["of_targets"], atol=1e-12)


def test_the_response_is_what_is_predicted(model: ScGenePT, found: sgp.tl.Explanation) -> None:
    adata = cells()
    sgp.tl.predict_perturbation(adata, "GENE03+GENE05", model=model, engine=ENGINE)
    predicted = sgp.get.predictions(adata, "GENE03+GENE05").head(4)
    assert found.responses["gene"].tolist() == predicted["gene"].tolist()
    np.testing.assert_allclose(found.responses["delta"], predicted["delta"], atol=1e-6)
    np.testing.assert_allclose(found.responses["response"], predicted["delta"], atol=1e-5)
    assert found.responses["is_target"].tolist() == predicted["is_target"].tolist()


def test_the_mean_cell_is_one_cell(model: ScGenePT) -> None:
    adata = cells()
    mean = cells(1)
    mean.X = sp.csr_matrix(adata.X.mean(axis=0))
    wanted = {"responding": ["GENE38", "GENE03"]}
    of_mean, alone = explain(model, adata, **wanted), explain(model, mean, cells="each", **wanted)
    np.testing.assert_allclose(of_mean.by_source["attribution"], alone.by_source["attribution"], atol=1e-5)
    np.testing.assert_allclose(of_mean.responses["response"], alone.responses["response"], atol=1e-5)
    assert (of_mean.cells, of_mean.n_cells, alone.n_cells) == ("mean", 12, 1)


def test_the_strongest_inputs_come_first(found: sgp.tl.Explanation) -> None:
    sizes = found.by_input["attribution"].abs().groupby([found.by_input[key] for key in KEYS], sort=False)
    assert all(size.is_monotonic_decreasing for _, size in sizes)
    top = found.top(3)
    assert (top.groupby(KEYS).size() <= 3).all()
    flags = top[top["kind"] == "perturbation"]
    assert set(flags["input_gene"]) == {"GENE03", "GENE05"}, "a gene that is not perturbed has no flag to explain by"


def test_tables_are_tidy(found: sgp.tl.Explanation) -> None:
    for table in (found.responses, found.by_source, found.by_input, found.top()):
        assert table.index.tolist() == list(range(len(table)))
        assert table.columns.nlevels == 1
        assert not table.isna().to_numpy().any()
    assert found.by_source["source"].tolist() == ["tokens", "go_c", "counts", "perturbation"] * 4
    text = str(found)
    assert all(word in text for word in ("GENE03+GENE05", "go_c", "each of 12 control cells", "baseline mean"))


def test_a_target_that_is_not_measured_is_an_input(model: ScGenePT) -> None:
    found = explain(model, cells(), "OUTA", responding=["GENE07"])
    assert found.by_input.query("kind == 'perturbation'")["input_gene"].tolist() == ["OUTA"]
    assert "OUTA" in set(found.by_input.query("kind == 'language'")["input_gene"])
    assert "OUTA" not in set(found.by_input.query("kind == 'counts'")["input_gene"])
    assert found.responses["gene"].tolist() == ["GENE07"]


def test_genes_that_the_model_does_not_know_are_not_chosen(model: ScGenePT) -> None:
    adata = cells(genes=[*GENES[:30], *(f"NEW{i}" for i in range(10))])
    found = explain(model, adata, "GENE03", responding=30)
    assert set(found.responses["gene"]) == set(GENES[:30])
    with pytest.raises(_errors.DataError, match=r"responding=31 of 30 genes"):
        explain(model, adata, "GENE03", responding=31)
    with pytest.raises(_errors.UnknownGeneError, match=r"1 responding genes are unknown to small.*NEW3"):
        explain(model, adata, "GENE03", responding=["NEW3"])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"genes": "GENE3"}, _errors.UnknownGeneError, "GENE3 is neither a measured gene nor known to small"),
        ({"responding": ["GENE3"]}, _errors.UnknownGeneError, r"GENE3\. Nearest known names: GENE"),
        ({"responding": []}, _errors.DataError, "responding is empty"),
        ({"responding": 0}, _errors.DataError, "responding=0 of 40 genes"),
        ({"baseline": "median"}, _errors.UnknownNameError, "baseline='median' does not exist: mean, zero"),
        ({"cells": "all"}, _errors.UnknownNameError, "cells='all' does not exist: mean, each"),
        ({"n_steps": 0}, _errors.DataError, "n_steps=0 should be a whole number, at least 1"),
        ({"n_cells": 0}, _errors.DataError, "n_cells=0 should be a whole number, at least 1"),
        ({"layer": "raw"}, _errors.DataError, "raw"),
        ({"model": "scgenept-min"}, _errors.UnknownNameError, "scgenept-mini"),
    ],
)
def test_bad_input(model: ScGenePT, options: dict[str, Any], error: type[Exception], words: str) -> None:
    adata = cells()
    given = {"model": model, "genes": "GENE03", **options}
    with unchanged(adata), pytest.raises(error, match=words):
        explain(given.pop("model"), adata, given.pop("genes"), **given)


def test_counts_are_refused(model: ScGenePT) -> None:
    adata = cells()
    adata.X = sp.csr_matrix(np.expm1(adata.X.toarray()).round())
    with pytest.raises(_errors.DataError, match="prepare"):
        explain(model, adata)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_data_and_model_stay_as_they_were(found: sgp.tl.Explanation, mode: Any) -> None:
    adata, model = cells(), small_model()
    model.network.train()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    with unchanged(adata), mode():
        again = explain(model, adata, cells="each")
    pd.testing.assert_frame_equal(again.by_source, found.by_source)
    assert all(module.training for module in model.network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    for weight in model.network.parameters():
        assert weight.requires_grad
        assert weight.grad is None
        assert not weight._backward_hooks


def test_control_cells_are_explained(model: ScGenePT) -> None:
    adata = cells(20)
    adata.obs["condition"] = ["control"] * 12 + ["GENE03"] * 8
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality="CRISPRa")
    found = explain(model, adata)
    assert found.n_cells == 12
    assert explain(model, adata, n_cells=5).n_cells == 5
    assert explain(model, adata, n_cells=5).responses.equals(explain(model, adata, n_cells=5).responses)


def test_few_steps_are_warned_of(model: ScGenePT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "TOLERANCE", 1e-9)
    with pytest.warns(UserWarning, match=r"miss their sum by more than .* Pass more steps: n_steps=12"):
        explain(model, cells(), n_steps=3)


def test_a_mean_cell_unlike_the_cells_is_warned_of(model: ScGenePT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "MEAN_TOLERANCE", 1e-9)
    with pytest.warns(UserWarning, match=r"The mean control cell responds otherwise than the 12 cells.*cells='each'"):
        explain(model, cells())


def test_the_cost_is_said_before_it_is_paid(
    model: ScGenePT, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    attribute = _explain.attribute
    monkeypatch.setattr(
        _explain, "attribute", lambda *args, **kw: said.extend(caplog.messages) or attribute(*args, **kw)
    )
    with caplog.at_level(logging.INFO, logger="scgenept"):
        explain(model, cells())
    pattern = "Explaining 4 genes of GENE03+GENE05 (the mean of 12 cells, 20 steps) takes 80 passes forward and back"
    assert any(message.startswith(pattern) for message in said)
    assert {record.levelname for record in caplog.records if "passes" in record.message} == {"INFO"}
    monkeypatch.setattr(_explain, "LONG", 0)
    caplog.clear()
    explain(model, cells(), cells="each")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "takes 960 passes" in caplog.text


def test_missing_extra(model: ScGenePT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(
        _errors.MissingExtraError, match=r"captum.* is not installed.*pip install 'scgenept\[explain\]'"
    ):
        explain(model, cells())


def test_a_text_that_all_genes_share_explains_nothing(model: ScGenePT) -> None:
    alike = small_model()
    with torch.no_grad():
        table = alike.network.genes.languages["go_c"].table.weight
        table[:] = table[0]
    found = explain(alike, cells())
    assert not len(found.by_input.query("source == 'go_c' and abs(attribution) > 1e-6"))
    assert len(explain(model, cells()).by_input.query("source == 'go_c' and abs(attribution) > 1e-3"))
