"""An unpickler for numbers only, whoever wrote the pickle."""

from __future__ import annotations

import pickle
import re
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from .._errors import UnsafePickleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FLOAT: Final = re.compile(r"[<>=|]?f[248]")


class FloatUnpickler(pickle.Unpickler):
    """Knows dicts, lists, strings, numbers, and float arrays through stand-ins: numpy runs nothing the file says."""

    def __init__(self, stream: IO[bytes], source: Path) -> None:
        super().__init__(stream)
        self._source = source

    def stand_ins(self) -> Mapping[tuple[str, str], Callable[..., object]]:
        """Return what is called in place of each name that a pickle may ask for."""
        return _STAND_INS

    def find_class(self, module: str, name: str) -> _StandIn:
        """Return a stand-in for one of numpy's own names, and refuse every other."""
        stand_in = self.stand_ins().get((module.replace("numpy.core", "numpy._core"), name))
        if stand_in is None:
            raise unsafe(self._source, f"{module}.{name}")
        return _StandIn(stand_in)

    def persistent_load(self, pid: object) -> object:
        """Refuse: such objects lie outside the pickle."""
        raise unsafe(self._source, f"the persistent object {str(pid)[:80]!r}")


class _StandIn:
    """A callable in numpy's place, which the pickle may call but not change."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *args: object) -> object:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        msg = "a function cannot have a state"
        raise pickle.UnpicklingError(msg)


class _Dtype:
    """A float dtype as pickles write it: a name, then a state that holds the byte order."""

    __slots__ = ("code",)

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _FLOAT.fullmatch(code):
            msg = f"the element type {str(code)[:40]!r} is not a float"
            raise pickle.UnpicklingError(msg)
        self.code = code[-2:]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in {"<", ">", "=", "|"} or any(part is not None for part in state[2:5]):
            msg = "the element type is not a plain float"
            raise pickle.UnpicklingError(msg)
        self.code = state[1] + self.code[-2:]


class FloatArray:
    """A float array as pickles write it: empty, then a state with shape, type and bytes."""

    __slots__ = ("values",)

    def __init__(self, *_: object) -> None:
        self.values: NDArray[np.floating[Any]] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, raw = state
        self.fill(raw, dtype, shape, "F" if is_fortran else "C")

    def fill(self, raw: object, dtype: object, shape: object, order: object) -> FloatArray:
        """Take the values from bytes, and return the array itself."""
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | bytearray) or not isinstance(shape, tuple):
            msg = "an array is not made of a float type, a shape and bytes"
            raise pickle.UnpicklingError(msg)
        flat: NDArray[np.floating[Any]] = np.frombuffer(raw, dtype=dtype.code)
        native = flat.astype(flat.dtype.newbyteorder("="))
        self.values = native.reshape(shape, order="F" if order == "F" else "C")
        return self


def _from_buffer(raw: object, dtype: object, shape: object, order: object) -> FloatArray:
    return FloatArray().fill(raw, dtype, shape, order)


def _scalar(dtype: object, raw: object) -> float:
    values = FloatArray().fill(raw, dtype, (1,), "C").values
    return float("nan") if values is None else float(values[0])


def encode(text: object, encoding: object) -> bytes:
    """Protocols 0 to 2 write bytes as text in latin-1."""
    if not isinstance(text, str) or encoding != "latin1":
        msg = "bytes are not written in latin-1"
        raise pickle.UnpicklingError(msg)
    return text.encode("latin1")


_STAND_INS: Final[dict[tuple[str, str], Callable[..., object]]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): FloatArray,
    ("numpy._core.multiarray", "_reconstruct"): FloatArray,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): encode,
}


def unsafe(source: Path, wanted: str) -> UnsafePickleError:
    """Return the error for a pickle that asks for more than data."""
    return UnsafePickleError(
        f"{source} asks for {wanted}, which is more than plain data. It was refused before anything of it ran; "
        "do not open it by other means unless you trust where it comes from."
    )
