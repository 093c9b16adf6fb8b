"""pp.rank_de_genes: which genes each perturbation changes most surely."""

from __future__ import annotations

import numbers
import warnings
from typing import TYPE_CHECKING, get_args

from .. import _keys
from .._errors import DataError, UnknownNameError, listing, near_names
from .._logging import logger
from .._version import VERSION
from ..data.checks import check_shape, check_unique_genes, check_writable
from ..data.de_record import write_de
from ..data.expression import expression
from ..data.records import check_records_writable
from ..data.select import require_log_values
from ..data.setup import read_setup
from ..evaluation.de_table import Against, de_table
from ..evaluation.pseudobulk import pseudobulk, pseudobulks_within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from ..evaluation.pseudobulk import Pseudobulk


def rank_de_genes(
    adata: AnnData,
    *,
    n_top: int = 20,
    against: Against = "control",
    by: str | None = None,
    layer: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Rank the genes of every perturbation by Welch's t and keep the strongest.

    Against control this is what GEARS and scGenePT call the DE genes: the t-test of
    :func:`scanpy.tl.rank_genes_groups`, ordered by ``|t|``. Two more lists leave out genes that say little about a
    prediction: those expressed in control and seen in no perturbed cell (``non_dropout``), and all that are seen in no
    perturbed cell (``non_zero``). Conditions that are one perturbation (``A+ctrl``, ``ctrl+A``) are ranked together.

    A perturbation with one cell has no t; its genes are ranked by the size of their change, and a warning counts such
    perturbations.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4, set up by :func:`setup_perturbations`. May be backed by a file.
    n_top
        Genes to keep of each kind; all that qualify where they are fewer.
    against
        ``"control"``, or ``"rest"``: the cells of all other perturbations, which asks what is specific to this one.
    by
        Column of ``obs`` within whose values cells are compared, such as the cell type or the batch; GEARS does so
        for the cell type. All cells together otherwise.
    layer
        Layer to read instead of ``X``.
    copy
        Return a copy, in memory, instead of writing into ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` the copy. Written is ``uns["scgenept"]["de"][against]``, read with
    :func:`scgenept.get.de_genes`: the ``table`` of the genes kept, ``n_top``, ``by``, ``layer``, ``n_single`` (the
    perturbations with one cell) and ``version``. The other comparison stays.

    Raises
    ------
    DataError
        If nothing is set up; if values are not log1p or hold NaN; if there are no perturbed cells; if somewhere
        (``by``) there are fewer than two control cells, or for ``"rest"`` fewer than two perturbations; if ``n_top`` is
        no positive number. ``adata`` is then as it was.
    UnknownNameError
        If ``against`` does not exist.

    Warns
    -----
    UserWarning
        If a perturbation has one cell.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition")
    >>> sgp.pp.rank_de_genes(adata, n_top=3)
    >>> sgp.get.de_genes(adata, "KLF1")["gene"].tolist()
    ['KLF1', 'HBG1', 'SPI1']
    """
    if not copy:
        check_writable(adata, backed_ok=True)
    check_shape(adata.n_obs, adata.n_vars, min_genes=1)
    check_records_writable(adata)
    check_unique_genes(adata.var_names)
    if against not in get_args(Against):
        msg = f"against={against!r} does not exist: control, rest.{near_names(str(against), get_args(Against))}"
        raise UnknownNameError(msg)
    given: object = n_top
    if not isinstance(given, numbers.Integral) or n_top < 1:
        msg = f"n_top={n_top!r} should be a whole number from 1."
        raise DataError(msg)
    setup = read_setup(adata)
    require_log_values(expression(adata, layer), "X" if layer is None else f"layers[{layer!r}]")
    key = setup.perturbation_key
    bulks = (
        {"": pseudobulk(adata, layer=layer, by=key)}
        if by is None
        else pseudobulks_within(adata, by, layer=layer, by=key)
    )
    _check_sides(bulks, against, by)
    single = _single(bulks, by)
    table = de_table(bulks, against=against, n_top=n_top)
    written = (adata.to_memory() if adata.isbacked else adata.copy()) if copy else adata
    record = {"n_top": int(n_top), "by": by or "", "layer": layer or "", "n_single": len(single), "version": VERSION}
    write_de(written, against, table, record)
    if single:
        msg = (
            f"{len(single)} perturbations have one cell, so no t-test: {listing(single)}. Their genes are ranked by "
            "the size of the change alone; drop them before anything is judged by these genes."
        )
        warnings.warn(msg, UserWarning, stacklevel=2)
    logger.info("Ranked %d genes against %s; kept %d rows.", adata.n_vars, against, len(table))
    return written if copy else None


def _check_sides(bulks: Mapping[str, Pseudobulk], against: Against, by: str | None) -> None:
    """Refuse where one side of the comparison is missing, for which contexts and how many cells there are."""
    perturbed = {name: [label for label in bulk.n.index if label != _keys.CONTROL] for name, bulk in bulks.items()}
    if not any(perturbed.values()):
        msg = "All cells are controls: there is no perturbation to rank genes for. Pass the perturbed cells, too."
        raise DataError(msg)
    if against == "control":
        n_cells = {name: int(bulk.n.get(_keys.CONTROL, 0)) for name, bulk in bulks.items() if perturbed[name]}
        needed = "two control cells"
    else:
        n_cells = {name: len(labels) for name, labels in perturbed.items() if labels}
        needed = "two perturbations, each compared with the others,"
    if short := {name: n for name, n in n_cells.items() if n < 2}:
        where = "" if by is None else f" in each value of obs[{by!r}]"
        found = listing(str(n) if by is None else f"{name}: {n}" for name, n in short.items())
        msg = f"At least {needed} are needed{where}; found {found}. Leave such groups out, or compare over all cells."
        raise DataError(msg)


def _single(bulks: Mapping[str, Pseudobulk], by: str | None) -> list[str]:
    return [
        str(label) if by is None else f"{label} in {name}"
        for name, bulk in bulks.items()
        for label, n in bulk.n.items()
        if n == 1 and label != _keys.CONTROL
    ]
