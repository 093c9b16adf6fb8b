"""knowledge.available: a table of the sources that have a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._io import atomic_file
from .._logging import logger
from ._catalog import catalog, joined

if TYPE_CHECKING:
    from pathlib import Path

    from ..registry import Entry
    from ._source import KnowledgeSource


def available() -> pd.DataFrame:
    """List the sources that :func:`scgenept.knowledge.load` knows by name.

    Returns
    -------
    One row per source: ``name``; ``description``; ``joined``, how the GO terms of a gene became one vector (``concat``:
    one text with all of them; ``avg``: the mean over one vector per term); ``embedder``; ``width``; ``genes``, known
    once the file was read here; ``size``; ``licence``; ``hashed``, whether the registry knows the hash of the file
    (otherwise the first download records it); ``cached``; and ``recipe``, for a source that is built, not downloaded.

    Examples
    --------
    >>> import scgenept as sgp
    >>> table = sgp.knowledge.available().set_index("name")
    >>> table.loc["go_c", "embedder"], int(table.loc["go_c", "width"]), table.loc["go_c_avg", "joined"]
    ('text-embedding-ada-002', 1536, 'avg')
    """
    rows = [_row(name, entry) for name, entry in catalog().items()]
    return pd.DataFrame(rows).astype({"width": "Int64", "genes": "Int64"})


def note_size(path: Path, source: KnowledgeSource) -> None:
    """Keep beside a file how many genes it holds, so that the table can say so without reading it."""
    try:
        with atomic_file(_note(path)) as work:
            work.write_text(json.dumps({"genes": len(source), "width": source.width}), encoding="utf-8")
    except OSError as error:  # a read-only cache is still good to read from
        logger.info("The size of %s cannot be noted beside it: %s", path, error)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.size.json")


def _row(name: str, entry: Entry) -> dict[str, Any]:
    cached = entry.path.is_file()
    noted = _note(entry.path)
    facts = json.loads(noted.read_text(encoding="utf-8")) if cached and noted.is_file() else {}
    return {
        "name": name,
        "description": entry.description,
        "joined": joined(name),
        "embedder": entry.embedder,
        "width": entry.width,
        "genes": facts.get("genes"),
        "size": entry.size_text,
        "licence": entry.licence or "not stated",
        "hashed": entry.sha256 is not None,
        "cached": cached,
        "recipe": entry.recipe,
    }
