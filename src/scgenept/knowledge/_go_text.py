"""One text per gene, written from its Gene Ontology annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from .._errors import DataError, UnknownNameError, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

_ASPECTS: Final = {
    "F": "Molecular function",
    "P": "Biological process",
    "C": "Cellular component",
}
_COLUMNS: Final = ("symbol", "gene_name", "term", "aspect")


def read_go_terms(path: str | PathLike[str]) -> pd.DataFrame:
    """Read a tab-separated table of GO annotations, gzipped or not.

    Parameters
    ----------
    path
        File with at least the columns ``symbol``, ``gene_name``, ``term`` and ``aspect`` (``F``, ``P`` or ``C``), such
        as the registry's ``go_human_terms``.

    Returns
    -------
    DataFrame, one row per gene and term.

    Raises
    ------
    DataError
        If a column is missing.
    """
    # Symbols such as "NA" are names, not gaps.
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if missing := [column for column in _COLUMNS if column not in table.columns]:
        msg = f"The GO table lacks the columns {listing(missing)}; it has {listing(table.columns)}."
        raise DataError(msg)
    return table


def go_texts(
    terms: pd.DataFrame,
    genes: Iterable[str],
    *,
    aspects: Sequence[str] = ("F", "P", "C"),
) -> dict[str, str]:
    """Write one text per gene: symbol, full name and its GO terms, one sentence per aspect.

    Terms keep the order of the table and are named once. Embedders with a short window see only the start of a long
    text, so put the aspect that matters most first.

    Parameters
    ----------
    terms
        Table of :func:`read_go_terms`.
    genes
        Gene symbols. Those without any annotation are left out of the result: a made-up text would look like knowledge.
    aspects
        Which aspects to write, in this order: ``"F"`` molecular function, ``"P"`` biological process, ``"C"`` cellular
        component.

    Returns
    -------
    Mapping from gene symbol to text, in the order of ``genes``.

    Raises
    ------
    UnknownNameError
        If an aspect is none of the three.

    Examples
    --------
    >>> import pandas as pd
    >>> terms = pd.DataFrame(
    ...     {
    ...         "symbol": ["HBZ", "HBZ"],
    ...         "gene_name": ["hemoglobin subunit zeta"] * 2,
    ...         "term": ["oxygen transport", "heme binding"],
    ...         "aspect": ["P", "F"],
    ...     }
    ... )
    >>> go_texts(terms, ["HBZ", "LINC00271"])
    {'HBZ': 'HBZ, hemoglobin subunit zeta. Molecular function: heme binding. Biological process: oxygen transport.'}
    """
    if unknown := [aspect for aspect in aspects if aspect not in _ASPECTS]:
        msg = f"Unknown GO aspects {listing(unknown)}; use F, P and C."
        raise UnknownNameError(msg)
    wanted = list(dict.fromkeys(genes))
    rows = terms[terms["symbol"].isin(wanted) & terms["aspect"].isin(list(aspects))]
    by_gene = dict(iter(rows.groupby("symbol", sort=False)))
    return {gene: _text(gene, by_gene[gene], aspects) for gene in wanted if gene in by_gene}


def _text(gene: str, rows: pd.DataFrame, aspects: Sequence[str]) -> str:
    """Write one gene's text."""
    sentences = [f"{gene}, {rows['gene_name'].iloc[0]}."]
    for aspect in aspects:
        names = rows.loc[rows["aspect"] == aspect, "term"].drop_duplicates()
        if len(names):
            sentences.append(f"{_ASPECTS[aspect]}: {'; '.join(names)}.")
    return " ".join(sentences)
