"""knowledge.load: a source by name, or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import DataError, UnknownNameError, listing, near_names
from ..registry import fetch
from ..registry.recorded import file_sha256, recorded_hash
from ._available import note_size
from ._catalog import catalog, known_as
from ._formats import read_vectors
from ._source import KnowledgeSource

if TYPE_CHECKING:
    from os import PathLike


def load(name: str | PathLike[str], *, key: str | None = None) -> KnowledgeSource:
    """Return a knowledge source by its name or from a file.

    Parameters
    ----------
    name
        A name of :func:`scgenept.knowledge.available`, which is downloaded where it is not in the cache; the original's
        spellings (``go_c_gpt_concat``) are understood. Or a file: ``.safetensors`` as
        :meth:`.KnowledgeSource.save` writes it, or with one vector per gene; ``.pickle`` or ``.pkl`` with a dict of
        gene -> list of floats or float array, read without running anything in it; ``.h5ad`` with genes in rows;
        ``.npz`` with ``names`` and ``vectors``; ``.parquet`` with a column or index of gene names, and numbers. A file
        that exists comes before a source of that name.
    key
        Which array of the file: an ``obsm`` of an h5ad (``X`` otherwise), an array of an npz, a column of a parquet
        that holds lists, a tensor.

    Returns
    -------
    The source. Its provenance names the file, its hash, and what the registry knows of it.

    Raises
    ------
    UnknownNameError
        There is no such source and no such file, or the file is of another kind.
    DownloadError
        A named source can neither be found in the cache nor fetched, or has to be built first.
    DataError
        The file is damaged, a gene appears twice, vectors are NaN or of several widths.
    UnsafePickleError, CheckpointError
        A pickle asks for more than plain data, or is no whole pickle of embeddings.
    MissingExtraError
        A parquet file, and pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import scgenept as sgp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.npz"
    ...     np.savez(path, names=["KLF1", "GATA1"], vectors=np.eye(2))
    ...     sgp.knowledge.load(path)
    KnowledgeSource('mine', 2 genes x 2)
    """
    text = str(name)
    path = Path(name).expanduser()
    if path.suffix and path.is_file():  # also where it is called as a source is
        return _from_file(path, key)
    if (known := known_as(text)) in catalog():
        return _named(known)
    if not path.suffix and not path.exists():
        names = list(catalog())
        msg = (
            f"There is no source {text!r}.{near_names(text, names)} Known: {listing(names, first=20)}; or give a file."
        )
        raise UnknownNameError(msg)
    return _from_file(path, key)


def _named(name: str) -> KnowledgeSource:
    entry = catalog()[name]
    path = fetch(entry.name)
    content = read_vectors(path)
    provenance = dict(content.about.get("provenance") or {})
    facts = {"embedder": entry.embedder, "licence": entry.licence, "citation": entry.citation}
    provenance |= {fact: value for fact, value in facts.items() if value and fact not in provenance}
    provenance |= {"registry": entry.name, "file_sha256": recorded_hash(path) or file_sha256(path)}
    source = KnowledgeSource(name, content.names, content.vectors, _texts(content.about), provenance)
    note_size(path, source)
    return source


def _from_file(path: Path, key: str | None) -> KnowledgeSource:
    content = read_vectors(path, key=key)
    about = content.about
    provenance = {**(about.get("provenance") or {}), "file": path.name, "file_sha256": file_sha256(path)}
    source = KnowledgeSource(
        str(about.get("name") or path.stem), content.names, content.vectors, _texts(about), provenance
    )
    if about.get("sha256", source.sha256) != source.sha256:
        msg = (
            f"{path} and {path.with_suffix('.json').name} do not belong together: the hash in the second is of others. "
            "Copy or save both again."
        )
        raise DataError(msg)
    return source


def _texts(about: dict[str, object]) -> dict[str, str | tuple[str, ...]] | None:
    texts = about.get("texts")
    if not isinstance(texts, dict):
        return None
    return {gene: text if isinstance(text, str) else tuple(text) for gene, text in texts.items()}
