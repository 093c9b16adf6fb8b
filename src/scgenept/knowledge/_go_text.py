"""Texts of genes, written from their Gene Ontology annotations."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

from .._errors import DataError, UnknownNameError, listing
from ._go_terms import ASPECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

_CONCAT: Final = "{symbol}, {name}. {terms}"
_PER_TERM: Final = "{term}"


def go_texts(
    terms: pd.DataFrame,
    genes: Iterable[str] | None = None,
    *,
    aspects: Sequence[str] = ("F", "P", "C"),
    template: str = _CONCAT,
) -> dict[str, str]:
    """Write one text per gene: symbol, full name and its GO terms, one sentence per aspect (``concat``).

    Terms keep the order of the table and are named once. Embedders with a short window see only the start of a long
    text, so put the aspect that matters most first.

    Parameters
    ----------
    terms
        Table of :func:`read_go_terms` or :func:`read_gaf`.
    genes
        Gene symbols; all of the table otherwise. Those without any annotation are left out of the result: a made-up
        text would look like knowledge.
    aspects
        Which aspects to write, in this order: ``"F"`` molecular function, ``"P"`` biological process, ``"C"`` cellular
        component.
    template
        With the fields ``{symbol}``, ``{name}`` and ``{terms}``. ``"{terms}"`` alone leaves out what a gene is called,
        which tells members of a family apart from others even where nothing is known of what they do. Where a gene has
        no full name, the field and the comma before it are left out.

    Returns
    -------
    Mapping from gene symbol to text, in the order of ``genes``.

    Raises
    ------
    UnknownNameError
        If an aspect is none of the three.
    DataError
        If the template has other fields.

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
    _check_template(template, {"symbol", "name", "terms"})
    texts = {}
    for gene, rows in _by_gene(terms, genes, aspects):
        sentences = []
        for aspect in aspects:
            names = list(
                dict.fromkeys(term for term, of in zip(rows["term"], rows["aspect"], strict=True) if of == aspect)
            )
            if names:
                sentences.append(f"{ASPECTS[aspect]}: {'; '.join(names)}.")
        name = _full_name(rows)
        texts[gene] = _named(template, name).format(symbol=gene, name=name, terms=" ".join(sentences)).strip()
    return texts


def go_term_texts(
    terms: pd.DataFrame,
    genes: Iterable[str] | None = None,
    *,
    aspects: Sequence[str] = ("F", "P", "C"),
    template: str = _PER_TERM,
) -> dict[str, tuple[str, ...]]:
    """Write one text per gene and GO term, whose vectors :func:`scgenept.knowledge.embed` averages (``avg``).

    Nothing is cut at the window of an embedder, however many terms a gene has. With the default template, genes share
    the texts of the terms they share, so there are about 20,000 of them to embed, whatever the number of genes.

    Parameters
    ----------
    terms, genes, aspects
        As in :func:`go_texts`.
    template
        With the fields ``{symbol}``, ``{name}`` and ``{term}``.

    Returns
    -------
    Mapping from gene symbol to its texts, each once, in the order of ``genes``.

    Raises
    ------
    UnknownNameError
        If an aspect is none of the three.
    DataError
        If the template has other fields.

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
    >>> go_term_texts(terms)
    {'HBZ': ('oxygen transport', 'heme binding')}
    """
    _check_template(template, {"symbol", "name", "term"})
    texts = {}
    for gene, rows in _by_gene(terms, genes, aspects):
        name = _full_name(rows)
        filled = _named(template, name)
        texts[gene] = tuple(filled.format(symbol=gene, name=name, term=term) for term in dict.fromkeys(rows["term"]))
    return texts


def _by_gene(
    terms: pd.DataFrame, genes: Iterable[str] | None, aspects: Sequence[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each gene that has a term of the aspects, with its rows."""
    if unknown := [aspect for aspect in aspects if aspect not in ASPECTS]:
        msg = f"Unknown GO aspects {listing(unknown)}; use F, P and C."
        raise UnknownNameError(msg)
    wanted = list(dict.fromkeys(terms["symbol"] if genes is None else genes))
    rows = terms[terms["symbol"].isin(wanted) & terms["aspect"].isin(list(aspects)) & terms["term"].notna()]
    by_gene = dict(iter(rows.groupby("symbol", sort=False)))
    return ((gene, by_gene[gene]) for gene in wanted if gene in by_gene)


def _full_name(rows: pd.DataFrame) -> str:
    """Return the full name of a gene, or nothing where no row has one."""
    return next((str(name).strip() for name in rows["gene_name"].dropna()), "")


def _check_template(template: str, fields: set[str]) -> None:
    try:
        found = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        msg = f"The template {template!r} is not in order: {error}."
        raise DataError(msg) from error
    if not found or found - fields:
        has = listing(sorted(found)) or "none"
        msg = f"The template {template!r} has the fields {has}; known: {listing(sorted(fields))}."
        raise DataError(msg)


def _named(template: str, name: str) -> str:
    """Leave out the field of the full name, and the comma before it, where there is none."""
    return template if name else re.sub(r",?\s*\{name\}", "", template)
