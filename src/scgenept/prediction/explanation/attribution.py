"""Integrated gradients of predicted responses, by source and gene.

The attribution of input ``x_i`` is ``(x_i - x'_i)`` times the integral over ``a`` from 0 to 1 of the derivative of the
response in input ``i`` at ``x' + a (x - x')`` (Sundararajan et al., ICML 2017). Over all inputs, attributions sum to
``R(x) - R(x')``.

Shape suffixes: c cells, s sources, t responding genes, g genes, d width of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..._device import is_out_of_memory
from ..._errors import DeviceError
from ..._extra import need
from ..._progress import bar
from ..batch_size import ACTIVATION_BUDGET, MAX_BATCH
from .cost import Cost, kept_bytes, pass_flop, timed
from .response import Response
from .sources import COUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from torch import Tensor

    from ...nn import Network, NetworkConfig
    from ..engine import Engine
    from .sources import InputSource


def need_captum() -> ModuleType:
    """Import captum's methods, or say what to install."""
    return need("captum.attr", "explain")


class Attributions(NamedTuple):
    """What the integral gives.

    Attributes
    ----------
    values
        Responding genes x sources x genes, mean over cells, log1p of counts per 1e4, float64.
    response, reference
        Of each responding gene, at the input and where no source tells genes apart, (t,), same unit.
    """

    values: np.ndarray
    response: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be explained, on the device that computes it.

    Attributes
    ----------
    config
        Sizes of the network.
    response
        The function.
    inputs, references
        One tensor per source, each with a row per cell, or one row that all cells share.
    constants
        What else the function takes and nothing is attributed to: the control expression where counts are no source.
    n_cells, n_steps
        Cells, and points of the path.
    """

    config: NetworkConfig
    response: Response
    inputs: tuple[Tensor, ...]
    references: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    n_cells: int
    n_steps: int

    @property
    def n_genes(self) -> int:
        """Genes that go through the network."""
        return self.inputs[-1].shape[1]

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.response.positions.device

    def rows(self, tensors: Sequence[Tensor], start: int, stop: int) -> tuple[Tensor, ...]:
        """Return the rows of some cells, from the first again where there are no more."""
        cells = torch.arange(start, stop, device=self.device)
        return tuple(tensor[cells % len(tensor)] for tensor in tensors)


@torch.inference_mode(mode=False)
def make_task(
    network: Network,
    sources: Sequence[InputSource],
    control: np.ndarray,
    positions: Sequence[int],
    *,
    n_steps: int,
    device: torch.device,
) -> Task:
    """Bring the sources and a copy of the network's body to a device.

    Parameters
    ----------
    network
        Left as it was.
    sources
        Of :func:`scgenept.prediction.explanation.sources.input_sources`.
    control
        Mean control expression, (genes,), log1p. A network that reads no counts gives one answer for all cells, and
        its response is over this mean.
    positions
        Of the responding genes.
    n_steps
        Points of the path.
    device
        Where to compute.
    """
    response = Response.of(network, [source.kind for source in sources], positions, device)
    inputs = [source.actual if source.kind == COUNTS else source.actual[None] for source in sources]
    references = [source.reference if source.kind == COUNTS else source.reference[None] for source in sources]
    constants = [] if COUNTS in response.kinds else [torch.from_numpy(control).to(inputs[0].dtype)[None]]
    moved = [tuple(tensor.to(device) for tensor in tensors) for tensors in (inputs, references, constants)]
    n_cells = max(len(tensor) for tensor in inputs)
    return Task(network.config, response, moved[0], moved[1], moved[2], n_cells, n_steps)


@torch.inference_mode(mode=False)
def estimate(task: Task, engine: Engine) -> tuple[Cost, int]:
    """Measure the memory of one row and the time of one batch.

    Returns
    -------
    The cost of the whole, and how many rows (cells at points of the path) a batch has.

    Raises
    ------
    DeviceError
        One row does not fit.
    """
    function, everything = task.response.only(0), (*task.inputs, *task.constants)
    n_rows = task.n_cells * task.n_steps
    try:
        row_bytes = kept_bytes(function, task.rows(everything, 0, 1), task.response.body)
        rows = min(_batch(row_bytes, task.device) if engine.batch_size == "auto" else engine.batch_size, n_rows)
        while True:
            try:
                seconds = timed(function, task.rows(everything, 0, rows)) / rows
                break
            except RuntimeError as error:
                if not is_out_of_memory(error) or rows == 1:
                    raise
                rows //= 2
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        msg = (
            f"The way back through one cell of {task.n_genes:,} genes does not fit on {task.device}: try fewer genes, "
            "or device='cpu'."
        )
        raise DeviceError(msg) from error
    passes = len(task.response.positions) * n_rows
    flop = passes * pass_flop(task.config, task.n_genes)
    return Cost(passes, task.n_genes, flop, passes * seconds, rows * row_bytes, str(task.device)), rows


@torch.inference_mode(mode=False)
def attribute(task: Task, rows: int, *, label: str = "explain") -> Attributions:
    """Integrate the gradients of every responding gene, and average over cells.

    Parameters
    ----------
    task
        What is to be explained.
    rows
        Cells at points of the path that go through the network at once.
    label
        Name of the progress bar.
    """
    captum = need_captum()
    n_responding, at_once = len(task.response.positions), min(rows, task.n_cells)
    values = np.zeros((n_responding, len(task.inputs), task.n_genes))
    total = len(values) * task.n_cells
    with bar(total, label, unit="cell") as shown:
        for i in range(n_responding):
            method = captum.IntegratedGradients(task.response.only(i))
            for start in range(0, task.n_cells, at_once):
                stop = min(start + at_once, task.n_cells)
                found = method.attribute(
                    task.rows(task.inputs, start, stop),
                    baselines=task.rows(task.references, start, stop),
                    additional_forward_args=task.rows(task.constants, start, stop) or None,
                    n_steps=task.n_steps,
                    method="gausslegendre",
                    internal_batch_size=max(rows, stop - start),
                )
                values[i] += np.stack([_by_gene(tensor) for tensor in found])
                shown.update(stop - start)
    response, reference = (_mean_response(task, inputs, at_once) for inputs in (task.inputs, task.references))
    return Attributions(values / task.n_cells, response, reference)


def _by_gene(attribution: Tensor) -> np.ndarray:
    """Sum over cells, and over the coordinates of a vector: (genes,), float64."""
    summed = attribution.detach().cpu().double().sum(dim=0)
    return (summed.sum(dim=-1) if summed.ndim > 1 else summed).numpy()


def _mean_response(task: Task, inputs: Sequence[Tensor], at_once: int) -> np.ndarray:
    total = np.zeros(len(task.response.positions))
    with torch.no_grad():
        for start in range(0, task.n_cells, at_once):
            rows = task.rows([*inputs, *task.constants], start, min(start + at_once, task.n_cells))
            total += task.response(*rows).cpu().double().sum(dim=0).numpy()
    return total / task.n_cells


def _batch(row_bytes: int, device: torch.device) -> int:
    budget = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else ACTIVATION_BUDGET
    return int(min(MAX_BATCH, max(1, budget // row_bytes)))
