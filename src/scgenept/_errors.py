"""Typed errors and the few helpers with which every message is built.

A message says what is wrong, names the first five offenders and how many there are, and what to do.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


_OF_NUMPY: Final = re.compile(r"\bnp\.(?:str_|u?int\d+|float\d+)\(('[^']*'|[-+.\w]+)\)")


class ScGenePTError(Exception):
    """Base class of every error that scgenept raises on purpose.

    Values of numpy stand in messages as a reader knows them: ``'KLF1'``, not ``np.str_('KLF1')``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_OF_NUMPY.sub(r"\1", message))


class DataError(ScGenePTError, ValueError):
    """The AnnData, or a value in it, cannot be used as it is."""


class UnknownGeneError(ScGenePTError, ValueError):
    """A gene is not known to the model or to the data."""


class KeyTakenError(ScGenePTError, ValueError):
    """A key that would be written holds something that scgenept did not write."""


class UnknownNameError(ScGenePTError, ValueError):
    """A model, data set, variant or option of that name does not exist."""


class CheckpointError(ScGenePTError, ValueError):
    """A checkpoint file or folder does not hold what it should."""


class UnsafePickleError(CheckpointError):
    """A pickle asks for more than plain data and was refused before anything of it ran."""


class DownloadError(ScGenePTError, OSError):
    """A file could not be fetched or is not the file it should be."""


class WriteError(ScGenePTError, OSError):
    """A file or folder cannot be written where it should be."""


class DeviceError(ScGenePTError, ValueError):
    """The compute device does not exist or does not suffice."""


class TrainingError(ScGenePTError, RuntimeError):
    """Training cannot go on, or cannot begin where it should."""


class MissingExtraError(ScGenePTError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Install it with: pip install 'scgenept[{extra}]'")


def listing(names: Iterable[object], *, first: int = 5) -> str:
    """Write the first few names and the number of the rest.

    Examples
    --------
    >>> listing(["A", "B", "C"], first=2)
    'A, B and 1 more'
    >>> listing(["A", "B"])
    'A, B'
    """
    items = [str(name) for name in names]
    head = ", ".join(items[:first])
    rest = len(items) - first
    return f"{head} and {rest} more" if rest > 0 else head


def near_names(name: object, known: Iterable[str], *, n: int = 3) -> str:
    """Write the known names nearest in spelling, as the tail of a message, or nothing.

    Examples
    --------
    >>> near_names("KLF11", ["KLF1", "JUN"])
    ' Nearest known names: KLF1.'
    >>> near_names("XYZ", ["KLF1", "JUN"])
    ''
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(str(name).casefold(), by_folded, n=n, cutoff=0.6)
    return f" Nearest known names: {', '.join(by_folded[key] for key in found)}." if found else ""
