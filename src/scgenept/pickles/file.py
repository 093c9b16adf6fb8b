"""What a file is, judged by its first bytes, and what unpickling a damaged one raises."""

from __future__ import annotations

import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, Final

from .._errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

BROKEN: Final = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError,
    TypeError, ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""What unpickling a damaged file raises."""
_STARTS: Final = {
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"\x93NUMPY": "a numpy file",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched",
    b"<": "a web page",
    b"{": "JSON",
}


def require_pickle(source: Path) -> bool:
    """Refuse what cannot be a pickle by its first bytes; return whether it is a zip."""
    try:
        with source.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        msg = f"{source} cannot be read: {error.strerror}."
        raise CheckpointError(msg) from error
    is_zip = start == b"PK\x03\x04"
    # Every pickle ends in ".", but only those of protocol 2 on have a start of their own.
    if not is_zip and start[:1] not in {b"\x80", b"(", b"}", b"c", b"]"}:
        msg = f"{source} is not a checkpoint or pickle: it {seems(source)}."
        raise CheckpointError(msg)
    return is_zip


def seems(source: Path) -> str:
    """Say what a file looks like from its first bytes."""
    with source.open("rb") as stream:
        start = stream.read(32)
    if not start:
        return "is empty"
    if start[8:9] == b"{" and start[4:8] == bytes(4):
        return "seems to be a safetensors file"
    seen = next((what for begin, what in _STARTS.items() if start.lstrip().startswith(begin)), None)
    return f"seems to be {seen} (it begins with {start[:16]!r})" if seen else f"begins with {start[:16]!r}"
