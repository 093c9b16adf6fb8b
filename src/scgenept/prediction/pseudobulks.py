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
    """

    values: np.ndarray
    control: np.ndarray
    unknown: tuple[str, ...]


def predict_pseudobulks(
    model: ScGenePT,
    genes: Sequence[str],
    read_cells: Callable[[int, int], np.ndarray],
    n_cells: int,
    perturbations: Sequence[str],
    *,
    engine: Engine,
) -> PredictedPseudobulks:
    """Predict every perturbation from the same control cells and average over them.

    The error of an approximation is measured on the first perturbation that the model can predict.

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
    """
    values = np.full((len(perturbations), len(genes)), np.nan)
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
        values[row] = cells.values.mean(axis=0, dtype=np.float64)
    control = read_cells(0, n_cells).mean(axis=0, dtype=np.float64)
    return PredictedPseudobulks(values, control, tuple(unknown))
