"""Files and folders that appear whole or not at all, in folders that are made where they are missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from ._errors import ScGenePTError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_writable(path: str | os.PathLike[str]) -> Path:
    """Refuse a path that cannot be written to, before what is to be written has cost anything.

    Parameters
    ----------
    path
        A file or folder to write, ``~`` for one's home. Missing folders on the way are no fault, and are not made yet.

    Returns
    -------
    The path, ``~`` spelled out.

    Raises
    ------
    WriteError
        Something on the way is a file, or a folder that the user may not write to.
    """
    target = Path(path).expanduser()
    above = next(folder for folder in target.absolute().parents if os.path.exists(folder))  # noqa: PTH110  (never raises)
    if not above.is_dir():
        msg = f"{target} cannot be written: {above} is a file. Choose another path."
        raise WriteError(msg)
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        msg = f"{target} cannot be written: you may not write to {above}. Choose another folder."
        raise WriteError(msg)
    return target


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well.

    Parameters
    ----------
    path
        The file to write or replace, ``~`` for one's home, links followed. Its folder is made where it is missing.

    Raises
    ------
    WriteError
        It cannot be written; what was there before is as it was.
    """
    target = require_writable(path)
    if target.is_dir():
        msg = f"{target} is a folder: name a file in it."
        raise WriteError(msg)
    with _naming(target):
        real = target.resolve()  # what a link leads to is replaced, not the link
        real.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{real.name}.", suffix=target.suffix, dir=real.parent)
        os.close(handle)
        work = Path(name)
        try:
            yield work
            work.replace(real)
            real.chmod(0o666 & ~_umask())
        finally:
            work.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place when the block ends well.

    Parameters
    ----------
    path
        The folder to write, ``~`` for one's home, links followed. One that is there is replaced, and kept if anything
        fails.

    Raises
    ------
    WriteError
        It cannot be written; what was there before is as it was.
    """
    target = require_writable(path)
    with _naming(target):
        real = target.resolve()  # what a link leads to is replaced, not the link
        real.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{real.name}.", dir=real.parent))
        old = work.with_name(f"{work.name}.old")
        try:
            yield work
            mask = _umask()
            work.chmod(0o777 & ~mask)
            for file in work.iterdir():
                file.chmod(0o666 & ~mask)
            if real.exists():
                real.replace(old)
            work.replace(real)
        finally:
            if old.exists() and not real.exists():
                old.replace(real)
            for leftover in (work, old):
                shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Say which file could not be written, instead of a temporary name or the words of a library."""
    try:
        yield
    except ScGenePTError:
        raise
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have words of their own
        # torch covers the error of the disk with one of its own
        first = error.__context__ if isinstance(error.__context__, OSError) else error
        reason = first.strerror if isinstance(first, OSError) and first.strerror else str(first).rstrip(".")
        msg = f"{target} cannot be written: {reason}. Make room there, or choose another place."
        raise WriteError(msg) from error


def _umask() -> int:
    """Return the user's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
