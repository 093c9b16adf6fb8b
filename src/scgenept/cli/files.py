"""Files that commands read and write."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from .._errors import DataError, WriteError
from .._io import atomic_file, require_writable

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData


def require_file(path: Path) -> None:
    """Refuse a path that is no file, and say where it was looked for."""
    if not path.is_file():
        what = " but a folder" if path.is_dir() else ""
        msg = f"{path.absolute()} is not a file{what}. Give the path of an h5ad file."
        raise FileNotFoundError(msg)


def read_cells(path: Path) -> AnnData:
    """Read an h5ad, or say what is wrong with the file."""
    import anndata as ad

    require_file(path)
    try:
        return ad.read_h5ad(path)
    except MemoryError:
        raise
    except Exception as error:  # whatever HDF5 and anndata say of a file that is cut or something else
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"{path} is not a whole h5ad file ({said})."
        raise DataError(msg) from error


def require_free(out: Path, *, overwrite: bool) -> None:
    """Refuse to write where something is, or where one cannot write, before anything is computed."""
    if out.is_dir():
        msg = f"{out} is a folder: name a file in it, such as --out {out / 'predicted.h5ad'}."
        raise WriteError(msg)
    if out.exists() and not overwrite:
        msg = f"{out} exists: choose another --out, or pass --overwrite."
        raise FileExistsError(msg)
    if out.suffix.lower() != ".h5ad":
        msg = f"{out} should end in .h5ad, which is what is written."
        raise DataError(msg)
    require_writable(out)


def write_cells(adata: AnnData, path: Path) -> None:
    """Write an h5ad, whole or not at all; refuse where it has no room, since HDF5 then ends the whole process."""
    with atomic_file(path) as work:
        size, free = adata.__sizeof__(), shutil.disk_usage(work.parent).free
        if size > free:
            msg = (
                f"{path} cannot be written: it takes {size / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free. Make "
                "room there, or choose another place."
            )
            raise WriteError(msg)
        adata.write_h5ad(work)
