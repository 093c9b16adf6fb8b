"""Pickles of names: what is read, and that nothing else is."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgenept._errors import CheckpointError, UnsafePickleError
from scgenept.pickles.text_unpickler import TextUnpickler, load_names, plain

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
PROTOCOLS = st.integers(0, pickle.HIGHEST_PROTOCOL)


def read(content: object, protocol: int, folder: Path) -> Any:
    path = folder / "names.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return load_names(path)


@given(names=st.lists(TEXT, min_size=1), protocol=PROTOCOLS)
def test_strings_of_python_and_numpy(tmp_path_factory: pytest.TempPathFactory, names: list[str], protocol: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    array = np.array(names)
    variants = [names, list(array), array, array.astype(object), array.astype(array.dtype.newbyteorder())]
    for variant in variants:
        assert read({"train": variant}, protocol, folder) == {"train": names}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value", [np.arange(3.0), np.float32(1), np.array([["a"]]), np.array([1]), np.datetime64("2020")]
)
def test_numbers_are_no_names(tmp_path: Path, value: object, protocol: int) -> None:
    with pytest.raises((CheckpointError, UnsafePickleError)):
        read([value], protocol, tmp_path)


class Runs:
    def __init__(self, call: Any, *arguments: object) -> None:
        self.reduced = (call, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


@pytest.mark.parametrize("call", [os.system, eval, getattr, print])
def test_nothing_runs(tmp_path: Path, call: Any) -> None:
    with pytest.raises(UnsafePickleError, match="refused before anything of it ran"):
        read({"train": [Runs(call, "1")]}, 4, tmp_path)


def test_stand_ins_cannot_be_changed(tmp_path: Path) -> None:
    # BUILD on the function that stands for numpy's
    path = tmp_path / "names.pkl"
    path.write_bytes(b"cnumpy._core.multiarray\nscalar\n}S'a'\nS'b'\nsb.")
    with pytest.raises(CheckpointError):
        load_names(path)
    assert TextUnpickler.stand_ins


def test_plain_leaves_strings() -> None:
    assert plain({"a": ("b", ["c"])}) == {"a": ["b", ["c"]]}
