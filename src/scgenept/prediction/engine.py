"""Predict cells in batches, without gradient, each cell independent of its batch mates.

Shape suffixes: n cells, b batch, g measured genes, e extra tokens of unmeasured targets, d width of the model.
"""

from __future__ import annotations

import copy
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from tqdm.auto import tqdm

from .._device import is_out_of_memory, resolve_device
from .._errors import DataError, DeviceError
from .._settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from ..nn import Body, Network, NetworkConfig
    from ..weights.tokens import Tokens

DTypeName: TypeAlias = Literal["float32", "bfloat16", "float16"]
_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

ACTIVATION_BUDGET: Final = 1_000_000_000
"""Bytes of activations that ``batch_size="auto"`` aims at on the CPU; larger batches are not faster there."""
ACTIVATIONS_PER_GENE: Final = 12
"""Live float32 vectors of width d_model per gene at the widest point of a layer, measured with room to spare."""
MAX_BATCH: Final = 256


@dataclass(frozen=True)
class Engine:
    """How to compute a prediction; none of it changes the result beyond rounding.

    Attributes
    ----------
    batch_size
        Cells per forward pass; ``"auto"`` fits it to memory and halves it when memory runs out.
    device
        ``None`` takes ``settings.device``.
    dtype
        Type of the matrix products. Results are float32 always.
    """

    batch_size: int | Literal["auto"] = "auto"
    device: str | None = None
    dtype: DTypeName = "float32"

    def __post_init__(self) -> None:
        size: object = self.batch_size
        if size != "auto" and not (isinstance(size, int) and size >= 1):
            msg = f"batch_size={self.batch_size!r} should be a whole number of cells, at least 1, or 'auto'."
            raise DataError(msg)
        if self.dtype not in _DTYPES:
            msg = f"dtype={self.dtype!r} should be one of {', '.join(_DTYPES)}."
            raise DataError(msg)


class PredictedCells(NamedTuple):
    """What the engine returns.

    Attributes
    ----------
    values
        Predicted expression, cells x genes, log1p of counts per 1e4, float32.
    embedding
        Mean over the gene states of each cell, cells x d_model, float32.
    """

    values: np.ndarray
    embedding: np.ndarray


def predict_cells(
    network: Network,
    tokens: Tokens,
    read_cells: Callable[[int, int], np.ndarray],
    n_cells: int,
    *,
    engine: Engine,
    label: str = "predict",
) -> PredictedCells:
    """Predict the response of control cells to one perturbation.

    Parameters
    ----------
    network
        Of any variant, on any device, in any mode; it is left as it was.
    tokens
        Compiled genes, flags and extra tokens of the perturbation.
    read_cells
        Returns the control cells ``start`` to ``stop``, cells x measured genes, float32, log1p.
    n_cells
        How many there are.
    engine
        How to compute.
    label
        Name of the progress bar.
    """
    device = resolve_device(engine.device)
    batch_size = _auto_batch(network.config, tokens, device) if engine.batch_size == "auto" else engine.batch_size
    values = np.empty((n_cells, tokens.n_measured), dtype=np.float32)
    embedding = np.empty((n_cells, network.config.d_model), dtype=np.float32)
    with (
        torch.inference_mode(),
        _body_on(network, device) as body,
        _autocast(device, engine.dtype),
        tqdm(total=n_cells, desc=label, unit="cell", disable=settings.progress_disabled) as bar,
    ):
        gene_embedding, flags = tokens.embedding.to(device), tokens.flags.to(device)
        offset = None if tokens.genes.offset is None else tokens.genes.offset.to(device)
        start = 0
        while start < n_cells:
            stop = min(start + batch_size, n_cells)
            try:
                predicted, states_mean = _forward(body, gene_embedding, offset, flags, read_cells(start, stop))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if stop - start == 1:
                    msg = (
                        f"One cell of {len(flags):,} genes does not fit on {device}: try fewer genes, or device='cpu'."
                    )
                    raise DeviceError(msg) from error
                batch_size = (stop - start) // 2
                continue
            values[start:stop] = predicted
            embedding[start:stop] = states_mean
            bar.update(stop - start)
            start = stop
    return PredictedCells(values, embedding)


def _forward(
    body: Body, gene_embedding: Tensor, offset_g: Tensor | None, flags_g: Tensor, cells_bg: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_measured = cells_bg.shape[1]
    n_extra = len(flags_g) - n_measured
    values = torch.from_numpy(cells_bg).to(flags_g.device)
    values = torch.nn.functional.pad(values, (0, n_extra)) if n_extra else values
    states = body.encode(gene_embedding, values, flags_g.expand(len(values), -1))
    predicted = body.decode(states[:, :n_measured], values[:, :n_measured], offset_g)
    # Measured genes alone, so that an added target does not shift the mean.
    return predicted.float().cpu().numpy(), states[:, :n_measured].float().mean(dim=1).cpu().numpy()


def _auto_batch(config: NetworkConfig, tokens: Tokens, device: torch.device) -> int:
    per_cell = 4 * len(tokens.flags) * (ACTIVATIONS_PER_GENE * config.d_model + config.d_hidden)
    budget = ACTIVATION_BUDGET
    if device.type == "cuda":
        budget = torch.cuda.mem_get_info(device)[0] // 2
    return int(min(MAX_BATCH, max(1, budget // per_cell)))


@contextmanager
def _body_on(network: Network, device: torch.device) -> Iterator[Body]:
    """Yield the body in evaluation mode on a device, without changing the network the user holds."""
    body = network.body
    if next(body.parameters()).device != device:
        yield copy.deepcopy(body).to(device).eval()
        return
    was_training = body.training
    body.eval()
    try:
        yield body
    finally:
        body.train(was_training)


def _autocast(device: torch.device, dtype: DTypeName) -> torch.autocast | nullcontext[None]:
    if dtype == "float32":
        return nullcontext()
    if dtype == "float16" and device.type == "cpu":
        msg = "float16 is slow on the CPU; bfloat16 or float32 is the better choice."
        warnings.warn(msg, UserWarning, stacklevel=4)
    return torch.autocast(device.type, dtype=_DTYPES[dtype])
