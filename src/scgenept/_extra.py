"""Optional packages, imported where they are needed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType


def need(module: str, extra: str) -> ModuleType:
    """Import a module that an extra brings.

    Raises
    ------
    MissingExtraError
        It, or something that it imports, is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError((error.name or module).replace("_", "-"), extra) from error
