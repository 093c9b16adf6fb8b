"""The command line, as someone who does not write Python uses it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import scgenept as sgp
from scgenept.cli import app
from scgenept.cli.demo import PAIRS

if TYPE_CHECKING:
    from pathlib import Path

runner = CliRunner()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo") / "scgenept_demo"
    result = runner.invoke(app, ["demo", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out, result.output


def test_demo_writes_a_result_and_a_figure(demo: tuple[Path, str]) -> None:
    out, _ = demo
    assert sorted(path.name for path in out.iterdir()) == ["result.h5ad", "top_genes.png"]
    result = ad.read_h5ad(out / "result.h5ad")
    for pair in PAIRS:
        assert np.isfinite(result.layers[pair]).all()
        assert sgp.get.record(result, pair)["model"] == "scgenept-mini"
        assert sgp.get.record(result, pair)["simulated"]
    assert (out / "top_genes.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "top_genes.png").stat().st_size > 50_000


def test_demo_says_what_to_think_of_it(demo: tuple[Path, str]) -> None:
    _, text = demo
    lines = text.strip().splitlines()
    assert len(lines) == 12
    for word in (*PAIRS, "CRISPRa", "K562", "simulated", "additive", "mean", "replicate", "Do not conclude", "Next"):
        assert word in text, word


def test_demo_scores_are_those_of_the_files(demo: tuple[Path, str]) -> None:
    """An independent computation from what was written and the embedded figures."""
    out, text = demo
    result, figures = ad.read_h5ad(out / "result.h5ad"), sgp.datasets.k562_mini(n_cells=1)
    observed = figures.varm["observed_mean"]
    for pair in PAIRS:
        predicted = result.layers[pair].astype(float).mean(axis=0) - result.X.toarray().astype(float).mean(axis=0)
        truth = (observed[pair] - observed["ctrl"]).to_numpy()
        row = next(line for line in text.splitlines() if line.startswith(f"  {pair}"))
        assert float(row.split()[1]) == pytest.approx(np.corrcoef(predicted, truth)[0, 1], abs=0.0051)
        gene_a, gene_b = pair.split("+")
        additive = (observed[gene_a] + observed[gene_b] - 2 * observed["ctrl"]).to_numpy()
        assert float(row.split()[2]) == pytest.approx(np.corrcoef(additive, truth)[0, 1], abs=0.0051)


def test_held_out_pairs_were_not_trained_on() -> None:
    training = sgp.models.load("scgenept-mini").card.training
    assert set(PAIRS) <= set(training["test"])
    assert not set(PAIRS) & set(training["train"])
    genes = {gene for pair in PAIRS for gene in pair.split("+")}
    assert genes <= set(training["train"])


@pytest.mark.parametrize("genes", ["MAP2K6,KLF1", "KLF1+MAP2K6"])
def test_predict_on_ones_own_cells(tmp_path: Path, genes: str) -> None:
    cells, out = tmp_path / "cells.h5ad", tmp_path / "out.h5ad"
    sgp.datasets.k562_mini(n_cells=6).write_h5ad(cells)
    command = ["predict", str(cells), "--genes", genes, "--model", "scgenept-mini", "--out", str(out)]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "KLF1+MAP2K6: 6 cells x 500 genes by scgenept-mini (trained on CRISPRa in K562)" in result.output
    assert ad.read_h5ad(out).layers["KLF1+MAP2K6"].shape == (6, 500)
    again = runner.invoke(app, command)
    assert again.exit_code == 1
    assert "exists: choose another --out" in again.output
    assert runner.invoke(app, [*command, "--overwrite"]).exit_code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--genes": "KLF99"}, "KLF99 is neither a measured gene nor known to scgenept-mini"),
        ({"--model": "scgenept-maxi"}, "There is no model 'scgenept-maxi'. Nearest known names: scgenept-mini"),
    ],
)
def test_errors_are_one_line_without_traceback(tmp_path: Path, change: dict[str, str], message: str) -> None:
    cells = tmp_path / "cells.h5ad"
    sgp.datasets.k562_mini(n_cells=3).write_h5ad(cells)
    options = {"--genes": "KLF1", "--model": "scgenept-mini", "--out": str(tmp_path / "out.h5ad"), **change}
    result = runner.invoke(app, ["predict", str(cells), *(text for pair in options.items() for text in pair)])
    assert result.exit_code == 1
    assert f"Error: {message}" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.h5ad").exists()


def test_a_missing_input_file(tmp_path: Path) -> None:
    result = runner.invoke(app, ["predict", str(tmp_path / "no.h5ad"), "--genes", "KLF1", "--out", "x.h5ad"])
    assert result.exit_code == 1
    assert "no.h5ad is not a file" in result.output


def test_info_names_what_an_issue_needs() -> None:
    result = runner.invoke(app, ["info"])
    assert result.exit_code == 0, result.output
    for word in ("python", "torch", "anndata", "device", "cache", "scgenept-mini", sgp.__version__):
        assert word in result.output


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scgenept", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "demo" in done.stdout


def test_files_that_are_no_h5ad_are_named(tmp_path: Path) -> None:
    whole, cut, text, other = (tmp_path / f"{name}.h5ad" for name in ("whole", "cut", "text", "other"))
    sgp.datasets.k562_mini()[:4].copy().write_h5ad(whole)
    cut.write_bytes(whole.read_bytes()[:3000])
    text.write_text("cells")
    with h5py.File(other, "w") as file:
        file.create_group("x")
    out = tmp_path / "out.h5ad"
    for path in (cut, text, other):
        for command in (
            ["predict", str(path), "--genes", "KLF1", "--model", "scgenept-mini", "--out", str(out)],
            ["evaluate", str(path), "--model", "mean"],
            ["finetune", str(path), "--out", str(tmp_path / "run")],
        ):
            result = runner.invoke(app, command)
            assert result.exit_code == 1
            assert f"Error: {path} is not a whole h5ad file (" in result.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--n-cells", "500"], "Error: --n-cells 500 of 4 control cells: ask for 1 to 4."),
        (["--n-cells", "-1"], "Invalid value for '--n-cells'"),
        (["--out", "result.csv"], "result.csv should end in .h5ad"),
    ],
)
def test_options_are_named_as_they_are_typed(options: list[str], said: str, tmp_path: Path) -> None:
    cells = tmp_path / "cells.h5ad"
    sgp.datasets.k562_mini()[:4].copy().write_h5ad(cells)
    command = ["predict", str(cells), "--genes", "KLF1", "--model", "scgenept-mini", "--out", str(tmp_path / "o.h5ad")]
    result = runner.invoke(app, [*command, *options])
    assert result.exit_code != 0
    assert said in result.output


def test_a_default_model_without_network_is_answered_with_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = tmp_path / "cells.h5ad"
    sgp.datasets.k562_mini()[:4].copy().write_h5ad(cells)
    monkeypatch.setattr(sgp.settings, "offline", True)
    monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path / "cache")
    result = runner.invoke(app, ["predict", str(cells), "--genes", "KLF1", "--out", str(tmp_path / "out.h5ad")])
    assert result.exit_code == 1
    assert "Without a network, pass --model 'scgenept-mini'" in result.output
