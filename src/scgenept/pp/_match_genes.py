"""pp.match_genes: who of my genes does the model know, and how."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, cast

import pandas as pd

from .. import _keys
from .._errors import DataError, KeyTakenError, listing, near_names
from .._logging import logger
from ..data.checks import check_writable, require_anndata
from ..data.records import check_records_writable, read_record, write_record
from ..genes.matching import match_genes as match_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

    from ..genes.matching import GeneMatches, Rule
    from ..genes.vocabulary import Vocabulary


class _Card(Protocol):
    @property
    def token_mapping(self) -> Rule: ...


class HasVocabulary(Protocol):
    """A model, as far as gene names go."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that the model knows."""

    @property
    def card(self) -> _Card:
        """Says by which rule names are mapped."""


def match_genes(
    adata: AnnData,
    known: HasVocabulary | Iterable[str],
    *,
    key: str | None = None,
    rule: Rule | None = None,
    write: bool = False,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Report which genes a model knows, and how each was matched.

    A gene matches by its very name, else through the packaged table of human symbols, aliases and Ensembl ids (with or
    without version). A name that two genes claim matches neither.

    Parameters
    ----------
    adata
        Cells x genes.
    known
        A model, a vocabulary, or any collection of gene names, such as the ``var_names`` of another data set.
    key
        Column of ``var`` with the names or Ensembl ids; ``var_names`` by default.
    rule
        ``"alias"`` as above, or ``"v1"``, which takes the very name or nothing, as the original does. By default the
        model's own rule, else ``"alias"``.
    write
        Also write the result into ``adata``.
    overwrite
        Replace columns of ``var`` that hold something else.

    Returns
    -------
    One row per gene, indexed by ``var_names``: ``gene``, ``matched`` (missing where nothing is) and ``how``:
    ``"symbol"``, ``"alias"``, ``"ensembl"``, ``"ambiguous"`` or ``"unmatched"``. With ``write=True``:

    ``var["matched_gene"]``, ``var["matched_how"]``
        The last two of these columns, categorical.
    ``uns["scgenept"]["gene_matches"]``
        The rule, and how many genes matched how.

    Raises
    ------
    DataError
        If a name appears twice or is missing, or there is no column ``key``.
    KeyTakenError
        If a column to write holds something else.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()[:, ["KLF1", "JUN", "GAPDH"]].copy()
    >>> adata.var_names = ["KLF1", "ENSG00000177606.10", "GAPD"]
    >>> sgp.pp.match_genes(adata, ["KLF1", "JUN", "GAPDH"])[["matched", "how"]]
                       matched      how
    KLF1                  KLF1   symbol
    ENSG00000177606.10     JUN  ensembl
    GAPD                 GAPDH    alias
    """
    require_anndata(adata)
    if write:
        check_writable(adata, backed_ok=True)
        check_records_writable(adata)
    names, default_rule = _known(known)
    rule = rule or default_rule
    matches = match_names(_names(adata, key), names, rule=rule)
    logger.info("%s", matches.summary())
    table = matches.to_frame().set_index(adata.var_names)
    if write:
        _write(adata, table, matches, rule, overwrite=overwrite)
    return table


def _known(known: HasVocabulary | Iterable[str]) -> tuple[Iterable[str], Rule]:
    """Return the known names and the rule that goes with them."""
    if not hasattr(known, "vocabulary"):
        return known, "alias"
    model = cast("HasVocabulary", known)
    return model.vocabulary, model.card.token_mapping


def _names(adata: AnnData, key: str | None) -> list[str]:
    if key is None:
        return [str(name) for name in adata.var_names]
    if key not in adata.var:
        msg = (
            f"var has no column {key!r}.{near_names(key, map(str, adata.var.columns))} "
            f"Columns: {listing(adata.var.columns) or 'none'}."
        )
        raise DataError(msg)
    column = adata.var[key]
    if missing := int(column.isna().sum()):
        msg = f"{missing:,} of {adata.n_vars:,} genes have no name in var[{key!r}]: name them or drop them."
        raise DataError(msg)
    return [str(name) for name in column]


def _write(adata: AnnData, table: pd.DataFrame, matches: GeneMatches, rule: Rule, *, overwrite: bool) -> None:
    columns = {_keys.MATCHED_GENE: table["matched"], _keys.MATCHED_HOW: table["how"]}
    taken = [name for name in columns if name in adata.var]
    if taken and read_record(adata, _keys.MATCHES) is None and not overwrite:
        msg = f"var column {listing(map(repr, taken))} was not written by scgenept. Replace it with overwrite=True."
        raise KeyTakenError(msg)
    for name, values in columns.items():
        adata.var[name] = _categorical(values)
    counts = Counter(matches.how)
    figures = {how: counts[how] for how in ("symbol", "alias", "ensembl", "ambiguous", "unmatched")}
    write_record(adata, _keys.MATCHES, {"rule": rule, **figures})


def _categorical(values: pd.Series[str]) -> pd.Categorical:
    """Return categories of dtype object: older anndata cannot write the string type of pandas 3."""
    return pd.Categorical(values, categories=pd.Index(sorted(values.dropna().unique()), dtype=object))
