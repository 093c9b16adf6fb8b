"""What an embedder is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Anything that turns n texts into an array (n, width), float32, one row per text in the order given.

    A plain function will do. Two attributes are used where an embedder has them: ``id``, a string that changes whenever
    the vectors would (without it nothing is kept on disk), and ``is_cut(texts)``, which says of each text whether it is
    longer than what the embedder reads.
    """

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed the texts."""
        ...


def identity_of(embedder: Embedder) -> str | None:
    """Return the ``id`` of an embedder, if it has one."""
    identity = getattr(embedder, "id", None)
    return identity if isinstance(identity, str) and identity else None
