"""Bring a file into the cache: whole, checked, or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._errors import DownloadError, listing
from .._logging import logger
from .._settings import settings
from .table import find

if TYPE_CHECKING:
    from .table import Entry

_HTML: Final = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")
_BLOCK: Final = 1 << 20


def fetch(name: str) -> Path:
    """Return the path of a file in the cache, downloading it when it is not there.

    Parameters
    ----------
    name
        Of an entry of the registry.

    Returns
    -------
    The file. Its SHA-256 stands beside it as ``<file>.sha256``: checked against the registry, or, where the
    registry does not know it yet, recorded at the first download and required from then on.

    Raises
    ------
    UnknownNameError
        The registry has no such file.
    DownloadError
        It cannot be fetched, or is not the file it should be; nothing is left in the cache then.
    """
    entry = find(name)
    target = settings.cache_dir / entry.file_name
    if target.is_file():
        _check_cached(entry, target)
        return target
    if settings.offline:
        msg = f"{entry.name} is not in the cache, and settings.offline is on. {_by_hand(entry, target)}"
        raise DownloadError(msg)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
            _download(entry, target, Path(folder))
    except DownloadError:
        raise
    except OSError as error:
        msg = (
            f"{entry.name} cannot be written to the cache {settings.cache_dir} ({error}). Choose a folder you can "
            "write to, with at least "
            f"{entry.size_text} free: scgenept.settings.cache_dir = ..., or SCGENEPT_CACHE."
        )
        raise DownloadError(msg) from error
    return target


def recorded_hash(target: Path) -> str | None:
    """Return the hash that stands beside a file, if any."""
    beside = _beside(target)
    return beside.read_text().split()[0] if beside.is_file() and beside.stat().st_size else None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _download(entry: Entry, target: Path, folder: Path) -> None:
    """Try every address in turn; put the first good file into place."""
    failures: list[str] = []
    unreachable: set[str] = set()
    for url in entry.urls():
        host = url.split("/", 3)[2]
        if host in unreachable:
            continue
        work = folder / "file"
        try:
            _retrieve(url, work)
        except OSError as error:  # every error of requests is one
            if getattr(error, "response", None) is None and not _is_cut(error):
                unreachable.add(host)
            failures.append(f"{url}: {_in_words(error)}")
            continue
        found = file_sha256(work)
        if reason := _is_wrong(entry, work, found):
            failures.append(f"{url}: {reason}")
            continue
        _put(work, target, found)
        if entry.sha256 is None:
            logger.warning(
                "Nobody has recorded the hash of %s yet. Yours is %s; later downloads must match it (%s).",
                entry.name,
                found,
                _beside(target),
            )
        return
    msg = (
        f"{entry.name} ({entry.size_text}) could not be fetched. Tried: {'; '.join(failures)}. "
        f"{_by_hand(entry, target)}"
    )
    raise DownloadError(msg)


def _retrieve(url: str, work: Path) -> None:
    """Download one address to a file with pooch."""
    import pooch

    disabled = settings.progress_disabled
    bar: Any = False
    if disabled is not True:
        from tqdm.auto import tqdm

        bar = tqdm(total=0, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[-1], disable=disabled)
    downloader = pooch.HTTPDownloader(progressbar=bar, timeout=settings.timeout)
    work.unlink(missing_ok=True)
    downloader(url, str(work), None)


def _is_wrong(entry: Entry, work: Path, found: str) -> str | None:
    """Say why a downloaded file is not the one, or nothing."""
    with work.open("rb") as stream:
        start = stream.read(64).lstrip().lower()
    if not start:
        return "the answer was empty"
    if start.startswith(_HTML):
        return "the answer is a web page, not the file (the server may refuse scripts)"
    expected = entry.sha256 or recorded_hash(settings.cache_dir / entry.file_name)
    if expected is not None and found != expected:
        return f"its hash is {found}, expected {expected}: the file is damaged or was replaced"
    return None


def _put(work: Path, target: Path, found: str) -> None:
    """Move a checked file into place, its hash beside it. Two processes may do so at once."""
    note = work.with_name("note")
    note.write_text(f"{found}  {target.name}\n")
    os.replace(work, target)
    os.replace(note, _beside(target))


def _check_cached(entry: Entry, target: Path) -> None:
    """Require a cached file to be what it was when it was recorded; hash it only when it may have changed."""
    known = recorded_hash(target)
    expected = entry.sha256 or known
    unchanged = known is not None and target.stat().st_mtime_ns <= _beside(target).stat().st_mtime_ns
    if unchanged and known == expected:
        return
    found = file_sha256(target)
    if expected is not None and found != expected:
        msg = (
            f"{target} is not the file it should be: its hash is {found}, expected {expected}. "
            "Delete it, and the .sha256 beside it, to download it again."
        )
        raise DownloadError(msg)
    try:
        _beside(target).write_text(f"{found}  {target.name}\n")
    except OSError as error:
        logger.warning("The hash of %s cannot be written beside it (%s); it is checked each time.", target, error)


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _by_hand(entry: Entry, target: Path) -> str:
    known = f"sha256 {entry.sha256}" if entry.sha256 else "its hash is not recorded yet"
    return (
        f"To place it by hand: download {listing(entry.urls()[:1])} ({entry.size_text}, {known}) elsewhere "
        f"and save it as {target}."
    )


def _is_cut(error: OSError) -> bool:
    """Whether the server answered and the connection broke later."""
    return "IncompleteRead" in str(error) or "Connection broken" in str(error)


def _in_words(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if _is_cut(error):
        return "the connection was cut before the end of the file"
    name = type(error).__name__
    if "Timeout" in name:
        return f"no answer within {settings.timeout:g} s"
    if "Connection" in name or "SSL" in name:
        return "no connection to the server"
    return f"{name}: {error}"
