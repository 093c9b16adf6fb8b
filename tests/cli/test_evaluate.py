"""scgenept evaluate: a file of predictions or a model beside real cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import pandas as pd
import pytest
from typer.testing import CliRunner

from scgenept.cli.app import app
from tests.screens import observed, screen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    adata = screen(n_cells=20, n_genes=30)
    adata.write_h5ad(folder / "real.h5ad")
    table = observed(adata)
    ad.AnnData(table.to_numpy(), obs=table[[]], var=pd.DataFrame(index=table.columns)).write_h5ad(folder / "mine.h5ad")
    return folder


def test_predictions(files: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", str(files / "real.h5ad"), str(files / "mine.h5ad"), "--out", str(tmp_path / "tables")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "predictions on 10 test perturbations" in done.output
    assert (tmp_path / "tables" / "summary.csv").is_file()


def test_one_of_two(files: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(files / "real.h5ad")])
    assert done.exit_code == 1
    assert "Pass either" in done.output
    done = CliRunner().invoke(app, ["evaluate", str(files / "real.h5ad"), "--model", "aditive"])
    assert done.exit_code == 1
    assert "additive" in done.output
