"""Any server that speaks OpenAI's embeddings protocol."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..._errors import DataError, DownloadError
from ..._settings import settings
from ._post import post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._post import Answer

_WORTH_ANOTHER_TRY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True)
class OpenAIEmbedder:
    """Embed with a model behind an OpenAI-compatible endpoint: OpenAI itself, vLLM, Ollama, an institute's gateway.

    ``text-embedding-ada-002`` and ``text-embedding-3-small`` give 1,536 numbers per text, as the original's files have.
    Texts leave this machine and requests may cost money. A request that fails for a reason that may pass (429, 5xx, a
    web page in place of an answer, too few vectors, no connection) is repeated, with waits that double from one second
    to a minute or as long as the server asks for; any other refusal is an error at once.

    Parameters
    ----------
    model
        As the server calls it.
    url
        Where the API begins; ``/embeddings`` is added.
    key_variable
        Environment variable that holds the key, which is sent to ``url`` only, is followed nowhere else and is written
        nowhere. ``None`` for a server that wants none.
    dimensions
        Ask for shorter vectors, where the model can.
    requests_per_minute
        At most so many requests; no limit otherwise.
    max_characters
        The server refuses texts that are too long, so longer ones are cut to this before they are sent: 8,191 tokens
        are about 30,000 characters of English, fewer of gene names.
    tries
        How often one request is sent before giving up.
    timeout
        Seconds to wait for one answer.

    Raises
    ------
    DataError
        When it is called and the environment has no key.
    DownloadError
        When it is called and the server cannot be reached, refuses, or keeps failing.
    """

    model: str
    url: str = "https://api.openai.com/v1"
    key_variable: str | None = "OPENAI_API_KEY"
    dimensions: int | None = None
    requests_per_minute: float | None = None
    max_characters: int = 20_000
    tries: int = 8
    timeout: float = 60.0
    _last: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def id(self) -> str:
        """Identity in the cache."""
        shorter = f":{self.dimensions}" if self.dimensions else ""
        return f"{self.url.rstrip('/')} {self.model}{shorter}:{self.max_characters}"

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed n texts with one request: (n, width)."""
        if settings.offline:
            msg = f"{self.url} is not asked for vectors: settings.offline is on."
            raise DownloadError(msg)
        wanted: dict[str, Any] = {"model": self.model, "input": [text[: self.max_characters] for text in texts]}
        if self.dimensions:
            wanted["dimensions"] = self.dimensions
        headers = {"Content-Type": "application/json", **self._authorization()}
        body = json.dumps(wanted).encode()
        reason = "it was not asked"
        for attempt in range(max(1, self.tries)):
            self._keep_pace()
            answer = post(f"{self.url.rstrip('/')}/embeddings", body, headers, timeout=self.timeout)
            rows, reason = _read(answer, len(texts))
            if rows is not None:
                return rows
            if answer.status and answer.status != 200 and answer.status not in _WORTH_ANOTHER_TRY:
                break
            if attempt + 1 < self.tries:
                time.sleep(min(_LONGEST_WAIT, max(2.0**attempt, answer.retry_after)))
        msg = (
            f"{self.url} gave no vectors for {len(texts)} texts with model {self.model!r}: {reason}. What was embedded "
            "before is in the cache; run it again to go on from there."
        )
        raise DownloadError(msg)

    def is_cut(self, texts: Sequence[str], /) -> list[bool]:
        """Say of each text whether it is longer than what is sent."""
        return [len(text) > self.max_characters for text in texts]

    def _authorization(self) -> dict[str, str]:
        if self.key_variable is None:
            return {}
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            msg = (
                f"The environment variable {self.key_variable} holds no key for {self.url}. Set it, or pass "
                "key_variable=None for a server that needs none."
            )
            raise DataError(msg)
        return {"Authorization": f"Bearer {key}"}

    def _keep_pace(self) -> None:
        """Wait until the next request may start."""
        if self.requests_per_minute:
            if self._last and (wait := self._last[0] + 60 / self.requests_per_minute - time.monotonic()) > 0:
                time.sleep(wait)
            self._last[:] = [time.monotonic()]


def _read(answer: Answer, n: int) -> tuple[NDArray[np.float32] | None, str]:
    """Return n rows, or nothing and why not."""
    if answer.status == 0:
        return None, answer.text
    start = " ".join(answer.text[:200].split())
    if answer.status != 200:
        return None, f"status {answer.status}, {start!r}"
    try:
        data = json.loads(answer.text)["data"]
        rows = [item["embedding"] for item in sorted(data, key=lambda item: item.get("index", 0))]
        table = np.asarray(rows, dtype=np.float32)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None, f"the answer is not a list of vectors but {start!r}"
    if len(rows) != n:
        return None, f"{len(rows)} vectors came for {n} texts"
    if table.ndim != 2:
        return None, "the vectors differ in width"
    return table, ""
