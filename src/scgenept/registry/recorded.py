"""The hash of a file, kept beside it as ``<file>.sha256`` in the format of ``sha256sum``."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from .._io import atomic_file
from .._logging import logger

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK: Final = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def note_of(target: Path) -> Path:
    """Return where the hash of a file stands."""
    return target.with_name(f"{target.name}.sha256")


def recorded_hash(target: Path) -> str | None:
    """Return the hash that stands beside a file, if any; the file itself may be gone."""
    note = note_of(target)
    words = note.read_text(encoding="utf-8").split() if note.is_file() else []
    return words[0] if words else None


def is_untouched(target: Path) -> bool:
    """Whether a file is the one that was hashed: its time stamp is the note's, to the nanosecond."""
    return target.stat().st_mtime_ns == note_of(target).stat().st_mtime_ns if note_of(target).is_file() else False


def record(target: Path, sha256: str) -> None:
    """Write the hash of a file beside it, with the time stamp of the file.

    Where the folder is read-only the file is still good; it is only hashed again at each use.
    """
    stamp = target.stat().st_mtime_ns
    try:
        with atomic_file(note_of(target)) as work:
            work.write_text(f"{sha256}  {target.name}\n", encoding="utf-8")
            os.utime(work, ns=(stamp, stamp))
    except OSError as error:
        logger.warning("The hash of %s cannot be written beside it (%s): it is computed at each use.", target, error)
