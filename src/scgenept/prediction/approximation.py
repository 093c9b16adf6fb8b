"""Faster and not exact: what may be left out, and the error of leaving it out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._arguments import require_flag, require_whole
from .._errors import DataError
from .._logging import logger
from .engine import predict_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..nn import Network
    from ..weights.tokens import Tokens
    from .engine import Engine

    ReadCells = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Approximation:
    """What a prediction may leave out to be faster. Its error is measured and reported before it runs at scale.

    Attributes
    ----------
    context_genes
        The network sees this many genes at a time: the perturbed ones and a random share of the others, as in its
        training (1,536 for the published models). Every gene is predicted in one such pass, so that work grows with
        the genes and not with their square. ``None``: all genes at once.
    mean_control
        Predict the mean of the control cells once, in place of every cell: each input cell gets the same prediction.
    checked_cells
        On how many cells the approximation is compared with the exact prediction first.
    """

    context_genes: int | None = None
    mean_control: bool = False
    checked_cells: int = 32

    def __post_init__(self) -> None:
        for name, least in (("context_genes", 2), ("checked_cells", 1)):
            value = getattr(self, name)
            if value is not None or name == "checked_cells":
                require_whole(name, value, least=least)
        require_flag("mean_control", self.mean_control)
        if self.context_genes is None and not self.mean_control:
            msg = "An approximation leaves something out: pass context_genes=, mean_control=True or both."
            raise DataError(msg)

    def record(self, error: ApproximationError) -> dict[str, Any]:
        """Return what was left out, and the error of it, as plain values for ``uns``."""
        left_out = {"context_genes": self.context_genes or "all", "mean_control": self.mean_control}
        return left_out | {f"approximation_{name}": value for name, value in error._asdict().items()}

    def cells(self, read_cells: ReadCells, n_cells: int, n_genes: int) -> ReadCells:
        """Return the reader of the cells that are computed in place of those that ``read_cells`` gives."""
        if not self.mean_control:
            return read_cells
        mean = mean_cell(read_cells, n_cells, n_genes).astype(np.float32)
        return lambda start, stop: np.broadcast_to(mean, (stop - start, n_genes))


class ApproximationError(NamedTuple):
    """An approximation beside the exact prediction of the same cells.

    Attributes
    ----------
    n_cells
        How many cells were predicted in both ways.
    pearson_delta
        Pearson correlation over genes of the two mean responses (mean prediction minus mean control); NaN where one
        of them is constant.
    max_error
        Largest difference of the two mean predictions over genes, log1p of counts per 1e4.
    """

    n_cells: int
    pearson_delta: float
    max_error: float


def measure_approximation(
    network: Network, tokens: Tokens, read_cells: ReadCells, n_cells: int, *, engine: Engine
) -> ApproximationError | None:
    """Compare an engine's approximation with the exact prediction on a few cells, and say how far apart they are.

    Parameters
    ----------
    network, tokens, read_cells, n_cells, engine
        As of :func:`predict_cells`. The cells are spread evenly over all.

    Returns
    -------
    The comparison, which was also logged as a warning; ``None`` where the engine is exact.
    """
    approximation = engine.approximation
    if approximation is None:
        return None
    rows = np.unique(np.linspace(0, n_cells - 1, min(approximation.checked_cells, n_cells)).astype(int))
    few = np.concatenate([read_cells(row, row + 1) for row in rows])

    def read_few(start: int, stop: int) -> np.ndarray:
        return few[start:stop]

    exact, near = (
        predict_cells(network, tokens, read_few, len(few), engine=one, label="check").values.mean(axis=0, dtype=float)
        for one in (replace(engine, approximation=None), engine)
    )
    control = few.mean(axis=0, dtype=float)
    deltas = np.stack([exact - control, near - control])
    varies = bool((np.ptp(deltas, axis=1) > 0).all())
    pearson = float(np.corrcoef(deltas)[0, 1]) if varies else float("nan")
    found = ApproximationError(len(few), pearson, float(np.abs(exact - near).max()))
    wanted = ", ".join(f"{name}={value}" for name, value in asdict(approximation).items() if name != "checked_cells")
    logger.warning(
        "Approximate prediction (%s): on %d cells its mean response correlates %.4f with the exact one over genes and "
        "differs by at most %.3f (log1p of counts per 1e4).",
        wanted,
        *found,
    )
    return found


def mean_cell(read_cells: ReadCells, n_cells: int, n_genes: int, *, block: int = 4096) -> np.ndarray:
    """Return the mean over cells, (genes,), float64, read in blocks."""
    total = np.zeros(n_genes)
    for start in range(0, n_cells, block):
        total += read_cells(start, min(start + block, n_cells)).sum(axis=0, dtype=np.float64)
    return total / n_cells
