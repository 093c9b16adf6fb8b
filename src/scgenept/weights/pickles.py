"""Read other people's pickles as data: tensors by name, embeddings by gene, nothing that runs."""

from __future__ import annotations

import copyreg
import pickle
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import torch

from .._errors import CheckpointError, ScGenePTError, listing
from .float_unpickler import FloatArray, FloatUnpickler, unsafe

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

NESTED_UNDER: Final = ("model_state_dict", "state_dict", "model")
"""Keys under which training scripts put a state dict beside other things."""

_BROKEN: Final = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError,
    TypeError, ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""What unpickling a damaged file raises."""
_OF_TENSORS: Final = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\.\w+Storage|torch\.storage\.\w+Storage|collections\.OrderedDict"
)
"""Globals that a pickle of tensors names."""
_STARTS: Final = {
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"\x93NUMPY": "a numpy file",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched",
    b"<": "a web page",
    b"{": "JSON",
}


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
    is_zip = _require_pickle(source)
    try:
        with warnings.catch_warnings():  # other protocols than torch's own are refused or read, not warned of
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            loaded = torch.load(source, weights_only=True, map_location="cpu", mmap=is_zip)
    except _BROKEN as error:
        raise _refused_by_torch(source, error, is_zip=is_zip) from error
    return _tensors(loaded, source)


def load_embedding_pickle(path: str | os.PathLike[str]) -> dict[str, NDArray[np.floating[Any]]]:
    """Read gene embeddings as scGenePT distributes them: a pickled dict of gene -> list of floats or float array.

    Parameters
    ----------
    path
        The ``.pickle`` or ``.pkl``.

    Returns
    -------
    Gene -> vector ``(width,)``; float64 for lists, the file's float type for arrays.

    Raises
    ------
    UnsafePickleError
        The file asks for anything but dicts, lists, floats and float arrays; nothing of it ran.
    CheckpointError
        It is damaged, something else, or its vectors differ in width, hold NaN or belong to no name.
    """
    source = Path(path)
    if _require_pickle(source):
        msg = f"{source} is a zip file (a torch checkpoint?), not a pickle of gene embeddings."
        raise CheckpointError(msg)
    copyreg.clear_extension_cache()  # a cached extension code would pass find_class by
    try:
        with source.open("rb") as stream:
            loaded = FloatUnpickler(stream, source).load()
    except ScGenePTError:
        raise
    except _BROKEN as error:
        msg = f"{source} is not a whole pickle of gene embeddings ({error}); it {_seems(source)}."
        raise CheckpointError(msg) from error
    return _vectors(loaded, source)


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


def _vectors(loaded: object, source: Path) -> dict[str, NDArray[np.floating[Any]]]:
    """Return the embeddings in what was loaded."""
    if not isinstance(loaded, dict) or not loaded:
        msg = f"{source} holds {'nothing' if loaded == {} else f'a {type(loaded).__name__}'}, not vectors by gene name."
        raise CheckpointError(msg)
    if unnamed := [repr(name) for name in loaded if not isinstance(name, str)]:
        msg = f"{source} has {len(unnamed)} keys that are not gene names: {listing(unnamed)}."
        raise CheckpointError(msg)
    vectors = {name: _as_vector(value) for name, value in loaded.items()}
    if wrong := [name for name, vector in vectors.items() if vector is None]:
        msg = f"{source} holds {len(wrong)} values that are not vectors of numbers, of: {listing(wrong)}."
        raise CheckpointError(msg)
    good = {name: vector for name, vector in vectors.items() if vector is not None}
    widths = {name: len(vector) for name, vector in good.items()}
    if len(set(widths.values())) > 1:
        width = max(set(widths.values()), key=list(widths.values()).count)
        odd = [f"{name} ({found})" for name, found in widths.items() if found != width]
        msg = f"{source} has vectors of several widths: most are {width} wide, {len(odd)} not: {listing(odd)}."
        raise CheckpointError(msg)
    if undefined := [name for name, vector in good.items() if not np.isfinite(vector).all()]:
        msg = f"{source} holds NaN or infinity for {len(undefined)} genes: {listing(undefined)}."
        raise CheckpointError(msg)
    return good


def _as_vector(value: object) -> NDArray[np.floating[Any]] | None:
    """Return a list of numbers or a float array as a vector, anything else as ``None``."""
    vector: NDArray[np.floating[Any]] | None = None
    if isinstance(value, FloatArray):
        vector = value.values
    elif isinstance(value, list) and all(type(number) in {float, int} for number in value):
        vector = np.array(value, dtype=np.float64)
    return vector if vector is not None and vector.ndim == 1 and vector.size else None


def _require_pickle(source: Path) -> bool:
    """Refuse what cannot be a pickle by its first bytes; return whether it is a zip."""
    try:
        with source.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        msg = f"{source} cannot be read: {error.strerror}."
        raise CheckpointError(msg) from error
    is_zip = start == b"PK\x03\x04"
    # Every pickle ends in ".", but only those of protocol 2 on have a start of their own.
    if not is_zip and start[:1] not in {b"\x80", b"(", b"}", b"c", b"]"}:
        msg = f"{source} is not a checkpoint or pickle: it {_seems(source)}."
        raise CheckpointError(msg)
    return is_zip


def _seems(source: Path) -> str:
    """Say what a file looks like from its first bytes."""
    with source.open("rb") as stream:
        start = stream.read(32)
    if not start:
        return "is empty"
    if start[8:9] == b"{" and start[4:8] == bytes(4):
        return "seems to be a safetensors file"
    seen = next((what for begin, what in _STARTS.items() if start.lstrip().startswith(begin)), None)
    return f"seems to be {seen} (it begins with {start!r})" if seen else f"begins with {start!r}"


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
        f"({source.stat().st_size:,} bytes; it {_seems(source)}; torch says: {reason})."
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
    except (*_BROKEN, StopIteration):
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
