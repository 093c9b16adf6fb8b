"""get.de_genes: the genes that a perturbation changes most surely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from .. import _keys
from .._errors import DataError, UnknownNameError, listing, near_names
from ..data.checks import require_anndata
from ..data.de_record import TABLE, de_records
from ..evaluation.de_table import KINDS, Against
from ..perturbation import Perturbation

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from ..evaluation.de_table import Kind
    from ..perturbation import PerturbationLike

View: TypeAlias = Literal["ranked", "v1"]


def de_genes(
    adata: AnnData,
    perturbation: PerturbationLike | None = None,
    *,
    kind: Kind = "top",
    view: View = "ranked",
    against: Against = "control",
    context: str | None = None,
) -> pd.DataFrame:
    """Return the genes that :func:`scgenept.pp.rank_de_genes` kept.

    Parameters
    ----------
    adata
        Cells x genes, with ranked genes.
    perturbation
        One perturbation, such as ``"KLF1"`` or ``["A", "B"]``; all otherwise.
    kind
        ``"top"``; ``"non_dropout"``, without genes that control expresses and no perturbed cell shows; ``"non_zero"``,
        without genes that no perturbed cell shows.
    view
        ``"ranked"``, strongest first, or ``"v1"``: in the order of ``adata.var_names``, as the ``de_idx`` of GEARS and
        scGenePT 1.0 are, with that position in a column.
    against
        The comparison: ``"control"`` or ``"rest"``.
    context
        One value of the column within which genes were ranked; all otherwise.

    Returns
    -------
    One row per gene: ``perturbation``, ``context`` (empty where all cells were ranked together), ``gene``, ``rank``
    among all genes (from 1), ``score`` (Welch's t), ``p_value``, ``p_adjusted`` (Benjamini-Hochberg), ``change``
    (log1p units), ``log2_fold_change``, and ``top``, ``non_dropout``, ``non_zero``: which kinds it belongs to. With
    ``view="v1"`` also ``de_idx``, its column in ``adata``.

    Raises
    ------
    DataError
        If genes are not ranked; with ``view="v1"``, if ranked genes are no longer in ``adata``.
    UnknownNameError
        If the perturbation, kind, view, comparison or context does not exist.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition")
    >>> sgp.pp.rank_de_genes(adata, n_top=3)
    >>> sgp.get.de_genes(adata, "KLF1", view="v1")["gene"].tolist()
    ['HBG1', 'KLF1', 'SPI1']
    """
    require_anndata(adata)
    _known("kind", kind, KINDS)
    _known("view", view, get_args(View))
    _known("against", against, get_args(Against))
    records = de_records(adata)
    if against not in records:
        msg = (
            f"Genes are not ranked against {against}; comparisons: {listing(records) or 'none'}. "
            f"Run scgenept.pp.rank_de_genes(adata, against={against!r})."
        )
        raise DataError(msg)
    table: pd.DataFrame = records[against][TABLE]
    for column in (_keys.PERTURBATION, "context", "gene"):
        table = table.assign(**{column: table[column].astype(object)})
    if perturbation is not None:
        table = _only(table, _keys.PERTURBATION, str(Perturbation.parse(perturbation)))
    if context is not None:
        table = _only(table, "context", context)
    table = table[table[kind].astype(bool)].reset_index(drop=True)
    return table if view == "ranked" else _in_gene_order(table, adata)


def _known(what: str, value: str, known: tuple[Any, ...]) -> None:
    if value not in known:
        msg = f"{what}={value!r} does not exist: {', '.join(known)}.{near_names(str(value), known)}"
        raise UnknownNameError(msg)


def _only(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    known = list(dict.fromkeys(table[column]))
    if value not in known:
        msg = f"No genes are ranked for {column} {value!r}.{near_names(value, known)} Ranked: {listing(known)}."
        raise UnknownNameError(msg)
    return table[table[column] == value]


def _in_gene_order(table: pd.DataFrame, adata: AnnData) -> pd.DataFrame:
    position = adata.var_names.get_indexer(table["gene"])
    if len(gone := list(dict.fromkeys(table["gene"][position < 0]))):
        msg = f"{len(gone)} ranked genes are not in adata any more: {listing(gone)}. Rank again, or take view='ranked'."
        raise DataError(msg)
    groups = table.groupby(["context", _keys.PERTURBATION], sort=False).ngroup()
    placed = table.assign(de_idx=position, _group=groups).sort_values(["_group", "de_idx"], ignore_index=True)
    return placed.drop(columns="_group")
