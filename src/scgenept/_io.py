"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well.

    Parameters
    ----------
    path
        The file to write or replace. Its folder is made where it is missing.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    work = Path(name)
    try:
        yield work
        work.replace(target)
        target.chmod(0o666 & ~_umask())
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place when the block ends well.

    Parameters
    ----------
    path
        The folder to write. One that is there is replaced, and kept if anything fails.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    old = work.with_name(f"{work.name}.old")
    try:
        yield work
        mask = _umask()
        work.chmod(0o777 & ~mask)
        for file in work.iterdir():
            file.chmod(0o666 & ~mask)
        if target.exists():
            target.replace(old)
        work.replace(target)
    finally:
        if old.exists() and not target.exists():
            old.replace(target)
        for leftover in (work, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _umask() -> int:
    """Return the user's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
