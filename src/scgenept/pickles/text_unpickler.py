"""An unpickler for names only: dicts and lists of strings, and numpy's strings, whoever wrote the pickle."""

from __future__ import annotations

import copyreg
import pickle
import re
from typing import TYPE_CHECKING, Any, Final

from .._errors import CheckpointError, ScGenePTError
from ..pickles.float_unpickler import FloatUnpickler, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_TEXT: Final = re.compile(r"[<>=|]?U(\d+)")
_BROKEN: Final = (
    AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError, TypeError, ValueError,
    pickle.UnpicklingError,
)  # fmt: skip


def load_names(source: Path) -> Any:
    """Read a pickle of dicts, lists and strings; numpy's strings and arrays of strings become plain ones.

    Parameters
    ----------
    source
        The ``.pkl``.

    Raises
    ------
    UnsafePickleError
        The file asks for anything else; nothing of it ran.
    CheckpointError
        It is damaged, or no pickle.
    """
    copyreg.clear_extension_cache()  # a cached extension code would pass find_class by
    try:
        with source.open("rb") as stream:
            return plain(TextUnpickler(stream, source).load())
    except ScGenePTError:
        raise
    except _BROKEN as error:
        msg = f"{source} is not a whole pickle of names ({error})."
        raise CheckpointError(msg) from error


def plain(value: object) -> Any:
    """Return dicts, lists and strings as they are, arrays as lists, all the way down."""
    if isinstance(value, dict):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain(value.names) if isinstance(value, _Names) else value


class TextUnpickler(FloatUnpickler):
    """Knows dicts, lists, strings and numpy's strings, through stand-ins."""

    def stand_ins(self) -> Mapping[tuple[str, str], Callable[..., object]]:
        """Return what is called in place of each name that a pickle may ask for."""
        return _STAND_INS


class _TextType:
    """The type of a string array as pickles write it: ``U`` and a width, or ``O``, then a state with the byte order."""

    __slots__ = ("is_object", "order", "width")

    def __init__(self, code: object, *_: object) -> None:
        found = _TEXT.fullmatch(code) if isinstance(code, str) else None
        self.is_object = code in {"O", "O8", "|O"}
        if found is None and not self.is_object:
            msg = f"the element type {str(code)[:40]!r} is no text"
            raise pickle.UnpicklingError(msg)
        self.width = int(found[1]) if found else 0
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in {"<", ">", "=", "|"} or any(part is not None for part in state[2:5]):
            msg = "the element type is not plain text"
            raise pickle.UnpicklingError(msg)
        self.order = state[1]

    def read(self, raw: object) -> list[str]:
        """Return the strings in the bytes of an array."""
        size = 4 * self.width
        if self.is_object or not size or not isinstance(raw, bytes | bytearray):
            msg = "an array of text is not made of bytes"
            raise pickle.UnpicklingError(msg)
        encoding = "utf-32-be" if self.order == ">" else "utf-32-le"
        return [bytes(raw[at : at + size]).decode(encoding).rstrip("\0") for at in range(0, len(raw), size)]


class _Names:
    """An array of strings as pickles write it: empty, then a state with shape, type and content."""

    __slots__ = ("names",)

    def __init__(self, *_: object) -> None:
        self.names: list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, content = state
        if not isinstance(dtype, _TextType) or not isinstance(shape, tuple) or len(shape) != 1:
            msg = "an array is not one list of text"
            raise pickle.UnpicklingError(msg)
        self.names = list(content) if dtype.is_object else dtype.read(content)


def _from_buffer(raw: object, dtype: object, shape: object, _order: object) -> _Names:
    found = _Names()
    found.__setstate__((1, shape, dtype, False, raw))
    return found


def _scalar(dtype: object, raw: object) -> str:
    names = dtype.read(raw) if isinstance(dtype, _TextType) else []
    if len(names) != 1:
        msg = "a value is no text"
        raise pickle.UnpicklingError(msg)
    return names[0]


_STAND_INS: Final[dict[tuple[str, str], Callable[..., object]]] = {
    ("numpy", "dtype"): _TextType,
    ("numpy", "ndarray"): _Names,
    ("numpy._core.multiarray", "_reconstruct"): _Names,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): encode,
}
