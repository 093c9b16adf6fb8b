"""The folder of one training run: what it was asked for, how far it is, and its log."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from .._arguments import require_path
from .._errors import TrainingError, WriteError, listing
from .._io import atomic_file, require_writable
from ..weights.folder import RUN_MODEL
from .state import load_state, save_state

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    import pandas as pd

RUN: Final = "run.json"
LAST: Final = "last.safetensors"
BEST: Final = "best.safetensors"
LOG: Final = "log.csv"
_LOCK: Final = ".lock"


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
        """Return the best weights, or ``None`` where none were written yet."""
        path = self.path / BEST
        return load_state(path) if path.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; the one that is there stays if the disk is full."""
        self._write(state, LAST)

    def save_best(self, weights: dict[str, Any]) -> None:
        """Replace the best weights."""
        self._write(weights, BEST)

    def write_log(self, history: pd.DataFrame) -> None:
        """Replace the log."""
        with atomic_file(self.path / LOG) as work:
            history.to_csv(work, index=False)

    def _write(self, state: dict[str, Any], name: str) -> None:
        try:
            save_state(state, self.path / name)
        except WriteError as error:
            kept = "The state before it is whole" if (self.path / LAST).exists() else "Nothing was written before it"
            msg = f"{error} {kept}: call again with resume=True then."
            raise TrainingError(msg) from error

    def _begin(self) -> None:
        record = self.path / RUN
        if not record.exists():
            with atomic_file(record) as work:
                work.write_text(json.dumps(self.asked, indent=1) + "\n")
            return
        before = json.loads(record.read_text())
        if other := [name for name in {**before, **self.asked} if before.get(name) != self.asked.get(name)]:
            detail = "; ".join(f"{name}: {before.get(name)} there, {self.asked.get(name)} here" for name in other[:3])
            msg = (
                f"{self.path} holds a run with another {listing(other)}, so it cannot be resumed ({detail[:400]}). "
                "Choose another folder."
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
        if not resume:
            msg = f"{folder} holds a run already: pass resume=True to go on with it, or choose another folder."
            raise TrainingError(msg)
    elif folder.is_dir() and (others := sorted(entry.name for entry in folder.iterdir() if entry.name != _LOCK)):
        msg = f"{folder} holds other files ({listing(others)}): choose an empty or new folder."
        raise TrainingError(msg)
    return folder
