"""Vectors kept on disk, by the hash of their text and the embedder that made them."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import numpy as np

from .._logging import logger
from .._settings import settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_AT_ONCE: Final = 500
"""Keys per query; SQLite takes at most 999 values in the builds of long ago."""
_PATIENCE: Final = 30.0
"""Seconds to wait for another process that reads or writes."""
_TABLE: Final = "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB NOT NULL, cut INTEGER)"


class VectorCache:
    """One file per embedder, ``<cache>/embeddings/<embedder>.sqlite``; what is written is there after a crash.

    A file that is damaged is put aside and begun anew; one that another process holds is left alone; where the folder
    cannot be written to, nothing is kept. All are said, none stops the work.

    Parameters
    ----------
    identity
        Of the embedder; ``None`` keeps nothing.
    folder
        Where to keep it.
    """

    def __init__(self, identity: str | None, folder: Path | None = None) -> None:
        self.path: Path | None = None
        if identity is None:
            return
        slug = re.sub(r"[^A-Za-z0-9.-]+", "_", identity).strip("_")[-60:]
        digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
        self.path = (folder or settings.cache_dir / "embeddings") / f"{slug}-{digest}.sqlite"

    def get(self, texts: Sequence[str]) -> dict[str, tuple[NDArray[np.float32], bool | None]]:
        """Return text -> its vector and whether it was cut, for those that are kept."""
        if self.path is None or not self.path.is_file():
            return {}
        by_key = {_key(text): text for text in texts}
        keys = list(by_key)
        found: dict[str, tuple[NDArray[np.float32], bool | None]] = {}
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as opened:
                for start in range(0, len(keys), _AT_ONCE):
                    some = keys[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(some))
                    query = f"SELECT text, vector, cut FROM vectors WHERE text IN ({marks})"
                    for key, vector, cut in opened.execute(query, some):
                        found[by_key[key]] = (np.frombuffer(vector, dtype="<f4"), None if cut is None else bool(cut))
        except sqlite3.OperationalError as error:  # of the moment, such as a lock: the file may well be whole
            logger.warning("%s cannot be read now (%s): vectors are made anew.", self.path, error)
            return {}
        except (sqlite3.Error, ValueError) as error:
            self._put_aside(error)
            return {}
        return found

    def put(self, texts: Sequence[str], vectors: NDArray[np.float32], cut: Sequence[bool] | None) -> None:
        """Keep vectors, all of them or none."""
        if self.path is None:
            return
        rows = [
            (_key(text), np.asarray(vector, dtype="<f4").tobytes(), None if cut is None else int(cut[i]))
            for i, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as opened, opened:
                opened.execute(_TABLE)
                opened.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        except (OSError, sqlite3.Error) as error:
            logger.warning(
                "Vectors cannot be kept in %s (%s): a killed run starts from the beginning.", self.path, error
            )
            self.path = None

    def _put_aside(self, error: Exception) -> None:
        """Make room for a new file where the old one cannot be read."""
        if self.path is None:
            return
        broken = self.path.with_suffix(".broken")
        logger.warning("%s cannot be read (%s): put aside as %s, vectors are made anew.", self.path, error, broken.name)
        try:
            self.path.replace(broken)
        except OSError:  # then it is not written to either
            self.path = None


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
