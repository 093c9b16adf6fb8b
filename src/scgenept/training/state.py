"""Nested training state as one safetensors file: tensors as tensors, the rest as JSON in the header, no pickle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .._errors import CheckpointError
from .._io import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

_HEADER: Final = "state"
_TENSOR: Final = "__tensor__"
_ITEMS: Final = "__items__"


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write dicts, lists, plain values and tensors; the file appears whole or not at all.

    Parameters
    ----------
    state
        What ``state_dict()`` of networks, optimisers and schedules return, however nested.
    path
        The file to write or replace.
    """
    tensors: dict[str, Tensor] = {}
    header = json.dumps(_pack(state, tensors))
    with atomic_file(path) as work:
        save_file(tensors, work, metadata={_HEADER: header})


def load_state(path: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote, tensors on the CPU.

    Raises
    ------
    CheckpointError
        The file is damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            header = (stream.metadata() or {})[_HEADER]
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  (no mapping)
        state: dict[str, Any] = _unpack(json.loads(header), tensors)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        msg = f"{path} is damaged ({error}). Train in another folder, or delete {path.parent} to start anew."
        raise CheckpointError(msg) from error
    return state


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: name}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _pack(item, tensors) for key, item in value.items()}
        return {_ITEMS: [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_pack(item, tensors) for item in value]
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_TENSOR}:
        return tensors[value[_TENSOR]]
    if set(value) == {_ITEMS}:
        return {key: _unpack(item, tensors) for key, item in value[_ITEMS]}
    return {key: _unpack(item, tensors) for key, item in value.items()}
