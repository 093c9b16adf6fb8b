from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from scgenept._errors import DownloadError, UnknownNameError
from scgenept.cli.app import app
from scgenept.registry.pin import REGISTRY, pin_files
from tests.registry.server import Answer

if TYPE_CHECKING:
    from tests.registry.server import Server

GOOD = b"PK\x03\x04 weights"
NAME = "scgenept_ncbi+uniprot/norman"
PATH = "/models/finetuned/scgenept_ncbi+uniprot/norman/best_model_gpt3.5_ada_rnd_seed_42.pt"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    shutil.copyfile(REGISTRY, tmp_path / "registry.yaml")
    return tmp_path / "registry.yaml"


def rows(table: Path) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in yaml.safe_load(table.read_text())["files"]}


def test_pin(server: Server, table: Path) -> None:
    server.answers[PATH] = Answer(GOOD)
    sha256 = hashlib.sha256(GOOD).hexdigest()
    assert pin_files([NAME], table=table) == {NAME: sha256}
    before, after = rows(REGISTRY), rows(table)
    before[NAME] |= {"sha256": sha256, "size": len(GOOD)}
    del before[NAME]["about"]
    assert after == before
    assert table.read_text().startswith("# Every file")
    assert pin_files([NAME], table=table) == {NAME: sha256}
    assert rows(table) == after


def test_unknown_names_fetch_nothing(server: Server, table: Path) -> None:
    with pytest.raises(UnknownNameError):
        pin_files([NAME, "scgenept_ncbi/normann"], table=table)
    assert server.asked == []


def test_table_that_cannot_be_written(server: Server, table: Path) -> None:
    server.answers[PATH] = Answer(GOOD)
    with pytest.raises(DownloadError, match="run this in a checkout"):
        pin_files([NAME], table=table.parent)


def test_command(server: Server, table: Path) -> None:
    server.answers[PATH] = Answer(GOOD)
    done = CliRunner().invoke(app, ["registry", "pin", NAME, "--table", str(table)])
    assert done.exit_code == 0, done.output
    assert done.output.split() == [hashlib.sha256(GOOD).hexdigest(), NAME]
    assert rows(table)[NAME]["size"] == len(GOOD)


def test_command_says_what_is_wrong(server: Server, table: Path) -> None:
    done = CliRunner().invoke(app, ["registry", "pin", NAME, "--table", str(table)])
    assert done.exit_code == 1
    assert "Error: scgenept_ncbi+uniprot/norman" in done.output
    assert "404" in done.output


def test_command_wants_names() -> None:
    done = CliRunner().invoke(app, ["registry", "pin"])
    assert done.exit_code == 2
    assert "--all" in done.output


def test_fetch(server: Server) -> None:
    server.answers[PATH] = Answer(GOOD)
    done = CliRunner().invoke(app, ["registry", "fetch", NAME, "no/such"])
    assert done.exit_code == 1
    assert "no/such" in done.output
    assert server.asked == []
    done = CliRunner().invoke(app, ["registry", "fetch", NAME])
    assert done.exit_code == 0, done.output
    assert Path(done.output.strip()).read_bytes() == GOOD


def test_list() -> None:
    done = CliRunner().invoke(app, ["registry", "list"])
    assert done.exit_code == 0
    assert "norman_subset.h5ad" in done.output
