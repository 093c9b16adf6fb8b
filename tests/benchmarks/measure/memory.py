"""Memory of this process, in megabytes: now, and at most since a reset. NaN where the system does not say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class Peak(TypedDict):
    """Most that the process had in memory, and how much of that came on top of what it had before, in MB."""

    peak_mb: float
    above_mb: float


def resident() -> float:
    return _read("VmRSS")


def highest() -> float:
    return _read("VmHWM")


def peak_of(call: Callable[[], object]) -> Peak:
    """Return the peak while something runs."""
    if _RESET.exists():
        _RESET.write_text("5")
    before = resident()
    call()
    peak = highest()
    return Peak(peak_mb=peak, above_mb=peak - before)


def _read(key: str) -> float:
    if not _STATUS.exists():
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in _STATUS.read_text().splitlines() if line.startswith(key))
