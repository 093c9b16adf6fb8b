"""A JSON object out of a file that may be damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    CheckpointError
        The file is no JSON, or holds something else than an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is not JSON ({error}). Was the copy interrupted? Copy or save the model again."
        raise CheckpointError(msg) from error
    if not isinstance(values, dict):
        msg = f"{path} should hold a JSON object, found {type(values).__name__}. Copy or save the model again."
        raise CheckpointError(msg)
    return values
