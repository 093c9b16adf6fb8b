"""The folder of one training run: what it was asked for, how far it is, and its log."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from .._arguments import require_path
from .._errors import CheckpointError, TrainingError, WriteError, listing
from .._io import atomic_file, require_writable
from ..weights.folder import RUN_MODEL
from .state import load_state, save_state

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from ..weights.model import ScGenePT

RUN: Final = "run.json"
LAST: Final = "last.safetensors"
BEST: Final = "best.safetensors"
LOG: Final = "log.csv"
_LOCK: Final = ".lock"

_GENES: Final = "other genes"
_TEXTS: Final = "other texts (language=)"
_IN_WORDS: Final = {
    "data": "other data (cells, genes, labels, split or pairs)",
    "init": "other weights to start from (init=)",
    "language": _TEXTS,
    "languages": _TEXTS,
    "n_tokens": _GENES,
    "pad_id": _GENES,
}
"""What a difference means whose values say nothing to a reader: hashes, and numbers that follow from others."""


class RunFolder:
    """Files of a run, each of which appears whole or not at all.

    ====================  ====================================================================
    ``run.json``          what was asked for: plan, seed, data, start; a resumed run must agree
    ``last.safetensors``  everything needed to go on
    ``best.safetensors``  the best weights so far
    ``log.csv``           one row per epoch
    ``model/``            the finished model, as :func:`scgenept.models.load` takes it
    ====================  ====================================================================

    Parameters
    ----------
    path
        The folder.
    asked
        What identifies the run, plain JSON-able values.
    """

    def __init__(self, path: str | os.PathLike[str], asked: Mapping[str, Any]) -> None:
        self.path = Path(path).expanduser()
        self.asked = json.loads(json.dumps(dict(asked)))

    @property
    def model(self) -> Path:
        """Where the finished model goes."""
        return self.path / RUN_MODEL

    @contextmanager
    def open(self, *, resume: bool, writing: bool = True) -> Iterator[None]:
        """Begin a run here or go on with the one that is here; nobody else can meanwhile.

        Parameters
        ----------
        resume
            Go on where there is something to go on from, begin otherwise.
        writing
            False for processes of the same run that only read.

        Raises
        ------
        TrainingError
            The folder holds something else, another run, or is in use.
        """
        if not writing:
            yield
            return
        require_run_folder(self.path, resume=resume)
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            msg = f"{self.path} is in use by another run: wait for it, or choose another folder."
            raise TrainingError(msg) from error
        try:
            self._begin()
            yield
        finally:
            lock.release()

    def load(self) -> dict[str, Any] | None:
        """Return the state of the run, or ``None`` where none was written yet."""
        path = self.path / LAST
        return load_state(path) if path.exists() else None

    def load_best(self) -> dict[str, Any] | None:
        """Return the best weights, or ``None`` where none were written yet.

        Raises
        ------
        CheckpointError
            They were written, as the state says, and are gone.
        """
        path = self.path / BEST
        if path.exists():
            return load_state(path)
        state = self.load()
        if state is not None and math.isfinite(state["books"]["best_loss"]):
            msg = f"{path} is gone. Train in another folder, or delete {self.path} to start anew."
            raise CheckpointError(msg)
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; the one that is there stays if the disk is full."""
        with self._resumable():
            save_state(state, self.path / LAST)

    def save_best(self, weights: dict[str, Any]) -> None:
        """Replace the best weights."""
        with self._resumable():
            save_state(weights, self.path / BEST)

    def save_model(self, model: ScGenePT) -> None:
        """Write the finished model, in place of one of an interrupted run."""
        with self._resumable():
            model.save(self.model, overwrite=True)

    def write_log(self, history: pd.DataFrame) -> None:
        """Replace the log."""
        with self._resumable(), atomic_file(self.path / LOG) as work:
            history.to_csv(work, index=False)

    @contextmanager
    def _resumable(self) -> Iterator[None]:
        """Say how to go on where something of the run cannot be written."""
        try:
            yield
        except WriteError as error:
            kept = "The state before it is whole" if (self.path / LAST).exists() else "Nothing was written before it"
            msg = f"{error} {kept}: call again with resume=True then."
            raise TrainingError(msg) from error

    def _begin(self) -> None:
        record = self.path / RUN
        if not _has_begun(self.path):
            with atomic_file(record) as work:
                work.write_text(json.dumps(self.asked, indent=1) + "\n")
            return
        try:
            before = json.loads(record.read_text())
        except (OSError, ValueError) as error:
            msg = f"{record} is damaged ({error}). Train in another folder, or delete {self.path} to start anew."
            raise CheckpointError(msg) from error
        if before != self.asked:
            msg = (
                f"{self.path} holds a run that was asked for otherwise, so it cannot be resumed: "
                f"{listing(_differences(before, self.asked))}. Ask as then, or choose another folder."
            )
            raise TrainingError(msg)
        for leftover in self.path.glob(".*.*"):  # of a process that was killed while it wrote
            if leftover.name.startswith(tuple(f".{name}." for name in (LAST, BEST, LOG, RUN))):
                leftover.unlink(missing_ok=True)


def require_run_folder(path: str | os.PathLike[str], *, resume: bool) -> Path:
    """Refuse a folder that no run can begin or go on in, before anything else is done.

    Raises
    ------
    TrainingError
        It is a file, holds something else, or holds a run that is not to be gone on with.
    WriteError
        It cannot be written to.
    """
    require_path("out", path, what="the folder to keep the run in")
    folder = require_writable(path)
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file: choose another folder."
        raise TrainingError(msg)
    require_writable(folder / RUN)
    if (folder / RUN).exists():
        if _has_begun(folder) and not resume:
            msg = f"{folder} holds a run already: pass resume=True to go on with it, or choose another folder."
            raise TrainingError(msg)
    elif folder.is_dir() and (others := sorted(entry.name for entry in folder.iterdir() if entry.name != _LOCK)):
        msg = f"{folder} holds other files ({listing(others)}): choose an empty or new folder."
        raise TrainingError(msg)
    return folder


def _has_begun(folder: Path) -> bool:
    """Whether a run left anything to go on with; what failed at once leaves only what it was asked for."""
    return (folder / RUN).exists() and any((folder / name).exists() for name in (LAST, BEST, LOG, RUN_MODEL))


def _differences(before: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Say what two runs were asked for differently, field by field."""
    found = []
    for name in {**before, **asked}:
        there, here = before.get(name), asked.get(name)
        if there == here:
            continue
        if name in _IN_WORDS:
            found.append(_IN_WORDS[name])
        elif isinstance(there, dict) and isinstance(here, dict):
            found += _differences(there, here)
        else:
            found.append(f"{name}={there!r} there, {here!r} here")
    return list(dict.fromkeys(found))
