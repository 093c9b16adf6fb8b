"""Differential expression of one perturbation against control, from figures alone: Welch's t as scanpy computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from .. import _keys
from .._errors import DataError, listing, near_names
from .pseudobulk import Pseudobulk, pseudobulk, rest

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from anndata import AnnData

IntArray: TypeAlias = npt.NDArray[np.intp]


def rank_genes(
    mean: npt.ArrayLike,
    std: npt.ArrayLike,
    n: int,
    control_mean: npt.ArrayLike,
    control_std: npt.ArrayLike,
    control_n: int,
    *,
    genes: Iterable[Hashable] | None = None,
) -> pd.DataFrame:
    """Rank genes by how surely a perturbation moves them, strongest first.

    Welch's t from mean, standard deviation and number of cells, which is what ``scanpy.tl.rank_genes_groups`` with
    ``method="t-test", reference=<control>, rankby_abs=True`` computes from the cells and what GEARS calls the DE genes.
    The order is by ``|score|``; equal scores by ``|change|``, then in the order given, so that it is reproducible.

    Parameters
    ----------
    mean, std
        Of the perturbed cells, one value per gene, log1p of counts per 1e4; ``std`` with ``ddof=1``.
    n
        Number of perturbed cells.
    control_mean, control_std, control_n
        The same of the control cells.
    genes
        Names; the index of ``mean`` otherwise, or positions.

    Returns
    -------
    One row per gene: ``gene``, ``score`` (Welch's t), ``p_value``, ``p_adjusted`` (Benjamini-Hochberg), ``change``
    (log1p units) and ``log2_fold_change`` (scanpy's: of ``expm1`` of the means). A gene that never varies and does not
    differ has score 0 and p-value 1. With fewer than two cells on a side scores and p-values are NaN and the order is
    by ``|change|``.

    Examples
    --------
    >>> rank_genes([1.0, 3.0], [1.0, 1.0], 50, [1.0, 1.0], [1.0, 1.0], 50, genes=["ACTB", "KLF1"])["gene"].tolist()
    ['KLF1', 'ACTB']
    """
    if genes is None:
        genes = mean.index if isinstance(mean, pd.Series) else range(np.size(mean))
    names = list(genes)
    figures = [np.asarray(values, dtype=np.float64) for values in (mean, std, control_mean, control_std)]
    if any(values.shape != (len(names),) for values in figures):
        msg = f"Figures must be one value per gene ({len(names)}); got {[values.shape for values in figures]}."
        raise DataError(msg)
    mean, std, control_mean, control_std = figures
    score, p_value = _welch(mean, std, n, control_mean, control_std, control_n)
    with np.errstate(divide="ignore", invalid="ignore"):
        # scanpy's pseudo-count keeps a gene that is absent on one side finite
        fold = np.log2((np.expm1(mean) + 1e-9) / (np.expm1(control_mean) + 1e-9))
    table = pd.DataFrame(
        {
            "gene": names,
            "score": score,
            "p_value": p_value,
            "p_adjusted": p_value if np.isnan(p_value).any() else stats.false_discovery_control(p_value),
            "change": mean - control_mean,
            "log2_fold_change": fold,
        }
    )
    return table.iloc[_order(score, mean - control_mean)].reset_index(drop=True)


def top_gene_indices(
    bulk: Pseudobulk,
    *,
    perturbations: Iterable[str] | None = None,
    control: str = _keys.CONTROL,
    n_top: int = 20,
) -> IntArray:
    """Find the columns of the ``n_top`` genes that each perturbation moves most surely, strongest first.

    Parameters
    ----------
    bulk
        Pseudobulks with a row for the control cells.
    perturbations
        Rows wanted; all but the control otherwise, in the order of ``bulk``.
    control
        Label of the control row.
    n_top
        Number of genes; all of them where there are fewer.

    Returns
    -------
    Perturbations x min(n_top, genes): what scores take as ``genes=``.

    Raises
    ------
    DataError
        ``bulk`` has no row of one of the names.
    """
    wanted = [name for name in bulk.mean.index if name != control] if perturbations is None else list(perturbations)
    if missing := [name for name in (control, *wanted) if name not in bulk.mean.index]:
        msg = f"{len(missing)} rows are missing: {listing(missing)}.{near_names(missing[0], bulk.mean.index)}"
        raise DataError(msg)
    control_mean, control_std = (table.loc[control].to_numpy() for table in (bulk.mean, bulk.std))
    top = np.empty((len(wanted), min(n_top, bulk.mean.shape[1])), dtype=np.intp)
    for row, name in enumerate(wanted):
        mean, std = bulk.mean.loc[name].to_numpy(), bulk.std.loc[name].to_numpy()
        score, _ = _welch(mean, std, int(bulk.n[name]), control_mean, control_std, int(bulk.n[control]))
        top[row] = _order(score, mean - control_mean)[: top.shape[1]]
    return top


def rest_statistic(
    cells: AnnData | Pseudobulk, *, layer: str | None = None, control: str = _keys.CONTROL
) -> pd.DataFrame:
    """Compute how each gene of each perturbation differs from all other perturbed cells: the weights of ``wmse``.

    Welch's t of a perturbation against the cells of all the others, controls left out, so that what every perturbation
    does counts for nothing (Mejia et al., 2025).

    Parameters
    ----------
    cells
        Cells x genes, log1p of counts per 1e4, set up; or their pseudobulks, where they are at hand.
    layer
        Layer to read instead of ``X``, where ``cells`` is an AnnData.
    control
        Label of control cells.

    Returns
    -------
    Perturbations x genes, no unit, rows in the order of the pseudobulks; NaN for a perturbation of one cell.

    Raises
    ------
    DataError
        There are fewer than two perturbations.
    """
    bulk = cells if isinstance(cells, Pseudobulk) else pseudobulk(cells, layer=layer)
    others = rest(bulk, control=control)
    if len(others.n) < 2:
        msg = f"A perturbation is compared with the others; there are {len(others.n)}: {listing(others.n.index)}."
        raise DataError(msg)
    mean, std, n = (table.loc[others.n.index].to_numpy() for table in (bulk.mean, bulk.std, bulk.n))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(std**2 / n[:, None] + others.std.to_numpy() ** 2 / others.n.to_numpy()[:, None])
        score = (mean - others.mean.to_numpy()) / spread
    score[(spread == 0) & (mean == others.mean.to_numpy())] = 0.0
    return pd.DataFrame(score, index=others.mean.index, columns=bulk.mean.columns)


def _welch(mean: Any, std: Any, n: int, control_mean: Any, control_std: Any, control_n: int) -> tuple[Any, Any]:
    """Welch's t and its two-sided p-value per gene; 0 and 1 where nothing varies and nothing differs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score, p_value = stats.ttest_ind_from_stats(mean, std, n, control_mean, control_std, control_n, equal_var=False)
    if n < 2 or control_n < 2:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    undefined = np.isnan(score) & np.isfinite(mean) & np.isfinite(control_mean)
    return np.where(undefined, 0.0, score), np.where(undefined, 1.0, p_value)


def _order(score: Any, change: Any) -> IntArray:
    """Order by ``|score|`` falling, then ``|change|`` falling, then position; what is not a number comes last."""
    strength, size = (np.nan_to_num(np.abs(values), nan=-1.0, posinf=np.inf) for values in (score, change))
    return np.lexsort((-size, -strength))
