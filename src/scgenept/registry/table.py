"""The table of files, read from ``registry.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .._errors import UnknownNameError, listing, near_names
from .._settings import settings

if TYPE_CHECKING:
    import pandas as pd

Kind: TypeAlias = Literal["checkpoint", "pretrained", "embedding", "annotation", "dataset"]

BUCKET: Final = "https://czi-scgenept-public.s3.amazonaws.com"
DATAVERSE: Final = "https://dataverse.harvard.edu/api/access"


@dataclass(frozen=True)
class Entry:
    """A file that can be fetched.

    Attributes
    ----------
    name
        What :func:`scgenept.registry.fetch` takes.
    kind
        What it is.
    base
        ``"bucket"``, ``"dataverse"`` or an address; ``paths`` are relative to it.
    paths
        Where it lies; spellings that have been seen in the wild, tried in order.
    sha256
        Hash of the file; ``None`` where nobody has recorded it yet.
    size
        Bytes; ``None`` where not known.
    about
        Roughly how many bytes, where ``size`` is not known.
    licence, citation, description
        Terms (empty where the source states none), reference, and what it is.
    variant, dataset
        Of a checkpoint.
    embedder, width
        Of gene embeddings: what made them, and numbers per gene.
    recipe
        How to build a file that is not downloaded; empty for all others.
    """

    name: str
    kind: Kind
    base: str
    paths: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    about: int | None = None
    licence: str = ""
    citation: str = ""
    description: str = ""
    variant: str = ""
    dataset: str = ""
    embedder: str = ""
    width: int | None = None
    recipe: str = ""

    @property
    def size_text(self) -> str:
        """The size in words, as well as it is known."""
        if self.size is None and self.about is not None:
            return f"about {readable_size(self.about)}".replace(".0 ", " ")
        return readable_size(self.size)

    @property
    def file_name(self) -> str:
        """Where the file lies in the cache, relative to its folder; the same whichever spelling was found."""
        has_suffix = "." in self.name.rsplit("/", 1)[-1] or not self.paths
        suffix = "" if has_suffix else "." + self.paths[0].rsplit(".", 1)[-1].lower()
        return self.name + (suffix if "/" not in suffix else "")

    @property
    def path(self) -> Path:
        """Where the file lies in the cache of the settings."""
        return Path(settings.cache_dir).expanduser() / self.file_name

    def urls(self) -> tuple[str, ...]:
        """Return the addresses to try, in order: the base of the settings or our own, then the mirrors."""
        bases = {"bucket": settings.base_url or BUCKET, "dataverse": settings.dataverse_url or DATAVERSE}
        first = bases.get(self.base, self.base)
        given: Any = settings.mirrors
        mirrors = [given] if isinstance(given, str) else given
        return tuple(f"{base.rstrip('/')}/{path}" for base in (first, *mirrors) for path in self.paths)


@cache
def _table() -> dict[str, Entry]:
    import yaml

    text = (files("scgenept.registry") / "registry.yaml").read_text(encoding="utf-8")
    rows = yaml.safe_load(text)["files"]
    known = ({key: value for key, value in row.items() if value is not None} for row in rows)
    return {row["name"]: Entry(**{**row, "paths": tuple(row.get("paths", ()))}) for row in known}


def entries() -> tuple[Entry, ...]:
    """Return every file of the registry."""
    return tuple(_table().values())


def clear_table() -> None:
    """Read ``registry.yaml`` anew at its next use."""
    _table.cache_clear()


def find(name: str) -> Entry:
    """Return the entry of a name.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    table = _table()
    if name not in table:
        msg = f"There is no file {name!r} in the registry.{near_names(name, table)} Known: {listing(table)}."
        raise UnknownNameError(msg)
    return table[name]


def registry_table() -> pd.DataFrame:
    """Return the registry as a table: name, kind, size, whether it is hashed, whether it is cached, licence."""
    import pandas as pd

    return pd.DataFrame(
        {
            "name": entry.name,
            "kind": entry.kind,
            "size": entry.size_text,
            "hashed": entry.sha256 is not None,
            "cached": _is_there(entry.path),
            "licence": entry.licence or "not stated",
        }
        for entry in entries()
    )


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into
        return False


def readable_size(n_bytes: int | None) -> str:
    """Write a size in units of 1,000.

    Examples
    --------
    >>> readable_size(1_142_678), readable_size(None)
    ('1.1 MB', 'unknown')
    """
    if n_bytes is None:
        return "unknown"
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
