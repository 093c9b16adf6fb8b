"""Seconds of several calls, taken in turn so that a busy machine is busy for all of them."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Timing(TypedDict):
    """Median, smallest and largest minus smallest, in seconds, and the number of repeats."""

    median: float
    best: float
    spread: float
    n: int


def summary(seconds: list[float]) -> Timing:
    return Timing(
        median=statistics.median(seconds), best=min(seconds), spread=max(seconds) - min(seconds), n=len(seconds)
    )


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    synchronize: Callable[[], object] = lambda: None,
    warm_up: bool = True,
) -> dict[str, Timing]:
    """Time each call ``repeats`` times, A B A B, after one call of each that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values() if warm_up else ():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            synchronize()
            start = time.perf_counter()
            call()
            synchronize()
            seconds[name].append(time.perf_counter() - start)
    return {name: summary(taken) for name, taken in seconds.items()}


def per(timing: Timing, n: int) -> Timing:
    """Return a timing of ``n`` things as that of one."""
    return Timing(median=timing["median"] / n, best=timing["best"] / n, spread=timing["spread"] / n, n=timing["n"])
