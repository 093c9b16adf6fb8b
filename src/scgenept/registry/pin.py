"""Record hashes and sizes of official files in the registry: what a maintainer with network runs."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._errors import DownloadError, UnknownNameError, listing
from .._io import atomic_file
from .download import fetch
from .recorded import file_sha256
from .table import clear_table, find

if TYPE_CHECKING:
    from collections.abc import Iterable

REGISTRY: Final = Path(str(files("scgenept.registry") / "registry.yaml"))


def pin_files(names: Iterable[str], *, table: Path = REGISTRY) -> dict[str, str]:
    """Fetch files and write their SHA-256 and size into ``registry.yaml``.

    The table is rewritten after each file, so an interrupted run keeps what it has. Comments and order stay.

    Parameters
    ----------
    names
        Of entries. One that is hashed already is compared with the file; to replace its hash, set it to ``null`` first.
    table
        The ``registry.yaml`` to rewrite; the installed one by default, which in a checkout is the repository's.

    Returns
    -------
    Name -> SHA-256.

    Raises
    ------
    UnknownNameError
        An entry does not exist; nothing is fetched then.
    DownloadError
        A file cannot be fetched or differs from its recorded hash, or the table cannot be written.
    """
    pinned: dict[str, str] = {}
    for name in [find(name).name for name in names]:  # all looked up first
        path = fetch(name)
        pinned[name] = file_sha256(path)
        try:
            text = table.read_text(encoding="utf-8")
            with atomic_file(table) as work:
                work.write_text(_with_facts(text, name, pinned[name], path.stat().st_size), encoding="utf-8")
        except OSError as error:
            msg = f"{table} cannot be written ({error}): run this in a checkout, or pass the table's path."
            raise DownloadError(msg) from error
        clear_table()
    return pinned


def _with_facts(text: str, name: str, sha256: str, size: int) -> str:
    """Return the YAML text with the two facts of one entry filled in and its estimate of the size dropped."""
    entry = re.search(rf"(?ms)^  - name: {re.escape(name)}\n.*?(?=^  - name: |\Z)", text)
    if entry is None:
        names = re.findall(r"(?m)^  - name: (.+)$", text)
        msg = f"The table has no entry {name}. It has: {listing(names)}."
        raise UnknownNameError(msg)
    block = re.sub(r"(?m)^    about: .*\n", "", entry[0])
    block = re.sub(r"(?m)^    sha256: .*$", f"    sha256: {sha256}", block)
    block = re.sub(r"(?m)^    size: .*$", f"    size: {size}", block)
    return text[: entry.start()] + block + text[entry.end() :]
