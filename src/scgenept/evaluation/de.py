"""Differential expression of one perturbation against control, from figures alone: Welch's t as scanpy computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from .. import _keys
from .._errors import DataError, listing, near_names
from ..perturbation import Perturbation
from .pseudobulk import rest

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from .pseudobulk import Pseudobulk

FloatArray: TypeAlias = npt.NDArray[np.float64]
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
    differ has score 0 and p-value 1; one whose figures are NaN has neither, comes last and counts as no test. With
    fewer than two cells on a side scores and p-values are NaN and the order is by ``|change|``.

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
            "p_adjusted": adjusted(p_value[None])[0],
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
    wanted = _wanted(bulk, perturbations, control)
    mean, std, n = _figures(bulk, wanted)
    control_mean, control_std, control_n = _figures(bulk, [control])
    score, _ = _welch(mean, std, n, control_mean, control_std, control_n)
    top = np.empty((len(wanted), min(n_top, bulk.mean.shape[1])), dtype=np.intp)
    for row in range(len(wanted)):
        top[row] = _order(score[row], (mean - control_mean)[row])[: top.shape[1]]
    return top


def significant_genes(
    bulk: Pseudobulk,
    *,
    perturbations: Iterable[str] | None = None,
    control: str = _keys.CONTROL,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Say which genes each perturbation moves: Welch's t against control, Benjamini-Hochberg over the genes of each.

    Parameters
    ----------
    bulk
        Pseudobulks with a row for the control cells.
    perturbations
        Rows wanted; all but the control otherwise, in the order of ``bulk``.
    control
        Label of the control row.
    alpha
        False discovery rate.

    Returns
    -------
    Boolean, perturbations x genes: what the scores of differential expression take as ``significant``. No gene is
    significant where a side has fewer than two cells.

    Raises
    ------
    DataError
        ``bulk`` has no row of one of the names.
    """
    wanted = _wanted(bulk, perturbations, control)
    own, std, n = _figures(bulk, wanted)
    other, other_std, other_n = _figures(bulk, [control])
    _, p_value = _welch(own, std, n, other, other_std, other_n)
    return pd.DataFrame(adjusted(p_value) < alpha, index=_index(wanted), columns=bulk.mean.columns)


