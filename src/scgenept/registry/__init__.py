"""Files from the network: one table of what there is, one function that brings a file."""

from __future__ import annotations

from .download import fetch
from .table import Entry, entries, readable_size, registry_table

__all__ = ["Entry", "entries", "fetch", "readable_size", "registry_table"]
