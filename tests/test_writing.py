"""One rule for all that write: missing folders are made, and where one cannot write, nothing is computed first."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
from safetensors import SafetensorError
from typer.testing import CliRunner

import scgenept as sgp
from scgenept._errors import DataError, TrainingError, WriteError
from scgenept._io import atomic_file, require_writable
from scgenept.cli.app import app
from tests.screens import screen
from tests.small import small_model
from tests.training import interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def things() -> dict[str, Any]:
    """What can be written."""
    cells = sgp.datasets.k562_mini()[:4].copy()
    sgp.tl.predict_perturbation(cells, "KLF1", model="scgenept-mini")
    return {
        "model": small_model(),
        "report": sgp.tl.evaluate(screen(n_cells=10, n_genes=20), "additive", n_boot=10, calibrate=False),
        "source": sgp.knowledge.KnowledgeSource("toy", ["A", "B"], np.eye(2)),
        "cells": cells,
    }


WRITERS: dict[str, Callable[[dict[str, Any], str], object]] = {
    "model.save": lambda things, path: things["model"].save(path),
    "model.export": lambda things, path: things["model"].export(path),
    "report.to_csv": lambda things, path: things["report"].to_csv(path),
    "source.save": lambda things, path: things["source"].save(path),
    "save=": lambda things, path: sgp.pl.top_genes(things["cells"], "KLF1", n_top=3, save=f"{path}.png"),
    "finetune": lambda _, path: interrupted.train(Path(path), plan={"epochs": 1}),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_missing_folders_are_made(write: Callable[..., object], things: dict[str, Any], tmp_path: Path) -> None:
    write(things, str(tmp_path / "new" / "newer" / "written"))
    assert {path.name.split(".")[0] for path in (tmp_path / "new" / "newer").iterdir()} == {"written"}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_in_the_way_is_named(write: Callable[..., object], things: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/written.* cannot be written: .*/file is a file\. Choose another path"):
        write(things, str(tmp_path / "file" / "written"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", [name for name in WRITERS if name.startswith(("model", "report", "source"))])
def test_what_is_no_path_is_named(name: str, things: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"(path|folder)= should be the .*, not NoneType"):
        WRITERS[name](things, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("write", [w for name, w in WRITERS.items() if name != "finetune"])
def test_home_is_spelled_out(
    write: Callable[..., object], things: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(things, "~/written")
    assert any(path.name.startswith("written") for path in tmp_path.iterdir())


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A folder that may not be written to, also not by root, who becomes nobody for as long."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        if is_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_folder_of_others_is_named(forbidden: Path) -> None:
    for path in (forbidden / "a.png", forbidden / "new" / "newer" / "a.png"):
        with pytest.raises(WriteError, match=rf"a\.png cannot be written: you may not write to {forbidden}\. Choose"):
            require_writable(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="is a folder: name a file in it"), atomic_file(tmp_path):
        pass


FULL = OSError(28, "No space left on device")
OF_TORCH = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 6528 vs 6422")
OF_TORCH.__context__ = FULL
OF_SAFETENSORS = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28).")


@pytest.mark.parametrize("error", [FULL, OF_TORCH, OF_SAFETENSORS], ids=["os", "torch", "safetensors"])
def test_a_full_disk_is_said_of_the_file(error: Exception, tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    target.write_text("old")
    with (
        pytest.raises(WriteError, match=r"model\.pt cannot be written: .*No space left on device[^.]*\. Make room"),
        atomic_file(target),
    ):
        raise error
    assert target.read_text() == "old"


def test_a_source_is_written_as_a_pair_or_not_at_all(
    things: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match=r"new\.safetensors cannot be written: No space left"):
        things["source"].save(tmp_path / "new")
    assert not list(tmp_path.iterdir())


# Figures


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (True, r"save= should be the file to write the figure to, such as 'figure\.pdf', not bool"),
        ("", "save='' names no file"),
        (".png", r"save='\.png' names no file\. Give it a name: save='figure\.pdf'"),
        ("figure.xyz", r"save='figure\.xyz' ends in \.xyz, which matplotlib does not write: .*pdf, .*png"),
    ],
)
def test_figures_say_what_is_no_file(save: Any, message: str, things: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=message):
        sgp.pl.top_genes(things["cells"], "KLF1", save=save)


# Before anything is computed


def never(*_: object, **__: object) -> NoReturn:
    pytest.fail("computed before the place to write to was looked at")


def test_finetune_looks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scgenept.tl._finetune.examples_from_adata", never)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(TrainingError, match=r"holds other files \(thesis\.txt\)"):
        interrupted.train(tmp_path)


def test_calibrate_looks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_model().save(tmp_path / "model")

    def refuse(path: Path) -> NoReturn:
        msg = f"{path} cannot be written"
        raise WriteError(msg)

    monkeypatch.setattr("scgenept.tl._calibrate.require_writable", refuse)
    monkeypatch.setattr("scgenept.tl._calibrate.read_held_out", never)
    with pytest.raises(WriteError, match=r"Pass the model itself, scgenept\.models\.load\(.*save the one"):
        sgp.tl.calibrate(folder, sgp.datasets.toy())


COMMANDS = {
    "demo": ("datasets.k562_mini", ["demo", "--out", "{out}"]),
    "predict": (
        "tl.predict_perturbation",
        ["predict", "{cells}", "--genes", "KLF1", "--model", "scgenept-mini", "--out", "{out}.h5ad"],
    ),
    "evaluate": ("tl.evaluate", ["evaluate", "{cells}", "--model", "mean", "--out", "{out}"]),
    "finetune": ("pp.prepare", ["finetune", "{cells}", "--key", "condition", "--out", "{out}"]),
}


@pytest.mark.parametrize(("computes", "command"), COMMANDS.values(), ids=COMMANDS)
def test_commands_look_first(
    computes: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = tmp_path / "cells.h5ad"
    sgp.datasets.toy().write_h5ad(cells)
    monkeypatch.setattr(f"scgenept.{computes}", never)
    done = CliRunner().invoke(app, [word.format(cells=cells, out=cells / "out") for word in command])
    assert done.exit_code == 1, done.output
    assert f"cannot be written: {cells} is a file. Choose another path." in done.output


@pytest.mark.parametrize("switch", ["evaluate", "finetune"])
def test_commands_name_their_own_switch(switch: str, things: dict[str, Any], tmp_path: Path) -> None:
    cells, out = tmp_path / "cells.h5ad", tmp_path / "out"
    sgp.datasets.toy().write_h5ad(cells)
    command, option = {
        "evaluate": (["--model", "mean"], "Pass --overwrite, or choose another folder"),
        "finetune": (["--key", "condition"], "pass --resume to go on with it"),
    }[switch]
    if switch == "evaluate":
        things["report"].to_csv(out)
    else:
        out.mkdir()
        (out / "run.json").write_text("{}")
        (out / "log.csv").touch()
    done = CliRunner().invoke(app, [switch, str(cells), "--out", str(out), *command])
    assert done.exit_code == 1
    assert option in done.output


def test_cells_that_have_no_room_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = tmp_path / "cells.h5ad"
    sgp.datasets.k562_mini()[:4].copy().write_h5ad(cells)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    arguments = [
        "predict",
        str(cells),
        "--genes",
        "KLF1",
        "--model",
        "scgenept-mini",
        "--out",
        str(tmp_path / "out.h5ad"),
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "out.h5ad cannot be written: it takes" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]
