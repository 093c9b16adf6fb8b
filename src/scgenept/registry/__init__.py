"""Files from the network: one table of what there is, one function that brings a file."""

from __future__ import annotations

from .download import fetch, fetch_member
from .table import Entry, entries, find, readable_size, registry_table

__all__ = ["Entry", "entries", "fetch", "fetch_member", "find", "readable_size", "registry_table"]
