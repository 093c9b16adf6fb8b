"""A network as a table: the mean over predicted cells of each perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._errors import UnknownGeneError
from .._progress import progress
from ..perturbation import Perturbation
from ..weights.tokens import build_tokens
from .approximation import measure_approximation
from .engine import predict_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..weights.model import ScGenePT
    from .engine import Engine


class PredictedPseudobulks(NamedTuple):
    """Means over predicted cells.

    Attributes
    ----------
    values
        Perturbations x genes, log1p of counts per 1e4, float64; NaN where a target is unknown to the model.
    control
        Mean of the control cells that went in, one value per gene.
    unknown
        Perturbations that the model cannot predict.
    group_values
        Groups x perturbations x genes: the same, averaged over some of the cells.
    group_controls
        Groups x genes: the mean of those control cells.
    """

    values: np.ndarray
    control: np.ndarray
    unknown: tuple[str, ...]
    group_values: np.ndarray
    group_controls: np.ndarray


def predict_pseudobulks(
    model: ScGenePT,
    genes: Sequence[str],
    read_cells: Callable[[int, int], np.ndarray],
    n_cells: int,
    perturbations: Sequence[str],
    *,
    engine: Engine,
    groups: np.ndarray | None = None,
) -> PredictedPseudobulks:
    """Predict every perturbation from the same control cells and average over them.

    Each cell is predicted by itself, so the mean over some of the predicted cells is the prediction from those alone;
    with ``mean_control`` of an approximation it is that from the mean of all. The error of an approximation is measured
    on the first perturbation that the model can predict.

    Parameters
    ----------
    model
        The network.
    genes
        Names of the measured genes.
    read_cells
        Returns the control cells ``start`` to ``stop``, cells x genes, float32, log1p.
    n_cells
        How many there are.
    perturbations
        Canonical names.
    engine
        How to compute.
    groups
        Groups x cells, booleans, at least one cell in each: average over these too.
    """
    chosen = [slice(None), *(() if groups is None else groups)]
    values = np.full((len(chosen), len(perturbations), len(genes)), np.nan)
    unknown, checked = [], False
    for row, name in enumerate(progress(perturbations, model.name)):
        try:
            tokens = build_tokens(model, genes, Perturbation.parse(name))
        except UnknownGeneError:
            unknown.append(name)
            continue
        if not checked:
            measure_approximation(model.network, tokens, read_cells, n_cells, engine=engine)
            checked = True
        cells = predict_cells(model.network, tokens, read_cells, n_cells, engine=engine, label=name)
        values[:, row] = _means(cells.values, chosen)
    controls = _means(read_cells(0, n_cells), chosen)
    return PredictedPseudobulks(values[0], controls[0], tuple(unknown), values[1:], controls[1:])


def _means(cells: np.ndarray, chosen: Sequence[slice | np.ndarray]) -> np.ndarray:
    return np.stack([cells[some].mean(axis=0, dtype=np.float64) for some in chosen])
