"""A progress bar for what may take seconds, and none for what does not."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ._settings import settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tqdm import tqdm

Item = TypeVar("Item")

DELAY: Final = 2.0
"""Seconds of work before a bar appears."""


def bar(total: int, label: str, *, silent: bool = False, **options: Any) -> tqdm[Any]:
    """Return a bar to update by hand; silent in pipes and with ``settings.progress`` off.

    A notebook without ipywidgets gets the bar of a terminal, and no warning of it.

    Parameters
    ----------
    total
        How many there are of what is counted.
    label
        What is being done, in front of the bar.
    silent
        Show no bar, whatever the settings are.
    options
        Of tqdm, such as ``unit`` and ``leave``.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm

    return tqdm(total=total, desc=label, disable=silent or settings.progress_disabled, **options)


def progress(items: Collection[Item], label: str) -> Iterator[Item]:
    """Iterate under a bar that appears after two seconds; silent in pipes and with ``settings.progress`` off.

    Parameters
    ----------
    items
        What to go through.
    label
        What is being done, in front of the bar.
    """
    # A bar inside another one disappears when it is full.
    with bar(len(items), label, delay=DELAY, leave=None) as shown:
        for item in items:
            yield item
            shown.update()
