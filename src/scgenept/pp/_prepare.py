"""pp.prepare: from counts to what a model reads, without losing the perturbed genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _keys
from .._arguments import require_whole
from .._errors import DataError, KeyTakenError, listing
from .._logging import logger
from .._version import VERSION
from ..data.backed import indexable
from ..data.checks import (
    check_shape,
    check_unique_genes,
    check_writable,
    describe_scale,
    require_anndata,
    warn_of_other_total,
)
from ..data.expression import as_float32, cell_totals, expression, highly_variable, log_normalise
from ..data.labels import LABEL_COLUMNS
from ..data.records import check_records_writable, read_record, write_record
from ..data.setup import read_setup
from ..data.totals import read_totals, warn_of_left_out_genes
from ..data.write import predictions
from ..genes.matching import match_genes
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData
    from numpy.typing import NDArray


def prepare(
    adata: AnnData,
    *,
    n_top_genes: int | None = 5_000,
    targets: Literal["auto"] | Iterable[str] | None = "auto",
    layer: str | None = None,
    total: str | None = None,
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    """Turn counts into log1p of counts per 1e4, and keep the most variable genes and every measured target.

    What the values are is found out first, logged and recorded. Counts are normalised; values that are already log1p
    are taken as they are; anything else, such as scaled values, is refused. Highly variable genes are those of flavour
    ``seurat``, as for GEARS and scGPT. The genes that remain keep their order.

    Parameters
    ----------
    adata
        Cells x genes: numpy or sparse, any number type. One that is backed by a file needs ``copy=True``, which loads
        it.
    n_top_genes
        Number of highly variable genes. ``None``, or more than there are, keeps all.
    targets
        Genes to keep besides. ``"auto"`` takes the targets of all perturbations that are set up. Names or labels can be
        given instead; ``None`` keeps none. Old symbols and Ensembl ids are understood.
    layer
        Where the values are; ``X`` by default.
    total
        Column of ``obs`` with the counts of each cell over all genes, where ``adata`` holds only some of them.
    overwrite
        Replace a ``layers["counts"]`` that holds other values than the counts found.
    copy
        Return the result and leave ``adata`` alone.

    Returns
    -------
    ``None``, or with ``copy=True`` the result. ``adata`` is subset to the genes kept, and written are:

    ``X``
        log1p of counts per 1e4, cells x genes, float32; csr where the input was sparse.
    ``layers["counts"]``
        The counts, likewise; only where counts were found.
    ``var["highly_variable"]``
        Which genes were chosen; bool; only where there was a choice.
    ``uns["scgenept"]["prepare"]``
        What was found and done: ``source``, ``scale``, ``finding``, ``n_genes_before``, ``n_genes``, ``targets`` and
        ``unmeasured_targets`` (joined by ``, ``), ``total``, ``version``; and ``n_top_genes`` and ``flavor``, only
        where there was a choice.

    Raises
    ------
    DataError
        If values are NaN, infinite, negative, scaled or missing; if there are no cells, fewer than 20 genes, or gene
        names appear twice; if ``obs`` seems to hold labels but nothing is set up; if ``adata`` is a view or backed.
        ``adata`` is then as it was.
        ``total`` is no column of numbers, or less than the counts that are there.
    KeyTakenError
        If ``layers["counts"]`` holds other values.

    Warns
    -----
    UserWarning
        If log1p values are of another total than 1e4, at which the models were trained: they add up to clearly more,
        or to the same lower figure in all cells. If genes seem to have been left out before: a column of ``obs`` such
        as ``n_counts`` holds far more counts than are there, an earlier call left genes out, or the median cell has
        fewer than 200.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    >>> sgp.pp.prepare(adata, layer="counts", n_top_genes=20)
    >>> adata.uns["scgenept"]["prepare"]["scale"], bool(adata.var["highly_variable"].sum() == 20)
    ('counts', True)
    >>> {"KLF1", "MAP2K6"} <= set(adata.var_names)
    True
    """
    require_anndata(adata)
    if not copy:
        check_writable(adata)
    check_shape(adata.n_obs, adata.n_vars)
    check_unique_genes(adata.var_names)
    check_records_writable(adata)
    if n_top_genes is not None:
        require_whole("n_top_genes", n_top_genes, otherwise="None for all genes")
    wanted = _target_names(adata, targets)
    values = expression(adata, layer)
    source = "X" if layer is None else f"layers[{layer!r}]"
    scale, finding = describe_scale(values)
    if scale == "unknown":
        msg = f"{source} is neither counts nor log1p of counts: it holds {finding}. {_elsewhere(adata)}"
        raise DataError(msg)
    logger.info("%s holds %s.", source, finding)

    loaded = as_float32(values)
    if scale == "counts":
        _check_counts_free(adata, loaded, layer, overwrite=overwrite)
        totals = None if total is None else read_totals(adata.obs, total, cell_totals(loaded))
        if totals is None:
            warn_of_left_out_genes(adata, cell_totals(loaded))
        log_expression = log_normalise(loaded, totals=totals)
    elif total is not None:
        msg = f"total={total!r} goes with counts, and {source} holds {finding}. Leave it out."
        raise DataError(msg)
    else:
        log_expression = loaded
        warn_of_other_total(values, source)
    chosen, choice = None, {}
    if n_top_genes is not None and n_top_genes < adata.n_vars:
        chosen = highly_variable(log_expression, n_top_genes)
        choice = {"n_top_genes": int(n_top_genes), "flavor": "seurat"}
    is_target, unmeasured = _measured(wanted, adata)
    keep = is_target | chosen if chosen is not None else np.ones(adata.n_vars, dtype=bool)

    result = indexable(adata)[:, keep].to_memory(copy=True)
    result.X = log_expression[:, keep]
    if scale == "counts":
        result.layers[_keys.COUNTS] = loaded[:, keep]
    if chosen is not None:
        result.var[_keys.HIGHLY_VARIABLE] = chosen[keep]
    record = {
        "source": source,
        "scale": scale,
        "finding": finding,
        **choice,
        "n_genes_before": _n_genes_once(adata),
        "n_genes": result.n_vars,
        "targets": ", ".join(adata.var_names[is_target]),
        "unmeasured_targets": ", ".join(unmeasured),
        "total": total or "",
        "version": VERSION,
    }
    write_record(result, _keys.PREPARE, record)
    logger.info("Kept %d of %d genes, %d of them targets.", result.n_vars, adata.n_vars, int(is_target.sum()))
    if unmeasured:
        logger.info("%d of %d targets are not measured: %s.", len(unmeasured), len(wanted), listing(unmeasured))
    if copy:
        return result
    adata._init_as_actual(result)
    return None


def _elsewhere(adata: AnnData) -> str:
    """Say where else there are counts, or else their log1p, and how to take them."""
    ours = predictions(adata)
    places = {f"Pass layer={name!r}": layer for name, layer in adata.layers.items() if name not in {None, *ours}}
    if adata.raw is not None and not adata.isbacked:
        places["Start from adata.raw.to_adata()"] = adata.raw.X
    findings = {remedy: describe_scale(values) for remedy, values in places.items()}
    for wanted in ("counts", "log1p"):
        for remedy, (scale, finding) in findings.items():
            if scale == wanted:
                return f"{remedy}, which holds {finding}."
    return "Name the counts with layer=; no layer here holds any."


def _target_names(adata: AnnData, targets: Literal["auto"] | Iterable[str] | None) -> list[str]:
    """Return the names of all target genes, sorted."""
    if targets is None:
        return []
    if targets == "auto":
        setup = read_setup(adata, missing_ok=True)
        if setup is None:
            if labels := [name for name in adata.obs.columns if str(name).casefold() in LABEL_COLUMNS]:
                msg = (
                    f"obs column {listing(map(repr, labels))} may name perturbations, but nothing is set up, so their "
                    f"targets would be lost. Run scgenept.pp.setup_perturbations(adata, key={labels[0]!r}) first, or "
                    "pass targets=None, or the genes to keep."
                )
                raise DataError(msg)
            return []
        targets = adata.obs[setup.perturbation_key].dropna().unique()
    if isinstance(targets, str):
        msg = f"targets={targets!r} should be 'auto', None or a collection of gene names."
        raise DataError(msg)
    return sorted({gene for label in targets for gene in Perturbation.parse(label)})


def _measured(targets: list[str], adata: AnnData) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which genes are targets, and the targets that are no gene here."""
    matches = match_genes(targets, adata.var_names)
    found = [name for name in matches.matched if name is not None]
    unmeasured = [name for name, match in zip(matches.names, matches.matched, strict=True) if match is None]
    return np.asarray(adata.var_names.isin(found)), unmeasured


def _n_genes_once(adata: AnnData) -> int:
    """Return how many genes there were before the first call that left some out."""
    before = read_record(adata, _keys.PREPARE) or {}
    same = before.get("n_genes") == adata.n_vars
    return int(before["n_genes_before"]) if same else adata.n_vars


def _check_counts_free(adata: AnnData, counts: Any, layer: str | None, *, overwrite: bool) -> None:
    """Refuse to replace counts of the user by other ones."""
    if overwrite or layer == _keys.COUNTS or _keys.COUNTS not in adata.layers:
        return
    there = as_float32(adata.layers[_keys.COUNTS])
    difference = there != counts
    if difference.nnz if hasattr(difference, "nnz") else difference.any():
        msg = (
            f"layers[{_keys.COUNTS!r}] exists and holds other values than the counts found. Prepare from it with "
            f"layer={_keys.COUNTS!r}, or replace it with overwrite=True."
        )
        raise KeyTakenError(msg)
