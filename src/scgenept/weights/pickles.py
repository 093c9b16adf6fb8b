"""Read other people's checkpoints as data: tensors by name, nothing that runs."""

from __future__ import annotations

import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import torch

from .._errors import CheckpointError, listing
from ..pickles import BROKEN, require_pickle, seems, unsafe

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

NESTED_UNDER: Final = ("model_state_dict", "state_dict", "model")
"""Keys under which training scripts put a state dict beside other things."""

_OF_TENSORS: Final = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\.\w+Storage|torch\.storage\.\w+Storage|collections\.OrderedDict"
)
"""Globals that a pickle of tensors names."""


def load_state_dict(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read the tensors of a ``torch.save`` file, by name.

    Only tensors are unpickled (``weights_only=True``). Zip-format files are mapped into memory, so that a tensor that
    is never used is never read.

    Parameters
    ----------
    path
        A state dict, or a dict that holds one under ``"model_state_dict"``, ``"state_dict"`` or ``"model"``.

    Returns
    -------
    Tensors on the CPU. Those of a zip-format file are copy-on-write views of it.

    Raises
    ------
    UnsafePickleError
        The file asks for anything but tensors; nothing of it ran.
    CheckpointError
        It is damaged, something else than a checkpoint, or holds values that are not tensors.
    """
    source = Path(path)
    is_zip = require_pickle(source)
    try:
        with warnings.catch_warnings():  # other protocols than torch's own are refused or read, not warned of
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            loaded = torch.load(source, weights_only=True, map_location="cpu", mmap=is_zip)
    except BROKEN as error:
        raise _refused_by_torch(source, error, is_zip=is_zip) from error
    return _tensors(loaded, source)


def _tensors(loaded: object, source: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in what was loaded."""
    if isinstance(loaded, Mapping):
        nested = [loaded[key] for key in NESTED_UNDER if isinstance(loaded.get(key), Mapping)]
        state = nested[0] if nested else loaded
        others = [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]
        if others:
            msg = (
                f"{source} holds {len(others)} values that are not tensors: {listing(others)}. Expected a state dict, "
                f"or one under {', '.join(NESTED_UNDER)}."
            )
            raise CheckpointError(msg)
        if odd := [repr(name) for name in state if not isinstance(name, str)]:
            msg = f"{source} names {len(odd)} tensors by something else than text: {listing(odd)}."
            raise CheckpointError(msg)
        if state:
            return dict(state)
    what = "nothing" if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
    msg = f"{source} holds {what}, not a state dict (names and tensors)."
    raise CheckpointError(msg)


def _refused_by_torch(source: Path, error: BaseException, *, is_zip: bool) -> CheckpointError:
    """Tell a file that asks for too much from a damaged one."""
    if named := re.search(r"GLOBAL (\S+)", str(error)):
        return unsafe(source, named[1])
    foreign = [name for name in _globals(source, is_zip=is_zip) if not _OF_TENSORS.fullmatch(name)]
    if foreign:
        return unsafe(source, foreign[0])
    said = re.search(r"WeightsUnpickler error: (.+)", str(error)) or re.search(r"(.+)", str(error))
    reason = said[1].strip()[:200] if said else type(error).__name__
    return CheckpointError(
        f"{source} is not a whole checkpoint: it may be cut short, or was not written by torch.save "
        f"({source.stat().st_size:,} bytes; it {seems(source)}; torch says: {reason})."
    )


def _globals(source: Path, *, is_zip: bool) -> list[str]:
    """Return the globals that a pickle names, read from its instructions without following them."""
    found: list[str] = []
    try:
        if is_zip:
            with zipfile.ZipFile(source) as archive:
                name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
                with archive.open(name) as stream:
                    found.extend(_named(stream))
        else:
            with source.open("rb") as stream:
                found.extend(_named(stream))
    except (*BROKEN, StopIteration):
        return found  # as far as it can be read
    return found


def _named(stream: IO[bytes]) -> Iterator[str]:
    texts: list[str] = []
    for instruction, argument, _ in pickletools.genops(stream):
        if instruction.name in {"GLOBAL", "INST"}:
            yield str(argument).replace(" ", ".")
        elif instruction.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif instruction.name.startswith("EXT"):
            yield f"the extension code {argument}"
        elif isinstance(argument, str):
            texts.append(argument)
