"""The vocabulary: gene names and their token ids, as scGPT's ``vocab.json`` lists them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from .._errors import CheckpointError, UnknownGeneError, listing, near_names

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PAD: Final = "<pad>"
SPECIALS: Final = (PAD, "<cls>", "<eoc>")
"""The special tokens of scGPT, in the order in which the original appends them."""


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """Token names whose position is their id; immutable, compared by content.

    Parameters
    ----------
    tokens
        Names in the order of their ids, special tokens included, each once.

    Raises
    ------
    CheckpointError
        If a token appears twice or is not a string.

    Examples
    --------
    >>> vocabulary = Vocabulary(["KLF1", "JUN", "<pad>"])
    >>> vocabulary.id("JUN"), vocabulary.id("FOS"), "JUN" in vocabulary, len(vocabulary)
    (1, None, True, 3)
    >>> vocabulary.ids(["JUN", "FOS"])
    array([1, 2])
    """

    tokens: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, compare=False)

    def __init__(self, tokens: Sequence[str]) -> None:
        names = tuple(tokens)
        if wrong := [name for name in cast("tuple[object, ...]", names) if not isinstance(name, str)]:
            msg = f"Vocabulary tokens must be strings; {len(wrong)} are not: {listing(map(repr, wrong))}."
            raise CheckpointError(msg)
        ids = {name: position for position, name in enumerate(names)}
        if len(ids) < len(names):
            twice = [name for name, count in Counter(names).items() if count > 1]
            msg = f"{len(twice)} vocabulary tokens appear more than once: {listing(twice)}. Each needs one id."
            raise CheckpointError(msg)
        object.__setattr__(self, "tokens", names)
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, int]) -> Vocabulary:
        """Build from token name -> id, where the ids are 0, 1, 2, ... in any order.

        Raises
        ------
        CheckpointError
            If the ids leave a gap, repeat, do not start at 0 or are not integers.

        Examples
        --------
        >>> Vocabulary.from_mapping({"<pad>": 1, "KLF1": 0}).tokens
        ('KLF1', '<pad>')
        """
        wrong = [name for name, number in mapping.items() if type(number) is not int]
        if wrong:
            msg = f"Vocabulary ids must be integers; {len(wrong)} are not: {listing(wrong)}."
            raise CheckpointError(msg)
        names = sorted(mapping, key=mapping.__getitem__)
        misplaced = [f"{name!r}: {mapping[name]}" for position, name in enumerate(names) if mapping[name] != position]
        if misplaced:
            msg = (
                f"Vocabulary ids must be 0 to {len(names) - 1}, each once; out of place from {misplaced[0]} on "
                f"({len(misplaced)} of {len(names)})."
            )
            raise CheckpointError(msg)
        return cls(names)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a ``vocab.json``: one object of token name -> id.

        Raises
        ------
        CheckpointError
            If the file is missing, is no JSON object, or its ids are wrong. Pickled vocabularies are refused.
        """
        path = Path(path)
        if path.suffix != ".json":
            msg = f"{path} is not a .json file. A vocabulary is read from JSON only, never from a pickle."
            raise CheckpointError(msg)
        try:
            mapping = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
        except FileNotFoundError as error:
            msg = f"There is no vocabulary file {path}."
            raise CheckpointError(msg) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            msg = f"{path} is not valid JSON: {error}."
            raise CheckpointError(msg) from error
        if not isinstance(mapping, dict):
            msg = f"{path} holds a JSON {type(mapping).__name__}, not an object of token name to id."
            raise CheckpointError(msg)
        return cls.from_mapping(mapping)

    @property
    def pad_id(self) -> int:
        """Id of ``<pad>``, which also stands for every gene without a token of its own."""
        pad = self.id(PAD)
        if pad is None:
            msg = f"The vocabulary has no {PAD!r} token. Append it with vocabulary.with_specials()."
            raise CheckpointError(msg)
        return pad

    def id(self, name: str) -> int | None:
        """Return the id of a token, or ``None``."""
        return self._ids.get(name)

    def ids(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Return the ids of the names, (n,) int64; a name that is no token gets the id of ``<pad>``.

        This is the rule of the original; :func:`~scgenept.genes.match_genes` finds more of the names first.

        Raises
        ------
        UnknownGeneError
            If a name is no token and there is no ``<pad>``.
        """
        names = list(names)
        default = self.id(PAD)
        found = [self._ids.get(name, default) for name in names]
        if default is None and None in found:
            unknown = [name for name, number in zip(names, found, strict=True) if number is None]
            msg = (
                f"{len(unknown)} of {len(names)} genes are not in the vocabulary, which has no {PAD!r} to stand for "
                f"them: {listing(unknown)}.{near_names(unknown[0], self.tokens)}"
            )
            raise UnknownGeneError(msg)
        return np.asarray(found, dtype=np.int64)

    def to_mapping(self) -> dict[str, int]:
        """Return token name -> id, the content of a ``vocab.json``."""
        return dict(self._ids)

    def with_specials(self, specials: Sequence[str] = SPECIALS) -> Vocabulary:
        """Return a vocabulary with the missing special tokens appended, in the order given.

        Examples
        --------
        >>> Vocabulary(["KLF1", "<pad>"]).with_specials().tokens
        ('KLF1', '<pad>', '<cls>', '<eoc>')
        """
        return type(self)((*self.tokens, *(token for token in specials if token not in self)))

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens: {listing(self.tokens, first=3)})"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object, refusing a name that appears twice, which plain ``json`` would drop silently."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        msg = f"The file names {len(twice)} tokens more than once: {listing(twice)}. Each needs one id."
        raise CheckpointError(msg)
    return mapping
