"""Tensors that are views of a file: where in it they lie, so that they can be read without becoming resident."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

LARGE: Final = 16_000_000
"""Bytes from which on a tensor is looked for in a file; a smaller one is as well read through memory."""
_BLOCK: Final = 1 << 20
_MAPS: Final = Path("/proc/self/smaps")


class View(NamedTuple):
    """A stretch of memory that the system shows a file in.

    Attributes
    ----------
    start, stop
        Addresses.
    offset
        Byte of the file at ``start``.
    inode
        Of the file.
    path
        Its path when it was mapped.
    """

    start: int
    stop: int
    offset: int
    inode: int
    path: Path


def file_blocks(tensor: Tensor) -> Iterator[memoryview] | None:
    """Return the bytes of a tensor from the file it is a view of, in blocks.

    ``None`` where the memory itself has to be read: the tensor is small, on another device, not contiguous or no view
    of a file; something was written to that memory; the file was replaced; or the system does not say (only Linux
    does).
    """
    if tensor.nbytes < LARGE or tensor.device.type != "cpu" or not tensor.is_contiguous() or not _MAPS.exists():
        return None
    start = tensor.data_ptr()
    mapping = _unwritten(start, start + tensor.nbytes)
    if mapping is None or not mapping.path.is_file() or mapping.path.stat().st_ino != mapping.inode:
        return None
    return _read(mapping.path, mapping.offset + start - mapping.start, tensor.nbytes)


def _unwritten(start: int, stop: int) -> View | None:
    """Return the file mapping that holds all of an address range, if nothing was written to it."""
    found: View | None = None
    for line in _MAPS.read_text(errors="surrogateescape").splitlines():
        first, *rest = line.split(maxsplit=5)
        if found is None and not first.endswith(":"):
            low, high = (int(address, 16) for address in first.split("-"))
            if low <= start and stop <= high and len(rest) == 5 and rest[3] != "0":
                found = View(low, high, int(rest[1], 16), int(rest[3]), Path(rest[4]))
        elif found is not None and first == "Anonymous:":
            # Pages that were written to are copies of the process's own, and counted here.
            return found if rest[0] == "0" else None
    return None


def _read(path: Path, offset: int, size: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as stream:
        stream.seek(offset)
        while size:
            n_read = stream.readinto(buffer[: min(size, _BLOCK)])
            if not n_read:
                msg = f"{path} became shorter while it was read."
                raise OSError(msg)
            yield buffer[:n_read]
            size -= n_read
