"""Checks of expression values and gene names, on any storage and without making anything dense."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._errors import DataError
from ..genes.matching import check_unique_genes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "MIN_GENES",
    "Scale",
    "ValueSummary",
    "check_finite",
    "check_shape",
    "check_unique_genes",
    "check_writable",
    "describe_scale",
    "detect_scale",
    "implied_total",
    "summarise",
]

Scale: TypeAlias = Literal["counts", "log1p", "unknown"]

MIN_GENES: Final = 20
"""Fewer genes than this make no profile: nothing could be correlated or ranked."""

BLOCK: Final = 1 << 22
"""Values looked at in one go."""
SAMPLED_ROWS: Final = 200
MIN_CELLS: Final = 10
"""Fewer may have the same total by chance."""
MAX_TOTAL: Final = 1.01e6
"""No usual target of normalisation is larger: counts per million, and 1 % for rounding."""


def check_shape(n_cells: int, n_genes: int, *, min_genes: int = MIN_GENES) -> None:
    """Refuse data without cells or with too few genes.

    Raises
    ------
    DataError
        If there is no cell, or fewer than ``min_genes`` genes.
    """
    if n_cells == 0 or n_genes == 0:
        msg = f"adata is empty: {n_cells:,} cells x {n_genes:,} genes. Look at the last step that subset it."
        raise DataError(msg)
    if n_genes < min_genes:
        msg = f"adata has {n_genes} genes; at least {min_genes} are needed. Subset genes afterwards, not before."
        raise DataError(msg)


def require_anndata(adata: object) -> None:
    """Refuse what is no AnnData, a MuData above all.

    Raises
    ------
    DataError
        If it is something else.
    """
    from anndata import AnnData

    if not isinstance(adata, AnnData):
        msg = f"Expected an AnnData, got {type(adata).__name__}.{_made_anndata(adata)}"
        raise DataError(msg)


def _made_anndata(given: object) -> str:
    """Say how to make an AnnData of what was given, as the tail of a message, or nothing."""
    mod = getattr(given, "mod", None)
    if isinstance(mod, Mapping) and mod:
        return f" Pass one modality: mdata[{next(iter(mod))!r}]."
    if isinstance(given, str | os.PathLike):
        return f" Read the file first: adata = anndata.read_h5ad({os.fspath(given)!r})."
    if isinstance(given, pd.DataFrame | np.ndarray) or sp.issparse(given):
        return " Make one of it, cells x genes: adata = anndata.AnnData(...)."
    return ""


def check_writable(adata: AnnData, *, backed_ok: bool = False) -> None:
    """Refuse an AnnData that cannot be changed in place.

    Parameters
    ----------
    adata
        Cells x genes.
    backed_ok
        Accept one that is backed by a file, because only ``obs``, ``var`` and ``uns`` are written.

    Raises
    ------
    DataError
        If it is a view, or backed.
    """
    require_anndata(adata)
    if adata.is_view:
        msg = "adata is a view of another AnnData: make it one of its own with adata = adata.copy(), or pass copy=True."
        raise DataError(msg)
    if adata.isbacked and not backed_ok:
        msg = "adata is backed by a file: read it with adata = adata.to_memory(), or pass copy=True."
        raise DataError(msg)


def check_finite(values: Any, where: str = "X") -> None:
    """Refuse NaN and infinite values.

    Parameters
    ----------
    values
        Cells x genes: numpy, scipy sparse, or an open h5ad or zarr array.
    where
        What to call them in the message.

    Raises
    ------
    DataError
        With how many there are of each.
    """
    found = summarise(values)
    if found.n_nan or found.n_infinite:
        msg = (
            f"{where} holds {found.n_nan:,} NaN and {found.n_infinite:,} infinite values. Start from the counts, or "
            "drop the cells and genes concerned."
        )
        raise DataError(msg)


def detect_scale(values: Any) -> Scale:
    """Say whether values are raw counts, log1p of normalised counts, or neither.

    The rule, in this order:

    1. NaN, infinite or negative values, or no value above 0: ``"unknown"``.
    2. Whole numbers only: ``"counts"``.
    3. Values of a cell that are whole multiples of its smallest one, in at least 99 %: ``"unknown"``, since these are
       normalised counts that nobody logged. (After a log the multiples are gone.)
    4. The sum of ``expm1`` over the genes of a cell at most 1e6, counts per million: ``"log1p"``, else
       ``"unknown"``. The sum is a bound for any subset of the genes, so highly variable genes alone pass.

    Rules 3 and 4 look at 200 evenly spaced cells. What the rule cannot see: corrected or imputed values that are
    small and positive pass as ``"log1p"``, as do logs to another base.

    Parameters
    ----------
    values
        Cells x genes: numpy, scipy sparse, or an open h5ad or zarr array; streamed in blocks.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.array([[0, 3, 1, 7], [2, 0, 5, 1]])
    >>> per_cell = counts / counts.sum(axis=1, keepdims=True) * 1e4
    >>> detect_scale(counts), detect_scale(np.log1p(per_cell)), detect_scale(per_cell)
    ('counts', 'log1p', 'unknown')
    """
    return describe_scale(values)[0]


def describe_scale(values: Any) -> tuple[Scale, str]:
    """Return what :func:`detect_scale` says, and the finding behind it in words."""
    found = summarise(values)
    if found.n_nan or found.n_infinite:
        return "unknown", f"{found.n_nan:,} NaN and {found.n_infinite:,} infinite values"
    if found.minimum < 0:
        return "unknown", f"negative values down to {found.minimum:.3g}, so scaled, centred or corrected"
    if found.maximum <= 0:
        return "unknown", "no value above 0"
    if found.whole:
        return "counts", f"whole numbers up to {found.maximum:,.0f}, so raw counts"
    sample = _sampled_rows(values)
    total = implied_total(sample)
    if _is_multiples(sample) or total > MAX_TOTAL:
        return "unknown", f"fractions up to {found.maximum:,.4g}, so normalised or corrected but not log1p"
    return "log1p", f"fractions up to {found.maximum:.3g}, at most {total:,.0f} per cell before the log, so log1p"


def implied_total(values: Any) -> float:
    """Return the largest sum over genes of ``expm1`` of 200 evenly spaced cells: counts per how many, at least."""
    return float(_implied_totals(values).max(initial=0.0))


def _implied_totals(values: Any) -> NDArray[np.float64]:
    """Return the sums over genes of ``expm1``, of 200 evenly spaced cells, without those that are all 0."""
    sample = _sampled_rows(values)
    # Clipped where expm1 would overflow; 20 is far beyond any log-expression.
    unlogged = sp.csr_array((np.expm1(np.minimum(sample.data, 20.0)), sample.indices, sample.indptr), sample.shape)
    totals: NDArray[np.float64] = np.asarray(unlogged.sum(axis=1)).ravel()
    return totals[totals > 0]


def warn_of_other_total(values: Any, source: str, *, target: float = 1e4) -> None:
    """Warn where log1p values are of counts per clearly more than models expect.

    Warns
    -----
    UserWarning
        The sum of ``expm1`` over the genes of a cell exceeds ``target`` by 5 %: another normalisation, or another log.
        Or it is the same lower figure for all cells, which only a normalisation to that figure brings about.
    """
    totals = _implied_totals(values)
    total = totals.max(initial=0.0)
    # Cells that all add up to the same were normalised to that, and hold all their genes still.
    alike = len(totals) >= MIN_CELLS and np.ptp(totals) < 1e-3 * total
    if total > 1.05 * target or (alike and total < 0.95 * target):
        msg = (
            f"{source} is log1p, but of counts per about {total:,.0f}, where models expect {target:,.0f}. "
            "Prepare from counts where you have them (in scanpy: normalize_total(adata, target_sum=1e4), then log1p)."
        )
        warnings.warn(msg, UserWarning, stacklevel=4)


@dataclass(frozen=True)
class ValueSummary:
    """What one pass over the values saw.

    Attributes
    ----------
    minimum, maximum
        Of the finite values; never above, never below 0, since zeros may not be stored.
    n_nan, n_infinite
        How many there are.
    whole
        Whether every finite value is a whole number.
    """

    minimum: float
    maximum: float
    n_nan: int
    n_infinite: int
    whole: bool


def summarise(values: Any) -> ValueSummary:
    """Look at every stored value once, block by block.

    Raises
    ------
    DataError
        If there are no values, or they are not numbers.
    """
    if values is None:
        msg = "There are no expression values: X is None. Name the layer that holds them with layer=."
        raise DataError(msg)
    if np.dtype(values.dtype).kind not in "biuf":
        msg = f"Expression values should be numbers, not {values.dtype}. Convert them: .astype('float32')."
        raise DataError(msg)
    minimum, maximum, n_nan, n_infinite, whole = 0.0, 0.0, 0, 0, True
    for block in _stored_values(values):
        finite = block
        if block.dtype.kind == "f":
            is_finite = np.isfinite(block)
            if not is_finite.all():
                nan = int(np.isnan(block).sum())
                n_nan, n_infinite = n_nan + nan, n_infinite + int((~is_finite).sum()) - nan
                finite = block[is_finite]
            whole = whole and bool((finite == np.rint(finite)).all())
        if finite.size:
            minimum, maximum = min(minimum, float(finite.min())), max(maximum, float(finite.max()))
    return ValueSummary(minimum, maximum, n_nan, n_infinite, whole)


def _stored_values(values: Any) -> Iterator[NDArray[Any]]:
    """Yield the stored values in blocks: the data of a sparse matrix, else whole rows."""
    if sp.issparse(values):
        stored = values.data if values.format in {"csr", "csc", "coo"} else values.tocsr().data
        for start in range(0, stored.size, BLOCK):
            yield stored[start : start + BLOCK]
        return
    n_rows, n_columns = values.shape
    if getattr(values, "format", None) == "csc":
        step = max(1, BLOCK // max(1, n_rows))
        for start in range(0, n_columns, step):
            yield values[:, start : start + step].data
        return
    step = max(1, BLOCK // max(1, n_columns))
    for start in range(0, n_rows, step):
        block = values[start : start + step]
        yield block.data if sp.issparse(block) else np.asarray(block)


def _sampled_rows(values: Any) -> sp.csr_array:
    """Return up to 200 evenly spaced cells, csr float64, zeros dropped."""
    n_rows = values.shape[0]
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, SAMPLED_ROWS)).astype(np.int64))
    sample = sp.csr_array(values[rows] if n_rows > len(rows) else values[:], dtype=np.float64)
    sample.eliminate_zeros()
    return sample


def _is_multiples(sample: sp.csr_array, *, at_least: int = 20) -> bool:
    """Whether the values of each cell are whole multiples of its smallest, as normalised counts are."""
    sizes = np.diff(sample.indptr)
    if not sizes.any():
        return False
    smallest = np.minimum.reduceat(sample.data, sample.indptr[:-1][sizes > 0])
    ratios = sample.data / np.repeat(smallest, sizes[sizes > 0])
    ratios = ratios[(ratios > 1.5) & (ratios < 20.5)]
    multiples = np.abs(ratios - np.rint(ratios)) < 1e-4 * ratios
    return len(ratios) >= at_least and float(multiples.mean()) >= 0.99
