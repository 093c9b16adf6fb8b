"""Groups of genes from Gene Ontology annotations: complexes to test with, a category to colour by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .._errors import DataError, UnknownNameError, listing, near_names
from ..registry import fetch
from ._obo import read_ontology

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike


def go_complexes(terms: pd.DataFrame, *, min_genes: int = 2, max_genes: int = 30) -> dict[str, tuple[str, ...]]:
    """Return the protein complexes among GO annotations: cellular components whose name ends in "complex".

    Parameters
    ----------
    terms
        Table of :func:`read_go_terms` or :func:`read_gaf`, without ancestors: those are unions of complexes.
    min_genes, max_genes
        Sizes kept. Large ones are no complexes but kinds of them ("protein-containing complex").

    Returns
    -------
    Name of the complex -> its genes, each once.

    Examples
    --------
    >>> import pandas as pd
    >>> import scgenept as sgp
    >>> terms = pd.DataFrame({"symbol": ["HBA1", "HBB"], "term": ["hemoglobin complex"] * 2, "aspect": ["C", "C"]})
    >>> sgp.knowledge.go_complexes(terms)
    {'hemoglobin complex': ('HBA1', 'HBB')}
    """
    rows = terms[(terms["aspect"] == "C") & terms["term"].str.endswith("complex")].drop_duplicates(["term", "symbol"])
    groups = {str(term): tuple(genes) for term, genes in rows.groupby("term", sort=True)["symbol"]}
    return {term: genes for term, genes in groups.items() if min_genes <= len(genes) <= max_genes}


def go_slim(
    terms: pd.DataFrame, slim: str | Collection[str] = "goslim_generic", *, obo: str | PathLike[str] | None = None
) -> pd.Series:
    """Return one broad category per gene, to colour a map by.

    A gene that has several terms of the slim gets the one that fewest genes have, which says most about it.

    Parameters
    ----------
    terms
        Table of :func:`read_gaf` with ``ancestors=("is_a", "part_of")``; or direct annotations, where only genes that
        are annotated to a term of the slim itself have a category.
    slim
        Name of a subset in the ontology (``goslim_generic``, ``goslim_agr``, ...), or ids or names of terms.
    obo
        The ontology that has the subset; that of the registry otherwise. Not read where terms are given.

    Returns
    -------
    Series of names of terms, indexed by gene; genes without a term of the slim are not in it.

    Raises
    ------
    UnknownNameError
        The ontology has no such subset.
    DataError
        No gene has a term of the slim.
    MissingExtraError
        A subset is asked for and obonet is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import scgenept as sgp
    >>> pairs = [
    ...     ("RPL3", "ribosome"),
    ...     ("RPL3", "cytosol"),
    ...     ("RPL5", "ribosome"),
    ...     ("JUN", "cytosol"),
    ...     ("FOS", "cytosol"),
    ... ]
    >>> terms = pd.DataFrame(pairs, columns=["symbol", "term"])
    >>> sgp.knowledge.go_slim(terms, ["ribosome", "cytosol"]).to_dict()
    {'RPL3': 'ribosome', 'RPL5': 'ribosome', 'JUN': 'cytosol', 'FOS': 'cytosol'}
    """
    wanted = _subset(slim, obo) if isinstance(slim, str) else frozenset(slim)
    ids = terms["go_id"].isin(wanted) if "go_id" in terms.columns else False
    rows = terms[ids | terms["term"].isin(wanted)].drop_duplicates(["symbol", "term"])
    if rows.empty:
        msg = (
            f"No gene is annotated to one of the {len(wanted)} terms: {listing(sorted(wanted))}. Such terms are broad: "
            "read the annotations with read_gaf(ancestors=('is_a', 'part_of'))."
        )
        raise DataError(msg)
    n_genes = rows["term"].map(rows["term"].value_counts())
    rarest = rows.assign(n_genes=n_genes).sort_values(["n_genes", "term"], kind="stable").drop_duplicates("symbol")
    category = pd.Series(rarest["term"].to_numpy(), index=pd.Index(rarest["symbol"], name="gene"), name="category")
    return category.loc[list(dict.fromkeys(rows["symbol"]))]


def _subset(name: str, obo: str | PathLike[str] | None) -> frozenset[str]:
    path = Path(obo) if obo is not None else fetch("go/2024-03-28/go-basic.obo")
    subsets = read_ontology(path).subsets
    if name not in subsets:
        known = listing(sorted(subsets), first=20)
        msg = f"{path.name} has no subset {name!r}.{near_names(name, subsets)} It has: {known or 'none'}."
        raise UnknownNameError(msg)
    return subsets[name]
