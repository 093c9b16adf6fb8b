"""knowledge.read_go_terms: tables of Gene Ontology annotations that already name their terms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from .._errors import DataError, listing
from ..registry import fetch

if TYPE_CHECKING:
    from os import PathLike

ASPECTS: Final = {
    "F": "Molecular function",
    "P": "Biological process",
    "C": "Cellular component",
}
COLUMNS: Final = ("symbol", "gene_name", "term", "aspect")
_OF_THE_ORIGINAL: Final = {"gene": "symbol", "ontology_aspect": "aspect", "direct_class_label": "term"}
_NAMED: Final = {"go_c": "C", "go_f": "F", "go_p": "P", "go_all": "FPC"}


def read_go_terms(path: str | PathLike[str]) -> pd.DataFrame:
    """Read a table of GO annotations in which every row names a gene and a term.

    Parameters
    ----------
    path
        ``"go_c"``, ``"go_f"``, ``"go_p"`` or ``"go_all"``, the annotations behind scGenePT's embeddings, from the
        registry. Or a file, gzipped or not: those CSV files themselves (``gene``, ``gene_name``, ``ontology_aspect``,
        ``direct_class_label``), or a tab- or comma-separated table with at least the columns ``symbol``,
        ``gene_name``, ``term`` and ``aspect`` (``F``, ``P`` or ``C``). For GAF files, :func:`.read_gaf`.

    Returns
    -------
    DataFrame, one row per gene and term, with at least the columns ``symbol``, ``gene_name``, ``term``, ``aspect``.

    Raises
    ------
    DataError
        A column is missing.
    DownloadError
        A named table cannot be fetched.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scgenept as sgp
    >>> row = "POU3F2,POU class 3 homeobox 2,C,chromatin"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "gene_ontology_C.csv"
    ...     _ = path.write_text("gene,gene_name,ontology_aspect,direct_class_label" + chr(10) + row)
    ...     sgp.knowledge.read_go_terms(path)["term"].tolist()
    ['chromatin']
    """
    if (name := str(path)) in _NAMED:
        files = [fetch(f"gene_annotations/gene_ontology_{aspect}.csv") for aspect in _NAMED[name]]
        return pd.concat([_read(file) for file in files], ignore_index=True)
    return _read(Path(path))


def _read(path: Path) -> pd.DataFrame:
    separator = "," if ".csv" in path.suffixes else "\t"
    # Symbols such as "NA" are names, not gaps.
    table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    if set(_OF_THE_ORIGINAL) <= set(table.columns):
        table = table.rename(columns=_OF_THE_ORIGINAL)
    if missing := [column for column in COLUMNS if column not in table.columns]:
        msg = f"The GO table lacks the columns {listing(missing)}; it has {listing(table.columns)}. Rename its columns."
        raise DataError(msg)
    return table
