"""Files that hold one vector per gene: read five kinds, write one."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from .._arguments import require_path
from .._errors import DataError, ScGenePTError, UnknownNameError, listing
from .._extra import need
from .._io import atomic_file, require_writable
from ..pickles import BROKEN, load_embedding_pickle, seems

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ._source import KnowledgeSource

_NAMES: Final = ("names", "genes", "gene", "symbol", "symbols")
_VECTORS: Final = ("vectors", "embeddings", "embedding")
_FORMAT: Final = "scgenept.knowledge/1"


class Content(NamedTuple):
    """What a file holds: names, vectors (genes x width), and what :meth:`.KnowledgeSource.save` wrote beside them."""

    names: Sequence[str]
    vectors: NDArray[Any]
    about: dict[str, Any]


def read_vectors(path: Path, *, key: str | None = None) -> Content:
    """Read a file by its suffix.

    Raises
    ------
    UnknownNameError
        The suffix is none of the five.
    DataError
        The file is damaged, or does not hold names and vectors. For pickles, the errors of their reader.
    """
    if (reader := _READERS.get(path.suffix.lower())) is None:
        msg = f"{path} is none of the files that are read: {', '.join(_READERS)}."
        raise UnknownNameError(msg)
    if not path.is_file():
        msg = f"There is no file {path}."
        raise DataError(msg)
    try:
        return reader(path, key)
    except ScGenePTError:
        raise
    except (*BROKEN, zlib.error) as error:
        msg = f"{path} is not a whole {path.suffix} file ({error}); it {seems(path)}."
        raise DataError(msg) from error


def write_pair(source: KnowledgeSource, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """See :meth:`.KnowledgeSource.save`."""
    from safetensors.numpy import save

    require_path("path", path, what="the file to write")
    target = require_writable(path)
    if target.suffix.lower() != ".safetensors":
        target = target.with_name(f"{target.name}.safetensors")
    _require_replaceable([target, target.with_suffix(".json")], overwrite=overwrite)
    about = {
        "format": _FORMAT,
        "name": source.name,
        "sha256": source.sha256,
        "provenance": dict(source.provenance),
        "names": source.names,
        "texts": None if source.texts is None else dict(source.texts),
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)  # fails before anything is written
    with atomic_file(target.with_suffix(".json")) as beside, atomic_file(target) as work:
        beside.write_text(text, encoding="utf-8")
        work.write_bytes(save({"vectors": np.ascontiguousarray(source.vectors)}, metadata={"format": _FORMAT}))
    return target


def _require_replaceable(pair: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse to replace anything but files that :func:`write_pair` wrote."""
    there = [path for path in pair if path.exists()]
    if others := [path for path in there if not _is_ours(path)]:
        msg = f"{listing(others)} exists and is no saved knowledge source: choose another path."
    elif there and not overwrite:
        msg = f"{listing(there)} exists: pass overwrite=True to replace the source in it, or choose another path."
    else:
        return
    raise DataError(msg)


def _is_ours(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix == ".json":
            about = json.loads(path.read_text(encoding="utf-8"))
            return isinstance(about, dict) and about.get("format") == _FORMAT
        with safe_open(path, framework="np") as stream:
            return (stream.metadata() or {}).get("format") == _FORMAT
    except (OSError, ValueError, SafetensorError):
        return False


def _pickle(path: Path, _: str | None) -> Content:
    vectors = load_embedding_pickle(path)
    table = np.empty((len(vectors), len(next(iter(vectors.values())))), dtype=np.float32)
    for row, vector in enumerate(vectors.values()):
        table[row] = vector
    return Content(list(vectors), table, {})


def _h5ad(path: Path, key: str | None) -> Content:
    import anndata as ad

    adata = ad.read_h5ad(path)
    if key is not None and key not in adata.obsm:
        msg = f"{path} has no obsm[{key!r}]; it has {listing(adata.obsm) or 'none'}."
        raise DataError(msg)
    values = adata.X if key is None else adata.obsm[key]
    if values is None:
        msg = f"{path} has no X: genes are expected in rows (obs_names), their vectors in X, or name an obsm by key=."
        raise DataError(msg)
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    return Content(adata.obs_names.tolist(), dense, {})


def _npz(path: Path, key: str | None) -> Content:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    names = next((arrays[name] for name in _NAMES if name in arrays), None)
    vectors = next((arrays[name] for name in ((key,) if key else _VECTORS) if name in arrays), None)
    if names is None or vectors is None:
        msg = (
            f"{path} holds {listing(arrays) or 'nothing'}. Expected gene names under {', '.join(_NAMES[:2])} and "
            f"vectors under {key or ', '.join(_VECTORS[:2])}."
        )
        raise DataError(msg)
    if names.dtype.kind not in "US":
        msg = f"The gene names in {path} are {names.dtype}, not text."
        raise DataError(msg)
    if "has_text" in arrays and len(vectors) == len(names):
        names, vectors = names[arrays["has_text"]], vectors[arrays["has_text"]]
    return Content(names.astype(str).tolist(), vectors, {})


def _parquet(path: Path, key: str | None) -> Content:
    import pandas as pd

    need("pyarrow", "parquet")
    table = pd.read_parquet(path, engine="pyarrow")
    if by := next((name for name in _NAMES if name in table.columns), None):
        table = table.set_index(by)
    if not all(isinstance(name, str) for name in table.index):
        msg = f"{path} has no column of gene names: call it {', '.join(_NAMES[:3])}, or make it the index."
        raise DataError(msg)
    columns = [key] if key else [name for name in _VECTORS if name in table.columns][:1]
    if columns:
        return Content(table.index.tolist(), np.stack([np.asarray(row, float) for row in table[columns[0]]]), {})
    return Content(table.index.tolist(), table.select_dtypes("number").to_numpy(), {})


def _safetensors(path: Path, key: str | None) -> Content:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        msg = f"{path} is not a whole safetensors file ({error})."
        raise DataError(msg) from error
    beside = path.with_suffix(".json")
    wanted = key or "vectors"
    if beside.is_file() and wanted in tensors:
        about = json.loads(beside.read_text(encoding="utf-8"))
        if not isinstance(about, dict) or "names" not in about:
            msg = f"{beside} does not name the genes of {path.name}: it has no list under 'names'."
            raise DataError(msg)
        return Content(about["names"], tensors[wanted], about)
    if wanted in tensors:
        msg = f"{path} has vectors but no names: {beside.name}, which belongs beside it, is not there."
        raise DataError(msg)
    if not tensors or any(tensor.ndim != 1 for tensor in tensors.values()):
        msg = f"{path} holds {listing(tensors) or 'nothing'}. Expected one vector per gene name, or 'vectors'."
        raise DataError(msg)
    if len({len(tensor) for tensor in tensors.values()}) > 1:
        msg = f"{path} has vectors of several widths: {listing(sorted({len(t) for t in tensors.values()}))}."
        raise DataError(msg)
    return Content(list(tensors), np.stack(list(tensors.values())), {})


_READERS: Final[dict[str, Callable[[Path, str | None], Content]]] = {
    ".pickle": _pickle,
    ".pkl": _pickle,
    ".h5ad": _h5ad,
    ".npz": _npz,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
}
