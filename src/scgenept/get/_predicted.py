"""get.predicted: the predicted cells as an AnnData of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from .._errors import DataError, UnknownNameError, listing, near_names
from ..data.backed import indexable
from ..data.checks import describe_scale, require_anndata, summarise
from ..data.expression import expression
from ..data.lost import require_identity, why_missing
from ..data.started_from import require_same_values
from ..data.write import predictions
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData


def predicted(adata: AnnData, key: str) -> AnnData:
    """Return the predicted cells of one perturbation, ready for scanpy.

    Parameters
    ----------
    adata
        With predictions of :func:`scgenept.tl.predict_perturbation`.
    key
        Key of the prediction: the name of the perturbation (``"FOSB+CEBPB"`` finds ``"CEBPB+FOSB"``), or
        the ``key_added`` it was written under.

    Returns
    -------
    The predicted cells x genes: ``X`` is the prediction and ``layers["control"]`` the expression it
    started from, both log1p of counts per 1e4; ``obsm["X_" + key]`` is the cell embedding,
    ``varm[key + "_interval"]`` the interval of the mean if there is one, ``obs`` and ``var`` are those of
    ``adata``, and ``uns["scgenept"]["predictions"]`` holds the record of this prediction.

    Raises
    ------
    UnknownNameError
        There is no such prediction.
    DataError
        The expression that the prediction started from was scaled, replaced or deleted since. Some cells
        lack genes that others are predicted for.

    Examples
    --------
    >>> import scanpy as sc, scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:40].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1", model="scgenept-mini")
    >>> response = sgp.get.predicted(cells, "KLF1")
    >>> sc.pp.pca(response, n_comps=5)
    >>> response.obsm["X_pca"].shape
    (40, 5)
    """
    import anndata as ad

    key, found = find_prediction(adata, key)
    adata = indexable(adata)
    cells = adata[predicted_rows(adata, key)]
    values = np.array(cells.layers[key])
    _require_same_genes(key, values, cells.var_names)
    layer = input_layer(adata, found)
    control, where = expression(cells, layer), "X" if layer is None else f"layers[{layer!r}]"
    _require_log_expression(control, where)
    require_same_values(cells, key, values, control, where)
    obsm_key, varm_key = _keys.embedding_obsm(key), _keys.interval_varm(key)
    has_interval = _keys.INTERVAL_SOURCE in found and varm_key in adata.varm
    return ad.AnnData(
        X=values,
        obs=cells.obs.copy(),
        var=cells.var.copy(),
        obsm={obsm_key: np.array(cells.obsm[obsm_key])} if obsm_key in cells.obsm else {},
        varm={varm_key: cells.varm[varm_key].copy()} if has_interval else {},
        layers={_keys.CONTROL_LAYER: control.copy()},
        uns={_keys.UNS: {_keys.PREDICTIONS: {key: dict(found)}}},
    )


def input_layer(adata: AnnData, record: Mapping[str, Any]) -> str | None:
    """Return the layer that a prediction started from; ``None`` for ``X``, which records of early versions call so."""
    layer = str(record[_keys.INPUT_LAYER])
    return None if not layer or (layer == "X" and layer not in adata.layers) else layer


def _require_log_expression(control: Any, where: str) -> None:
    """Refuse a control that is no longer what was predicted from: every change over it would be wrong."""
    if not control.shape[0] or summarise(control).maximum <= 0:
        return
    scale, finding = describe_scale(control)
    if scale != "log1p":
        msg = (
            f"{where} is no longer the log1p expression that the prediction started from ({finding}), so changes over "
            "it mean nothing. Scale a copy, or get the predictions first."
        )
        raise DataError(msg)


def _require_same_genes(key: str, values: np.ndarray, genes: pd.Index[str]) -> None:
    """Refuse genes that some cells have a prediction of and others not, which is what joining unlike parts leaves."""
    missing = np.isnan(values)
    partly = missing.any(axis=0) & ~missing.all(axis=0)
    if partly.any():
        n_cells = int(missing[:, partly].any(axis=1).sum())
        msg = (
            f"{n_cells:,} of {len(values):,} cells have no prediction {key!r} of {int(partly.sum()):,} of "
            f"{len(genes):,} genes ({listing(genes[partly])}), as ad.concat(join='outer') makes them of parts that "
            "measure other genes. Leave these genes out, or join with join='inner'."
        )
        raise DataError(msg)


def record(adata: AnnData, key: str) -> dict[str, Any]:
    """Return what is recorded of a prediction: model, modality, cell type, cells, domain check and more.

    Parameters
    ----------
    adata
        With predictions of :func:`scgenept.tl.predict_perturbation`.
    key
        Key of the prediction, as in :func:`predicted`.

    Returns
    -------
    A copy of ``uns["scgenept"]["predictions"][key]``; its fields are listed at
    :func:`scgenept.tl.predict_perturbation`.

    Raises
    ------
    UnknownNameError
        There is no such prediction.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:8].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1", model="scgenept-mini")
    >>> sgp.get.record(cells, "KLF1")["perturbation"]
    'KLF1'
    """
    return dict(find_prediction(adata, key)[1])


def find_prediction(adata: AnnData, key: str) -> tuple[str, Mapping[str, Any]]:
    """Return the key under which a prediction is stored, and its record."""
    require_anndata(adata)
    records = predictions(adata)
    present = [name for name in records if name in adata.layers]
    canonical = str(Perturbation.parse(key)) if key else key
    for name in (key, canonical):
        if name in present:
            require_identity(name, records[name])
            return name, records[name]
    remedy = why_missing(adata, canonical) or " Make one with scgenept.tl.predict_perturbation(adata, ...)."
    msg = (
        f"There is no prediction {key!r} in adata.{near_names(key, present)} Predictions: "
        f"{listing(present) or 'none'}.{remedy}"
    )
    raise UnknownNameError(msg)


def predicted_rows(adata: AnnData, key: str) -> np.ndarray:
    """Return which cells were predicted, boolean."""
    predicted: np.ndarray = ~np.isnan(np.asarray(adata.layers[key])).all(axis=1)
    return predicted
