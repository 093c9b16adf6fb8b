"""A run that is killed and resumed ends as an unbroken one does, to the last bit."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import shutil
import signal
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from safetensors import SafetensorError

import scgenept as sgp
from scgenept._errors import CheckpointError, DataError, TrainingError
from scgenept.training import run_folder, state
from scgenept.training.state import load_state, save_state
from tests.training import interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = "model/model.safetensors"


def in_a_process(call: Callable[..., None], *arguments: Any) -> int:
    """Run in a process of its own and return its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lightning", "tests.training.interrupted"])
    process = context.Process(target=call, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    interrupted.train(out)
    return out


def test_killed_at_drawn_steps_and_in_a_write(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for step in np.random.default_rng(2026).integers(0, 7, size=5):
        assert in_a_process(interrupted.killed_at_step, out, int(step)) == -signal.SIGKILL
        assert not (out / MODEL).exists()
    assert in_a_process(interrupted.killed_in_write, out, 2) == -signal.SIGKILL
    assert list(out.glob(".*.safetensors*")), "the write left nothing behind, so nothing was tested"
    assert in_a_process(interrupted.to_the_end, out, True) == 0
    assert sha256(out / MODEL) == sha256(unbroken / MODEL)
    assert not list(out.glob(".*.safetensors*"))
    timing = ["seconds", "cells_per_second"]
    logs = [pd.read_csv(folder / "log.csv").drop(columns=timing) for folder in (out, unbroken)]
    pd.testing.assert_frame_equal(*logs)
    assert logs[0]["epoch"].tolist() == list(range(interrupted.N_EPOCHS))


def test_within_an_epoch(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The state is written after every step here; a callback then gives up in the middle of an epoch.
    monkeypatch.setattr("scgenept.training.course.SAVE_EVERY", -1.0)
    out = tmp_path / "run"

    class GiveUp(interrupted.KillAt):
        def on_train_batch_end(self, *_: Any) -> None:
            if self.left == 0:
                raise InterruptedError
            self.left -= 1

    for step in (interrupted.STEPS_PER_EPOCH + 1, 0):
        with pytest.raises(InterruptedError):
            interrupted.train(out, resume=True, callbacks=(GiveUp(step),))
        books = load_state(out / "last.safetensors")["books"]
        assert books["step"] > 0
    model = interrupted.train(out, resume=True)
    assert sha256(out / MODEL) == sha256(unbroken / MODEL)
    assert len(model.card.training["history"]) == interrupted.N_EPOCHS


def test_a_finished_run_is_read_not_repeated(unbroken: Path) -> None:
    before = sha256(unbroken / MODEL)
    model = interrupted.train(unbroken, resume=True)
    assert sha256(unbroken / MODEL) == before
    assert len(model.card.training["history"]) == interrupted.N_EPOCHS


def test_a_finished_run_without_validation_is_read_back(tmp_path: Path) -> None:
    everything = interrupted.cells()
    everything.obs["split"] = "train"
    before = interrupted.train(tmp_path / "run", adata=everything).weight_hash
    assert interrupted.train(tmp_path / "run", adata=everything, resume=True).weight_hash == before


def test_patience_holds_after_a_resume(tmp_path: Path) -> None:
    plan = {"epochs": 30, "patience": 2, "learning_rate": 3.0}
    stopped = interrupted.train(tmp_path / "run", plan=plan).card.training
    assert len(stopped["history"]) < 30
    again = interrupted.train(tmp_path / "run", plan=plan, resume=True).card.training
    assert again["history"] == stopped["history"]


def test_another_run_in_the_folder(unbroken: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds a run already: pass resume=True"):
        interrupted.train(unbroken)
    with pytest.raises(TrainingError, match=r"cannot be resumed: seed=0 there, \d+ here\. Ask as then"):
        interrupted.train(unbroken, resume=True, rng=5)
    with pytest.raises(TrainingError, match=r"epochs=\d there, 9 here"):
        interrupted.train(unbroken, resume=True, plan={"epochs": 9})
    other_genes = interrupted.cells()[:, 1:].copy()
    with pytest.raises(TrainingError, match=r"other data \(cells, genes, labels, split or pairs\), other genes\. Ask"):
        interrupted.train(unbroken, resume=True, adata=other_genes)
    in_batches = interrupted.cells()
    in_batches.obs["batch"] = ["one", "two"] * 30
    sgp.pp.pair_controls(in_batches, by="batch")
    with pytest.raises(TrainingError, match=r"cannot be resumed: other data \([^)]*\)\. Ask"):
        interrupted.train(unbroken, resume=True, adata=in_batches)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match=r"holds other files \(notes.txt\)"):
        interrupted.train(tmp_path)
    with pytest.raises(TrainingError, match="resume=True needs out="):
        interrupted.train(None, resume=True)


def test_two_runs_at_once(tmp_path: Path) -> None:
    folder = run_folder.RunFolder(tmp_path / "run", {"seed": 0})
    with folder.open(resume=False), pytest.raises(TrainingError, match="is in use by another run"):
        interrupted.train(tmp_path / "run", resume=True)


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    whole, written = state.save_file, []

    def until_full(tensors: dict[str, Any], path: Path, **options: Any) -> None:
        written.append(path.name.startswith(".last.safetensors"))
        if sum(written) == 3:
            msg = "Error while serializing: I/O error: No space left on device (os error 28)"  # its very words
            raise SafetensorError(msg)
        whole(tensors, path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(state, "save_file", until_full)
        with pytest.raises(TrainingError, match=r"No space left on device.*state before it is whole.*resume=True"):
            interrupted.train(out)
    assert load_state(out / "last.safetensors")["books"]["epoch"] == 2
    assert len(interrupted.train(out, resume=True).card.training["history"]) == interrupted.N_EPOCHS


@pytest.mark.parametrize(
    ("written_by", "name"), [("pandas.DataFrame.to_csv", "log.csv"), ("scgenept.weights.folder.save_file", "model")]
)
def test_a_full_disk_leaves_a_run_to_go_on_with(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_by: str, name: str
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(written_by, full)
        with pytest.raises(TrainingError, match=rf"run/{name} cannot be written: No space.*: call again with resume"):
            interrupted.train(out)
    interrupted.train(out, resume=True)
    assert sha256(out / MODEL) == sha256(unbroken / MODEL)


def test_a_damaged_state(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    (out / "last.safetensors").write_bytes(b"not a state")
    with pytest.raises(ValueError, match=r"last\.safetensors is damaged .*Train in another folder, or delete .*run"):
        interrupted.train(out, resume=True)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("run.json", b'{"plan":', r"run\.json is damaged .*Train in another folder, or delete .*run to start anew"),
        ("best.safetensors", None, r"best\.safetensors is gone\. Train in another folder, or delete"),
    ],
)
def test_a_damaged_run(unbroken: Path, tmp_path: Path, name: str, damage: bytes | None, message: str) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    (out / name).unlink()
    if damage is not None:
        (out / name).write_bytes(damage)
    with pytest.raises(CheckpointError, match=message):
        interrupted.train(out, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_what_failed_at_once_leaves_nothing_in_the_way(tmp_path: Path, resume: bool) -> None:
    out = tmp_path / "run"
    with pytest.raises(DataError, match="do not fill one batch of 5000"):
        interrupted.train(out, plan={"batch_size": 5000})
    assert interrupted.train(out, plan={"epochs": 1}, resume=resume).card.training["plan"]["epochs"] == 1


def test_state_of_any_shape(tmp_path: Path) -> None:
    import torch

    state = {
        "a": [torch.arange(3), {"b": torch.tensor(1.5), "c": None}],
        "moments": {0: {"step": torch.tensor(2.0)}, 7: {}},
        "plain": [1, 2.5, "x", True, [float("inf")]],
    }
    save_state(state, tmp_path / "state.safetensors")
    back = load_state(tmp_path / "state.safetensors")
    assert back["plain"] == state["plain"]
    assert list(back["moments"]) == [0, 7]
    assert torch.equal(back["a"][0], torch.arange(3))
    assert back["a"][1]["b"] == 1.5
    assert back["moments"][0]["step"].shape == ()
