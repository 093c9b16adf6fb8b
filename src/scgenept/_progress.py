"""A progress bar for what may take seconds, and none for what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ._settings import settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Item = TypeVar("Item")

DELAY: Final = 2.0
"""Seconds of work before a bar appears."""


def progress(items: Collection[Item], label: str) -> Iterator[Item]:
    """Iterate under a bar that appears after two seconds; silent in pipes and with ``settings.progress`` off.

    Parameters
    ----------
    items
        What to go through.
    label
        What is being done, in front of the bar.
    """
    from tqdm.auto import tqdm

    # A bar inside another one disappears when it is full.
    yield from tqdm(items, desc=label, disable=settings.progress_disabled, delay=DELAY, leave=None)