def against_rest(
    bulk: Pseudobulk, *, perturbations: Iterable[str] | None = None, control: str = _keys.CONTROL
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare each perturbation with the cells of all other perturbations, the control left out, by Welch's t.

    What is special to a perturbation, free of what all perturbations do to the cells: the weights of ``wmse`` (Mejia et
    al., 2025). Mean and spread of the rest follow from those of the groups; no cell is looked at again.

    Parameters
    ----------
    bulk
        Pseudobulks of all perturbations; a control row is not needed.
    perturbations
        Rows wanted; all but the control otherwise. The rest is always all others in ``bulk``.
    control
        Label of the control row.

    Returns
    -------
    Welch's t and p-values adjusted over genes after Benjamini and Hochberg, perturbations x genes both. NaN with fewer
    than two cells on a side; 0 and 1 for a gene that never varies and does not differ.

    Raises
    ------
    DataError
        ``bulk`` has no row of one of the names.
    """
    others = rest(bulk, control=control)
    wanted = list(others.mean.index) if perturbations is None else list(perturbations)
    _require_rows(bulk, wanted)
    score, p_value = _welch(*_figures(bulk, wanted), *_figures(others, wanted))
    index, genes = _index(wanted), bulk.mean.columns
    return (
        pd.DataFrame(score, index=index, columns=genes),
        pd.DataFrame(adjusted(p_value), index=index, columns=genes),
    )


def non_additive_genes(
    bulk: Pseudobulk, *, pairs: Iterable[str], control: str = _keys.CONTROL, alpha: float = 0.05
) -> pd.DataFrame:
    """Say which genes respond to a pair of perturbations other than additively.

    ``t = e / sqrt(sum s_i^2 / n_i)`` with ``e = y_ab - y_a - y_b + y_c`` and the sum over these four groups of cells,
    degrees of freedom after Welch and Satterthwaite, Benjamini-Hochberg over the genes of each pair.

    Parameters
    ----------
    bulk
        Pseudobulks of the pairs, their singles and the control, under canonical names.
    pairs
        Canonical names of the pairs.
    control
        Label of the control row.
    alpha
        False discovery rate.

    Returns
    -------
    Boolean, pairs x genes: what :func:`scgenept.metrics.non_additive_auprc` takes as ``significant``.

    Raises
    ------
    DataError
        A name is not a pair, or ``bulk`` has no row of it, of one of its singles or of the control.
    """
    wanted = list(pairs)
    genes = [Perturbation.parse(name).genes for name in wanted]
    if odd := [name for name, parts in zip(wanted, genes, strict=True) if len(parts) != 2]:
        msg = f"{len(odd)} perturbations are not pairs: {listing(odd)}. Ask for pairs such as KLF1+MAP2K6."
        raise DataError(msg)
    groups = [wanted, [a for a, _ in genes], [b for _, b in genes], [control] * len(wanted)]
    _require_rows(bulk, dict.fromkeys(name for group in groups for name in group))
    figures = [_figures(bulk, group) for group in groups]
    excess = sum(sign * mean for sign, (mean, _, _) in zip((1, -1, -1, 1), figures, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = [std**2 / n for _, std, n in figures]
        total = np.sum(errors, axis=0)
        freedom = total**2 / np.sum([e**2 / (n - 1) for e, (_, _, n) in zip(errors, figures, strict=True)], axis=0)
        p_value = 2.0 * stats.t.sf(np.abs(excess) / np.sqrt(total), freedom)
    return pd.DataFrame(adjusted(p_value) < alpha, index=_index(wanted), columns=bulk.mean.columns)


def adjusted(p_value: FloatArray) -> FloatArray:
    """Adjust p-values over the genes of each perturbation (Benjamini & Hochberg, 1995); NaN counts as no test."""
    corrected = np.full(p_value.shape, np.nan)
    known = ~np.isnan(p_value)
    whole = known.all(axis=1)
    if whole.any():
        corrected[whole] = stats.false_discovery_control(p_value[whole], axis=1)
    for row in np.flatnonzero(known.any(axis=1) & ~whole):
        corrected[row, known[row]] = stats.false_discovery_control(p_value[row, known[row]])
    return corrected


def _wanted(bulk: Pseudobulk, perturbations: Iterable[str] | None, control: str) -> list[str]:
    wanted = [name for name in bulk.mean.index if name != control] if perturbations is None else list(perturbations)
    _require_rows(bulk, [control, *wanted])
    return wanted


def _require_rows(bulk: Pseudobulk, names: Iterable[str]) -> None:
    if missing := [name for name in names if name not in bulk.mean.index]:
        msg = f"{len(missing)} rows are missing: {listing(missing)}.{near_names(missing[0], bulk.mean.index)}"
        raise DataError(msg)


def _index(names: list[str]) -> pd.Index[str]:
    return pd.Index(names, name=_keys.PERTURBATION, dtype=object)


def _figures(bulk: Pseudobulk, names: list[str]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean and spread, names x genes, and numbers of cells as a column."""
    mean, std, n = (np.asarray(figure.loc[names], dtype=np.float64) for figure in (bulk.mean, bulk.std, bulk.n))
    return mean, std, n[:, None]


def _welch(mean: Any, std: Any, n: Any, control_mean: Any, control_std: Any, control_n: Any) -> tuple[Any, Any]:
    """Welch's t and its two-sided p-value; 0 and 1 where nothing varies and nothing differs.

    One value per gene or perturbations x genes; numbers of cells are whole or a column. NaN with fewer than two cells
    on a side.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        score, p_value = stats.ttest_ind_from_stats(mean, std, n, control_mean, control_std, control_n, equal_var=False)
    enough = (np.asarray(n) >= 2) & (np.asarray(control_n) >= 2)
    undefined = np.isnan(score) & np.isfinite(mean) & np.isfinite(control_mean)
    return (
        np.where(enough, np.where(undefined, 0.0, score), np.nan),
        np.where(enough, np.where(undefined, 1.0, p_value), np.nan),
    )


def _order(score: Any, change: Any) -> IntArray:
    """Order by ``|score|`` falling, then ``|change|`` falling, then position; what is not a number comes last."""
    strength, size = (np.nan_to_num(np.abs(values), nan=-1.0, posinf=np.inf) for values in (score, change))
    return np.lexsort((-size, -strength))
