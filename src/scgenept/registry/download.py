"""Bring a file into the cache: whole, checked, or not at all."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from .._arguments import require_number
from .._errors import DownloadError
from .._logging import logger
from .._settings import settings
from .archive import extract_member
from .network import SILENT, Servers, retrieve
from .recorded import file_sha256, is_untouched, note_of, record, recorded_hash
from .table import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .table import Entry

_NO_ADDRESS: Final = "it does not begin with https:// (see settings.base_url, dataverse_url and mirrors)"
_WEB_PAGE: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml")
_STARTS: Final = {
    ".h5ad": (b"\x89HDF",),
    ".gz": (b"\x1f\x8b",),
    ".json": (b"{", b"["),
    ".obo": (b"format-version:",),
    ".pickle": (b"\x80", b"(", b"}"),
    ".pkl": (b"\x80", b"(", b"}"),
    ".pt": (b"PK\x03\x04", b"\x80"),
    ".zip": (b"PK\x03\x04",),
}
"""How files begin, by suffix: catches an error message that a server sends as if it were the file."""


def fetch(name: str) -> Path:
    """Return the path of a file in the cache, downloading it when it is not there.

    A file that was placed there by hand is taken as well, if it is the right one.

    Parameters
    ----------
    name
        Of an entry of :func:`registry_table`.

    Returns
    -------
    The file. Its SHA-256 stands beside it as ``<file>.sha256``: checked against the registry, or, where the
    registry does not know it yet, recorded when the file is first seen and required from then on.

    Raises
    ------
    UnknownNameError
        The registry has no such file.
    DownloadError
        It cannot be fetched, or is not the file it should be; nothing is left in the cache then. The message names
        the addresses tried, the size, and how to place the file by hand. A file that is built, not downloaded, is not
        there yet.
    """
    entry = find(name)
    target = entry.path
    with _cache_errors(entry):
        if entry.recipe:
            if not target.is_file():
                msg = f"{entry.name} is built, not downloaded, and is not there yet: {entry.recipe} writes {target}."
                raise DownloadError(msg)
        elif target.is_file():
            _check(target, entry.sha256)
        elif settings.offline:
            msg = f"{entry.name} is not in the cache, and settings.offline is on. {_by_hand(entry)}"
            raise DownloadError(msg)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
                _download(entry, Path(folder) / target.name)
    return target


def fetch_member(name: str, member: str) -> Path:
    """Return one file out of a zip of the registry, downloading and extracting it when it is not in the cache.

    Parameters
    ----------
    name
        Of an entry that is a zip.
    member
        File name inside it. It is kept as ``<cache>/<name without .zip>/<member>`` and may be placed there by hand.

    Returns
    -------
    The file, with its hash beside it.

    Raises
    ------
    DownloadError
        As :func:`fetch`, or the zip is damaged, hostile or lacks the member.
    """
    entry = find(name)
    target = entry.path.with_suffix("") / member
    with _cache_errors(entry):
        if target.is_file():
            _check(target, None)
        else:
            extract_member(fetch(name), member, target)
            record(target, file_sha256(target))
    return target


def _download(entry: Entry, work: Path) -> None:
    """Try every address in turn; put the first good file into place."""
    require_number("settings.timeout", settings.timeout)
    failures = {url: _NO_ADDRESS for url in entry.urls() if urlsplit(url).scheme not in {"http", "https"}}
    urls = [url for url in entry.urls() if url not in failures]
    servers = Servers(urls, timeout=settings.timeout)
    for url in urls:
        server = urlsplit(url).netloc
        if server in failures:
            continue
        if reason := servers.why_not(url):
            failures[server] = reason
            continue
        failure = retrieve(url, work)
        found = "" if failure else file_sha256(work)
        failure = failure or _is_wrong(work, found, entry.sha256 or recorded_hash(entry.path))
        if failure is None:
            _place(entry, work, found)
            return
        failures[server if failure == SILENT else url] = failure
    tried = "; ".join(f"{where}: {reason}" for where, reason in failures.items())
    msg = f"{entry.name} (size {entry.size_text}) could not be fetched. Tried {tried}. {_by_hand(entry)}"
    raise DownloadError(msg)


def _place(entry: Entry, work: Path, found: str) -> None:
    """Move a checked file into place. Two processes may do so at once: each brings a whole file."""
    work.replace(entry.path)
    record(entry.path, found)
    if entry.sha256 is None:
        _tell_first_hash(entry.path, found)


def _check(target: Path, sha256: str | None) -> None:
    """Require a cached file to be what the registry says, or what it was when first seen."""
    known = recorded_hash(target)
    if known is not None and known == (sha256 or known) and is_untouched(target):
        return
    found = file_sha256(target)
    if reason := _is_wrong(target, found, sha256 or known):
        note = note_of(target).name
        msg = f"{target} is not the file it should be: {reason}. Delete it and {note} to fetch it again."
        raise DownloadError(msg)
    record(target, found)
    if sha256 is None and known is None:
        _tell_first_hash(target, found)


def _is_wrong(file: Path, found: str, expected: str | None) -> str | None:
    """Say why a file is not the one, or nothing."""
    with file.open("rb") as stream:
        start = stream.read(64)
    if not start:
        return "it is empty"
    if start.lstrip().lower().startswith(_WEB_PAGE):
        return "it is a web page, not the file (some servers refuse scripts: try the address in a browser)"
    if not start.startswith(_STARTS.get(file.suffix, (b"",))):
        return f"it begins with {start[:16]!r}, which no {file.suffix} file does"
    if expected is not None and found != expected:
        return f"its sha256 is {found}, expected {expected}: it is damaged or was replaced"
    return None


def _tell_first_hash(target: Path, found: str) -> None:
    logger.warning(
        "The registry does not know the hash of %s. This copy has sha256 %s, which now stands in %s; "
        "later copies must match it.",
        target,
        found,
        note_of(target).name,
    )


def _by_hand(entry: Entry) -> str:
    known = f"sha256 {entry.sha256}" if entry.sha256 else "its sha256 is not in the registry yet"
    return (
        f"To place it by hand: download {entry.urls()[0]} (size {entry.size_text}; {known}) on any machine "
        f"and save it as {entry.path}"
    )


@contextmanager
def _cache_errors(entry: Entry) -> Iterator[None]:
    """Turn what the operating system says about the cache folder into what to do about it."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        msg = (
            f"{entry.name} (size {entry.size_text}) cannot be read from or written to the cache {settings.cache_dir}: "
            f"{error}. Choose a folder that you can write to and that has room: scgenept.settings.cache_dir = ..., "
            "or the environment variable SCGENEPT_CACHE."
        )
        raise DownloadError(msg) from error
