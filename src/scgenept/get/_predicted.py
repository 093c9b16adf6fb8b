"""get.predicted: the predicted cells as an AnnData of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from .._errors import DataError, UnknownNameError, listing, near_names
from ..data.checks import describe_scale, require_anndata, summarise
from ..data.write import predictions
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        The expression that the prediction started from was scaled or replaced since.

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
    rows = predicted_rows(adata, key)
    cells = adata[rows]
    source = found["input_layer"]
    control = cells.X if source == "X" else cells.layers[source]
    _require_log_expression(control, source)
    obsm_key, varm_key = _keys.embedding_obsm(key), _keys.interval_varm(key)
    has_interval = _keys.INTERVAL_SOURCE in found and varm_key in adata.varm
    return ad.AnnData(
        X=np.array(cells.layers[key]),
        obs=cells.obs.copy(),
        var=cells.var.copy(),
        obsm={obsm_key: np.array(cells.obsm[obsm_key])} if obsm_key in cells.obsm else {},
        varm={varm_key: cells.varm[varm_key].copy()} if has_interval else {},
        layers={_keys.CONTROL_LAYER: control.copy()},
        uns={_keys.UNS: {_keys.PREDICTIONS: {key: dict(found)}}},
    )


def _require_log_expression(control: Any, source: str) -> None:
    """Refuse a control that is no longer what was predicted from: every change over it would be wrong."""
    if not control.shape[0] or summarise(control).maximum <= 0:
        return
    scale, finding = describe_scale(control)
    if scale != "log1p":
        where = "X" if source == "X" else f"layers[{source!r}]"
        msg = (
            f"{where} is no longer the log1p expression that the prediction started from ({finding}), so changes over "
            "it mean nothing. Scale a copy, or get the predictions first."
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
    if key in present:
        return key, records[key]
    canonical = str(Perturbation.parse(key)) if key else key
    if canonical in present:
        return canonical, records[canonical]
    msg = (
        f"There is no prediction {key!r} in adata.{near_names(key, present)} Predictions: "
        f"{listing(present) or 'none'}. Make one with scgenept.tl.predict_perturbation(adata, ...)."
    )
    raise UnknownNameError(msg)


def predicted_rows(adata: AnnData, key: str) -> np.ndarray:
    """Return which cells were predicted, boolean."""
    layer = adata.layers[key]
    return ~np.isnan(np.asarray(layer[:, 0], dtype=np.float64)).ravel()
