"""Take one file out of a zip that may be anybody's."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .._errors import DownloadError, listing
from .._io import atomic_file

if TYPE_CHECKING:
    from pathlib import Path


def extract_member(archive: Path, member: str, target: Path) -> Path:
    """Extract the one member whose path ends in ``member``.

    Parameters
    ----------
    archive
        The zip.
    member
        File name to look for, in whatever folder of the archive.
    target
        Where to put it.

    Raises
    ------
    DownloadError
        The file is no zip, is encrypted, holds no such member or several, or any path in it leads outside;
        nothing is extracted then.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            hostile = [info.filename for info in opened.infolist() if _leads_outside(info)]
            if hostile:
                msg = f"{archive} holds paths that lead outside of it ({listing(hostile)}): nothing was extracted."
                raise DownloadError(msg)
            found = [info for info in opened.infolist() if PurePosixPath(info.filename).name == member]
            if len(found) != 1:
                names = [info.filename for info in opened.infolist()]
                msg = f"{archive} should hold one {member}, found {len(found)}. It holds {listing(names) or 'nothing'}."
                raise DownloadError(msg)
            with opened.open(found[0]) as source, atomic_file(target) as work, work.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        msg = f"{archive} is not a whole, plain zip file ({error}): delete it to download it again."
        raise DownloadError(msg) from error
    return target


def _leads_outside(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return path.is_absolute() or ".." in path.parts or ":" in info.filename.split("/", 1)[0] or is_link
