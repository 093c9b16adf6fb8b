"""Files that the server of the tests holds, and what lies in a cache."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VOCAB = "scgpt/vocab.json"
VOCAB_PATH = "/models/pretrained/scgpt/vocab.json"
GOOD = b'{"<pad>": 0, "KLF1": 1}'

NORMAN_PATH = "/api/access/datafile/6154020"
MEMBER = "perturb_processed.h5ad"
H5AD = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 50


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def zipped(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return stream.getvalue()
