"""The sources that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..registry import entries

if TYPE_CHECKING:
    from ..registry import Entry

_FOLDER: Final = "gene_embeddings/"


def catalog() -> dict[str, Entry]:
    """Return name -> registry entry of every source."""
    return {entry.name.removeprefix(_FOLDER).removesuffix(".safetensors"): entry for entry in _sources()}


def known_as(name: str) -> str:
    """Return our name for the spellings of the original: ``go_c_gpt_concat`` is ``go_c``."""
    bare = name.removeprefix(_FOLDER).removesuffix(".safetensors").replace("_gpt", "").removesuffix("_concat")
    return bare if bare in catalog() else name


def joined(name: str) -> str:
    """Say how the terms of a gene were put together, or nothing where it is one text anyway."""
    if not name.startswith("go_"):
        return ""
    return "avg" if name.endswith("_avg") else "concat"


def _sources() -> list[Entry]:
    return [entry for entry in entries() if entry.kind == "embedding"]
