"""scgenept finetune: from a file of cells to a folder that holds a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

import scgenept as sgp
from scgenept.cli.app import app
from tests.tl.test_finetune import pretrained
from tests.training.interrupted import cells

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Cells as they come, with counts and labels, and small pretrained weights."""
    adata = cells()
    pretrained(adata).save(tmp_path / "weights")
    raw = adata.copy()
    raw.X = raw.layers["counts"].copy()
    raw.obs = raw.obs[["condition", "split"]]
    raw.uns = {}
    del raw.layers["counts"]
    raw.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad", tmp_path / "weights"


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["finetune", *map(str, arguments)])
    return done.exit_code, done.output


def test_counts_become_a_model(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, weights = files
    options = ("--out", tmp_path / "run", "--init", weights, "--variant", "scgpt", "--epochs", 2, "--batch-size", 8)
    labels = ("--key", "condition", "--modality", "CRISPRa", "--cell-type", "K562", "--split", "")
    code, said = run(data, *options, *labels)
    assert code == 0, said
    assert "scgpt-finetuned: 2 epochs on" in said
    assert "Next: scgenept.tl.evaluate" in said
    model = sgp.models.load(tmp_path / "run")
    assert (model.card.modality, model.card.cell_type) == ("CRISPRa", "K562")
    assert np.isfinite([row["validation_loss"] for row in model.card.training["history"]]).all()
    assert run(data, *options, *labels, "--resume")[0] == 0
    code, said = run(data, *options, *labels)
    assert code != 0
    assert "holds a run already" in said


def test_what_is_missing_is_said_in_a_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, weights = files
    for arguments, message in (
        ((tmp_path / "no.h5ad", "--out", tmp_path / "run"), "is not a file"),
        (
            (data, "--out", tmp_path / "run", "--init", weights),
            "is not set up: name the column of the labels with --key",
        ),
        ((data, "--out", tmp_path / "run", "--key", "condition", "--split", "", "--epochs", 0), "epochs=0 should be"),
        ((data, "--out", tmp_path / "run", "--key", "condition", "--seed", -1), "Invalid value for '--seed'"),
    ):
        code, said = run(*arguments)
        assert code != 0
        assert message in said
        assert "Traceback" not in said
    assert not (tmp_path / "run").exists()
