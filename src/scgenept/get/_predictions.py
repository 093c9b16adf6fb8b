"""get.predictions: one row per gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError
from ..data.write import unknown_genes
from ..genes.matching import measured_as
from ..perturbation import Perturbation
from ._predicted import find_prediction, predicted

if TYPE_CHECKING:
    from anndata import AnnData


def predictions(adata: AnnData, key: str) -> pd.DataFrame:
    """Return what a prediction says about each gene.

    Parameters
    ----------
    adata
        With predictions of :func:`scgenept.tl.predict_perturbation`.
    key
        Key of the prediction, as in :func:`scgenept.get.predicted`.

    Returns
    -------
    One row per gene, largest absolute change first and genes that the model does not know last, all values log1p of
    counts per 1e4:
    ``gene``, ``perturbation``, ``control_mean`` and ``predicted_mean`` over the predicted cells,
    ``delta`` (their difference), ``predicted_std`` over cells (ddof 1, NaN for one cell), ``is_target`` (whether it is
    perturbed, by whatever name) and ``is_known`` (whether the model knows the gene; what it predicts for another means
    nothing). Where it was predicted with ``uncertainty=``, also ``lower`` and ``upper`` (bounds of the mean over all
    cells that were predicted), ``std`` (of that mean, where ``predicted_std`` is of cells), ``level`` and ``source`` of
    the interval.

    Raises
    ------
    UnknownNameError
        There is no such prediction.
    DataError
        No predicted cell is left in ``adata``, or as :func:`scgenept.get.predicted`.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:8].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1", model="scgenept-mini")
    >>> sgp.get.predictions(cells, "KLF1").columns.tolist()[:5]
    ['gene', 'perturbation', 'control_mean', 'predicted_mean', 'delta']
    """
    _, record = find_prediction(adata, key)
    cells = predicted(adata, key)
    if not cells.n_obs:
        msg = f"No cell of adata was predicted for {key!r}: take cells that were, or predict again."
        raise DataError(msg)
    values = np.asarray(cells.X, dtype=np.float64)
    control = np.asarray(cells.layers[_keys.CONTROL_LAYER].astype(np.float64).mean(axis=0)).ravel()
    targets = measured_as(Perturbation.parse(record["perturbation"]), cells.var_names).values()
    mean = values.mean(axis=0)
    table = pd.DataFrame(
        {
            "gene": cells.var_names.astype(str),
            "perturbation": record["perturbation"],
            "control_mean": control,
            "predicted_mean": mean,
            "delta": mean - control,
            "predicted_std": values.std(axis=0, ddof=1) if len(values) > 1 else np.nan,
            "is_target": [name in targets for name in cells.var_names],
            "is_known": ~cells.var_names.isin(unknown_genes(record)),
        }
    )
    if (varm_key := _keys.interval_varm(find_prediction(adata, key)[0])) in cells.varm:
        bounds = cells.varm[varm_key]
        for column in ("lower", "upper", "std"):
            table[column] = bounds[column].to_numpy(dtype=np.float64)
        table["level"], table["source"] = float(record[_keys.INTERVAL_LEVEL]), str(record[_keys.INTERVAL_SOURCE])
    order = np.lexsort((-table["delta"].abs(), ~table["is_known"]))
    return table.iloc[order].reset_index(drop=True)
