"""Read gene embeddings that were pickled, as data."""

from __future__ import annotations

import copyreg
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import CheckpointError, ScGenePTError, listing
from .file import BROKEN, require_pickle, seems
from .float_unpickler import FloatArray, FloatUnpickler

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray


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
    if require_pickle(source):
        msg = f"{source} is a zip file (a torch checkpoint?), not a pickle of gene embeddings."
        raise CheckpointError(msg)
    copyreg.clear_extension_cache()  # a cached extension code would pass find_class by
    try:
        with source.open("rb") as stream:
            loaded = FloatUnpickler(stream, source).load()
    except ScGenePTError:
        raise
    except BROKEN as error:
        msg = f"{source} is not a whole pickle of gene embeddings ({error}); it {seems(source)}."
        raise CheckpointError(msg) from error
    return _vectors(loaded, source)


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
