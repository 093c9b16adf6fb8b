"""From a name to an embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._errors import UnknownNameError
from ._endpoint import OpenAIEmbedder
from ._hashing import HashingEmbedder
from ._sentences import MiniLM, SentenceTransformerEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._protocol import Embedder

_PLAIN: Final[dict[str, Callable[[], Embedder]]] = {"minilm": MiniLM, "hashing": HashingEmbedder}
_OF_A_MODEL: Final[dict[str, Callable[[str], Embedder]]] = {
    "openai": OpenAIEmbedder,
    "sentence-transformers": SentenceTransformerEmbedder,
}


def by_name(name: str) -> Embedder:
    """Return the embedder of a name: ``minilm``, ``hashing``, ``openai:MODEL`` or ``sentence-transformers:MODEL``.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    kind, _, model = name.partition(":")
    if kind in _OF_A_MODEL and model:
        return _OF_A_MODEL[kind](model)
    if name in _PLAIN:
        return _PLAIN[name]()
    known = [*_PLAIN, *(f"{prefix}:MODEL" for prefix in _OF_A_MODEL)]
    msg = f"There is no embedder {name!r}: {', '.join(known)}, or any function from texts to an array."
    raise UnknownNameError(msg)
