"""Tables of perturbations x genes: reading, checking, and the arithmetic that every score shares."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ..._errors import DataError, listing

if TYPE_CHECKING:
    import pandas as pd

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
Pseudobulks: TypeAlias = "npt.ArrayLike | pd.DataFrame"
"""Perturbations x genes, log1p of counts per 1e4."""
GeneVector: TypeAlias = "npt.ArrayLike | pd.Series[float]"
"""One value per gene, log1p of counts per 1e4."""

ROUNDING: Final = 1e-6
"""Relative error of a float32 mean over cells; a smaller difference is no difference."""
TIE: Final = 1e-12
"""Two cosine distances closer than this are tied."""


_PER_GENE: Final = {"additive", "control", "reference", "reference_mean"}
"""Inputs that may be one value per gene instead of a table."""


def read(**inputs: Any) -> tuple[FloatArray, ...]:
    """Return float64 arrays of one shape; an input that is a reference may be a vector over genes."""
    _require_same_labels(inputs)
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
    table = next(iter(arrays.values())).shape
    for name, array in arrays.items():
        fits = array.shape == table or (name in _PER_GENE and array.shape == table[1:])
        if len(table) != 2 or not fits or table[1] == 0:
            shapes = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
            msg = f"Scores take tables of perturbations x genes, and one value per gene for a reference; got {shapes}."
            raise DataError(msg)
    return tuple(arrays.values())


def read_mask(table: FloatArray, **mask: Any) -> BoolArray:
    """Return a boolean table of the shape of ``table``, given under its name for the message."""
    ((name, value),) = mask.items()
    array = np.asarray(value)
    if array.dtype != bool or array.shape != table.shape:
        msg = f"{name} must be booleans of shape {table.shape}, perturbations x genes; got {array.dtype} {array.shape}."
        raise DataError(msg)
    return array


def _require_same_labels(inputs: dict[str, Any]) -> None:
    """Refuse tables whose rows or columns are labelled differently: their numbers would be compared all the same."""
    for of, where in (("genes", -1), ("perturbations", 0)):
        labelled = {
            name: list(value.axes[where])
            for name, value in inputs.items()
            if hasattr(value, "axes") and (of == "genes" or len(value.axes) == 2)
        }
        if not labelled:
            continue
        first, *others = labelled
        for other in others:
            if labelled[first] != labelled[other]:
                odd = [a for a, b in zip(labelled[first], labelled[other], strict=False) if a != b]
                msg = (
                    f"{first} and {other} are labelled with different {of} or in another order "
                    f"({len(labelled[first])} and {len(labelled[other])}; first difference at: {listing(odd)}). "
                    f"Bring both into one order, for example with .reindex."
                )
                raise DataError(msg)


def take(table: FloatArray, genes: IntArray | None) -> FloatArray:
    """Select k genes of each perturbation: (perturbations, genes) -> (perturbations, k)."""
    if genes is None:
        return table
    index = np.asarray(genes)
    if index.ndim != 2 or len(index) != len(table) or index.dtype.kind not in "iu":
        msg = f"genes must be whole numbers, {len(table)} perturbations x k; got {index.dtype} of shape {index.shape}."
        raise DataError(msg)
    return np.take_along_axis(table, index, axis=1)


def change(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Subtract the reference; a row that differs from it by rounding only becomes exactly zero."""
    change = values - reference
    scale = np.maximum(np.abs(values).max(axis=1), np.abs(reference).max())
    rounding = np.abs(change).max(axis=1) <= ROUNDING * scale
    return np.where(rounding[:, None], 0.0, change)


def movement(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Subtract the reference for ranks and signs; a gene that differs from it by rounding only becomes exactly zero.

    Sums over genes do not feel rounding, but a rank and a sign take any number but zero for an answer. What is not
    finite becomes NaN.
    """
    moved = change(values, reference)
    rounding = np.abs(moved) <= ROUNDING * np.maximum(np.abs(values), np.abs(reference))
    known = np.isfinite(values) & np.isfinite(reference)
    return np.where(known, np.where(rounding, 0.0, moved), np.nan)


def correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pearson correlation row by row, NaN where a row is constant."""
    centred_a, centred_b = (table - table.mean(axis=1, keepdims=True) for table in (a, b))
    norm_a, norm_b = (np.linalg.norm(table, axis=1) for table in (centred_a, centred_b))
    constant = (norm_a <= TIE * np.linalg.norm(a, axis=1)) | (norm_b <= TIE * np.linalg.norm(b, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: FloatArray = (centred_a * centred_b).sum(axis=1) / (norm_a * norm_b)
    return np.where(constant, np.nan, np.clip(correlation, -1.0, 1.0))


def unit(table: FloatArray) -> FloatArray:
    """Scale rows to length 1; a zero row stays zero."""
    norm = np.linalg.norm(table, axis=1, keepdims=True)
    unit: FloatArray = np.divide(table, norm, out=np.zeros_like(table), where=norm != 0)
    return unit


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> FloatArray:
    """Divide, NaN where the denominator is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: FloatArray = np.asarray(numerator, dtype=np.float64) / np.asarray(denominator, dtype=np.float64)
    return np.where(np.asarray(denominator) == 0, np.nan, quotient)


def undefined_where(unknown: npt.ArrayLike, score: FloatArray) -> FloatArray:
    """Set the scores of rows with an unknown value to NaN."""
    return np.where(unknown, np.nan, score)


def rows_with_nan(*tables: FloatArray) -> BoolArray:
    """Say which rows hold a value that is not finite in any of the tables (or in a vector over genes)."""
    return np.asarray(reduce(np.logical_or, [~np.isfinite(table).all(axis=-1) for table in tables]))
