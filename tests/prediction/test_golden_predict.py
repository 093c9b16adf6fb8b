"""Predictions over all genes equal those of the original."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scgenept.genes.vocabulary import Vocabulary
from scgenept.perturbation import Perturbation
from scgenept.prediction.engine import Engine, predict_cells
from scgenept.weights.card import Card
from scgenept.weights.original import read_checkpoint
from scgenept.weights.tokens import build_tokens
from tests.golden_files import N_HEADS, SHARED, read_archive

if TYPE_CHECKING:
    from scgenept.weights.model import ScGenePT

CPU = Engine(device="cpu")
INDEX = SHARED / "predict" / "index.json"
VARIANTS = ["scgpt", "scgenept_ncbi_gpt", "scgenept_ncbi_uniprot_gpt_go_c_gpt_concat"]


@pytest.fixture(scope="module")
def index() -> dict[str, Any]:
    if not INDEX.exists():
        pytest.skip("shared folder with golden numbers not found")
    return json.loads(INDEX.read_text())


@pytest.fixture(scope="module", params=VARIANTS)
def case(request: pytest.FixtureRequest, index: dict[str, Any]) -> tuple[ScGenePT, Any, list[str]]:
    forward = json.loads((SHARED / "forward" / "index.json").read_text())
    model = read_checkpoint(
        SHARED / "forward" / f"{request.param}.native.pt",
        vocabulary=Vocabulary.from_mapping(forward["stoi"]),
        n_heads=N_HEADS,
        card=Card("golden", token_mapping="v1"),
    )
    return model, read_archive(SHARED / "predict" / f"{request.param}.npz"), index["genes"]


def predict(model: ScGenePT, genes: list[str], perturbation: str, cells: np.ndarray) -> np.ndarray:
    tokens = build_tokens(model, genes, Perturbation.parse(perturbation))
    return predict_cells(model.network, tokens, lambda a, b: cells[a:b], len(cells), engine=CPU).values


def test_batch_prediction(case: tuple[ScGenePT, Any, list[str]]) -> None:
    model, golden, genes = case
    for i, flags in enumerate(golden["intr/flags"]):
        name = "+".join(gene for gene, flag in zip(genes, flags, strict=True) if flag)
        found = predict(model, genes, name, golden["intr/X"][i : i + 1])
        np.testing.assert_allclose(found[0], golden["intr/out_all"][i], atol=1e-5)


def test_prediction_from_controls(case: tuple[ScGenePT, Any, list[str]], index: dict[str, Any]) -> None:
    model, golden, genes = case
    cells = golden["ctrl/X"]
    cases = index["models"]["scgpt"]["ctrl_cases"]
    assert len(cases) > 30
    for name, recorded in cases.items():
        if name not in golden:
            continue
        found = predict(model, genes, recorded["perturbation"], cells)[recorded["drawn"]]
        expected = golden[name]
        if name.endswith("mean"):
            np.testing.assert_allclose(found.mean(axis=0), expected[0], atol=1e-5, err_msg=name)
        else:
            np.testing.assert_allclose(found, expected[:, 0], atol=1e-5, err_msg=name)
