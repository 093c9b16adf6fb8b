"""A few values that a prediction started from, kept with it to notice where they were replaced since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import _keys
from .._errors import DataError
from .records import read_record
from .select import row_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

N_CELLS: Final = 32
N_GENES: Final = 4
TOLERANCE: Final = 1e-3
"""Relative; the rounding to float16 is half of it."""


def few_values(adata: AnnData, rows: np.ndarray, layer: str | None, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return a few values above 0 of each of a few cells beside what was predicted of them.

    Cell and gene are kept by name, so that a subset in any order can still be compared.

    Parameters
    ----------
    adata, rows, layer
        What was predicted from: these cells of the layer, or of ``X``.
    predicted
        Prediction of these cells, cells x genes, log1p of counts per 1e4.

    Returns
    -------
    ``cell``, ``gene``, ``value`` and ``predicted``, (n,) each; empty where the cells are.
    """
    places = np.unique(np.linspace(0, len(rows) - 1, N_CELLS).astype(np.int64))
    values = row_reader(adata, rows[places], layer)(0, len(places))
    rng = np.random.default_rng(0)
    kept: list[tuple[str, str, np.float32, np.float32]] = []
    for place, expression in zip(places, values, strict=True):
        expressed = np.flatnonzero(expression)
        chosen = rng.choice(expressed, min(N_GENES, len(expressed)), replace=False)
        cell = adata.obs_names[rows[place]]
        kept.extend((cell, adata.var_names[gene], expression[gene], predicted[place, gene]) for gene in chosen)
    if not kept:
        return {}
    cells, genes, before, after = zip(*kept, strict=True)
    return {
        "cell": np.array(cells, dtype=str),
        "gene": np.array(genes, dtype=str),
        "value": np.array(before),
        "predicted": np.array(after),
    }


def require_same_values(cells: AnnData, key: str, predicted: np.ndarray, control: Any, where: str) -> None:
    """Refuse values that are not those a prediction started from, as far as the cells and genes kept are still there.

    A cell counts as the same where its prediction is the one kept too, so that names given anew do no harm.

    Parameters
    ----------
    cells
        The predicted cells.
    key
        Of the prediction.
    predicted, control
        Their prediction, and their expression as it is now, cells x genes, log1p of counts per 1e4.
    where
        What to call the latter in the message.

    Raises
    ------
    DataError
        A value is another.
    """
    kept: Mapping[str, Any] = (read_record(cells, _keys.STARTED_FROM) or {}).get(key, {})
    if not kept or not cells.obs_names.is_unique or not cells.var_names.is_unique:
        return
    names, genes = (np.asarray(kept[name]).astype(object) for name in ("cell", "gene"))
    rows, columns = cells.obs_names.get_indexer(names), cells.var_names.get_indexer(genes)
    for i in np.flatnonzero((rows >= 0) & (columns >= 0)):
        at = rows[i], columns[i]
        before, now = float(kept["value"][i]), float(control[at])
        if predicted[at] == kept["predicted"][i] and abs(now - before) > TOLERANCE * before:
            msg = (
                f"{where} is not what the prediction {key!r} started from: {genes[i]} of cell {names[i]} was "
                f"{before:.4g} and is {now:.4g}, so changes over it mean nothing. Put the old values back, or predict "
                "again."
            )
            raise DataError(msg)
