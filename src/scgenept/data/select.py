"""Which cells and values a prediction starts from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._arguments import require_whole
from .._errors import DataError, listing
from .checks import check_finite, describe_scale, warn_of_other_total
from .expression import expression
from .labels import LABEL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike

    from .._types import RNGLike
    from .setup import Setup


def modality_of(adata: AnnData | MuData, mod: str | None) -> AnnData:
    """Return the AnnData to work on: the object itself, or a modality of a MuData."""
    from anndata import AnnData

    if isinstance(adata, AnnData):
        if mod is not None:
            msg = f"mod={mod!r} goes with a MuData; this is an AnnData."
            raise DataError(msg)
        return adata
    modalities: Any = getattr(adata, "mod", None)
    if not (isinstance(modalities, Mapping) and modalities):
        msg = f"Expected an AnnData or a MuData, got {type(adata).__name__}. A file is read by anndata.read_h5ad(path)."
        raise DataError(msg)
    if mod is None and len(modalities) == 1:
        return next(iter(modalities.values()))
    if mod not in modalities:
        what = f"There are {len(modalities)} modalities" if mod is None else f"mod={mod!r} is not a modality"
        msg = f"{what}. Pass mod= one of: {listing(modalities)}."
        raise DataError(msg)
    return modalities[mod]


def input_rows(
    adata: AnnData, setup: Setup | None, *, obs_mask: ArrayLike | str | None, n_cells: int | None, rng: RNGLike
) -> np.ndarray:
    """Return the positions of the cells to start from, ascending, int64.

    Parameters
    ----------
    adata
        Cells x genes.
    setup
        Of the data, where there is one: its control cells are the default.
    obs_mask
        Booleans, one per cell, or the name of a boolean column of ``obs``.
    n_cells
        Draw this many without replacement.
    rng
        Seed or generator.
    """
    if obs_mask is not None:
        mask, what = _mask(adata, obs_mask), "cells selected by obs_mask"
    elif setup is not None:
        mask, what = control_mask(adata, setup), "control cells"
    else:
        mask, what = np.ones(adata.n_obs, dtype=bool), "cells"
        _warn_of_labels(adata)
    rows = np.flatnonzero(mask)
    if not len(rows):
        seen = "" if setup is None else f" Labels seen: {listing(adata.obs[setup.perturbation_key].unique())}."
        msg = f"There are no {what} to predict from.{seen} Choose cells with obs_mask=."
        raise DataError(msg)
    if n_cells is None:
        return rows
    require_whole("n_cells", n_cells)
    if n_cells > len(rows):
        msg = f"n_cells={n_cells} of {len(rows):,} {what}: ask for 1 to {len(rows):,}."
        raise DataError(msg)
    return np.sort(np.random.default_rng(rng).choice(rows, n_cells, replace=False))


def require_log_expression(adata: AnnData, rows: np.ndarray, layer: str | None) -> None:
    """Refuse values that cannot be log1p of counts per 1e4, saying what they look like."""
    selected = expression(adata, layer)[rows]
    where = "X" if layer is None else f"layers[{layer!r}]"
    require_log_values(selected, where)
    warn_of_other_total(selected, where)


def require_log_values(values: Any, where: str) -> None:
    """Refuse values that cannot be log1p of counts, whatever their total, saying what they look like."""
    check_finite(values, where)
    scale, finding = describe_scale(values)
    if scale == "counts":
        msg = f"{where} holds {finding}; log1p of counts per 1e4 is needed. Run scgenept.pp.prepare(adata) first."
        raise DataError(msg)
    if scale == "unknown":
        msg = f"{where} is not log1p of counts ({finding}). Start from counts: scgenept.pp.prepare(adata)."
        raise DataError(msg)


def row_reader(adata: AnnData, rows: np.ndarray, layer: str | None) -> Callable[[int, int], np.ndarray]:
    """Return a function that reads input cells ``start`` to ``stop``, dense float32, whatever the storage."""
    values = expression(adata, layer)

    def read(start: int, stop: int) -> np.ndarray:
        block = values[rows[start:stop]]
        dense = block.toarray() if sp.issparse(block) else np.asarray(block)
        return np.ascontiguousarray(dense, dtype=np.float32)

    return read


def control_mask(adata: AnnData, setup: Setup) -> np.ndarray:
    """Return which cells are control cells, (cells,), bool.

    Raises
    ------
    DataError
        The column holds something else than True and False, as it does for cells that were added after the setup.
    """
    column = adata.obs[setup.is_control_key]
    if (missing := int(column.isna().sum())) or not pd.api.types.is_bool_dtype(column):
        msg = (
            f"obs[{setup.is_control_key!r}] should be True or False for each cell; it is {column.dtype} with "
            f"{missing:,} missing. Run scgenept.pp.setup_perturbations again."
        )
        raise DataError(msg)
    mask: np.ndarray = column.to_numpy(dtype=bool)
    return mask


def _warn_of_labels(adata: AnnData) -> None:
    """Warn where cells that may be perturbed are about to serve as controls."""
    labels = [
        str(name) for name in adata.obs if str(name).casefold() in LABEL_COLUMNS and adata.obs[name].nunique() > 1
    ]
    if labels:
        msg = (
            f"All {adata.n_obs:,} cells serve as controls, yet obs[{labels[0]!r}] holds "
            f"{adata.obs[labels[0]].nunique():,} labels. If some cells are perturbed, run "
            "scgenept.pp.setup_perturbations first, or choose the controls with obs_mask=."
        )
        warnings.warn(msg, UserWarning, stacklevel=4)


def _mask(adata: AnnData, obs_mask: ArrayLike | str) -> np.ndarray:
    if isinstance(obs_mask, str):
        if obs_mask not in adata.obs:
            msg = f"obs_mask={obs_mask!r} is not a column of adata.obs. Columns: {listing(adata.obs.columns)}."
            raise DataError(msg)
        obs_mask = adata.obs[obs_mask]
    if isinstance(obs_mask, pd.Series) and obs_mask.index.equals(adata.obs_names) is False:
        msg = "obs_mask is a Series whose index is not adata.obs_names: align it, or pass obs_mask.to_numpy()."
        raise DataError(msg)
    mask = np.asarray(obs_mask)
    if mask.dtype != bool or mask.shape != (adata.n_obs,):
        msg = f"obs_mask should be {adata.n_obs:,} booleans, one per cell; got {mask.dtype} of shape {mask.shape}."
        raise DataError(msg)
    return mask
