"""knowledge.read_texts: one text per gene, from files, tables and dicts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from .._errors import DataError, UnknownNameError, listing, near_names
from .._logging import logger
from ..registry import fetch

if TYPE_CHECKING:
    from os import PathLike

_NAMED: Final = {
    "ncbi": "gene_annotations/NCBI_summary_of_genes.json",
    "ncbi+uniprot": "gene_annotations/NCBI_UniProt_summary_of_genes.json",
}
_SEPARATORS: Final = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def read_texts(
    source: str | PathLike[str] | pd.DataFrame | Mapping[str, str], *, gene: str = "gene", text: str = "text"
) -> dict[str, str]:
    """Read one text per gene.

    Parameters
    ----------
    source
        ``"ncbi"`` or ``"ncbi+uniprot"``, the summaries behind scGenePT's embeddings, from the registry; a JSON file
        with one object of gene -> text; a ``.csv`` or ``.tsv``, gzipped or not; a DataFrame; or a mapping.
    gene, text
        Columns of a table. The index serves where there is no column ``gene``.

    Returns
    -------
    Gene -> text, in the order of the source, without white space around it. Genes whose text is empty are left out,
    and logged: an empty text says nothing about a gene.

    Raises
    ------
    DataError
        A gene appears twice, a column is missing, a text is no text, or the file is damaged.
    UnknownNameError
        There is no source of that name and no such file.
    DownloadError
        A named source cannot be fetched.

    Examples
    --------
    >>> import pandas as pd
    >>> import scgenept as sgp
    >>> sgp.knowledge.read_texts(pd.DataFrame({"gene": ["KLF1", "XYZ"], "text": ["A zinc finger. ", ""]}))
    {'KLF1': 'A zinc finger.'}
    """
    pairs = _pairs(source, gene, text)
    if wrong := [str(name) for name, value in pairs if not isinstance(name, str) or not _is_text(value)]:
        msg = f"{len(wrong)} genes have something else than text: {listing(wrong)}."
        raise DataError(msg)
    if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
        msg = f"{len(twice)} genes have several texts: {listing(twice)}. Join them, or keep one."
        raise DataError(msg)
    texts = {name: value.strip() for name, value in pairs if isinstance(value, str) and value.strip()}
    if len(texts) < len(pairs):
        empty = [name for name, _ in pairs if name not in texts]
        logger.info("%d of %d genes have an empty text and are left out: %s.", len(empty), len(pairs), listing(empty))
    return texts


def _is_text(value: object) -> bool:
    return isinstance(value, str) or value is None or value is pd.NA or value != value  # noqa: PLR0124


def _pairs(source: object, gene: str, text: str) -> list[tuple[Any, Any]]:
    if isinstance(source, pd.DataFrame):
        return _of_table(source, gene, text)
    if isinstance(source, Mapping):
        return list(source.items())
    if isinstance(source, str) and source in _NAMED:
        return _of_json(fetch(_NAMED[source]))
    path = Path(str(source)).expanduser()
    if not path.is_file():
        near = near_names(str(source), _NAMED)
        msg = f"There is no file {path}, and there are no texts of that name.{near} Known: {listing(_NAMED)}."
        raise UnknownNameError(msg)
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if suffix == ".json":
        return _of_json(path)
    if suffix in _SEPARATORS:
        # Symbols such as "NA" are names, not gaps.
        return _of_table(pd.read_csv(path, sep=_SEPARATORS[suffix], dtype=str, keep_default_na=False), gene, text)
    msg = f"{path} is none of the files that texts are read from: .json, {', '.join(_SEPARATORS)}."
    raise UnknownNameError(msg)


def _of_table(table: pd.DataFrame, gene: str, text: str) -> list[tuple[Any, Any]]:
    if text not in table.columns:
        msg = f"The table has no column {text!r}; it has {listing(table.columns)}. Pass text= and gene=."
        raise DataError(msg)
    names = table[gene] if gene in table.columns else table.index
    return list(zip(names.tolist(), table[text].tolist(), strict=True))


def _of_json(path: Path) -> list[tuple[Any, Any]]:
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid JSON: {error}."
        raise DataError(msg) from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        msg = f"{path} does not hold one JSON object of gene to text."
        raise DataError(msg)
    return pairs
