"""Predict cells in batches, without gradient, each cell independent of its batch mates.

Shape suffixes: n cells, b batch, g genes, d width of the model.
"""

from __future__ import annotations

import copy
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from .._arguments import require_kind, require_whole
from .._device import is_out_of_memory, resolve_device
from .._errors import DataError, DeviceError
from .._progress import bar
from .batch_size import fitting_batch
from .inputs import in_passes, whole
from .repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from ..nn import Body, Network
    from ..weights.tokens import Tokens
    from .approximation import Approximation
    from .inputs import Inputs

DTypeName: TypeAlias = Literal["float32", "bfloat16", "float16"]
_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Engine:
    """How to compute a prediction; without an approximation none of it changes the result beyond rounding.

    Attributes
    ----------
    batch_size
        Cells per forward pass; ``"auto"`` fits it to memory and halves it when memory runs out.
    device
        ``None`` takes ``settings.device``.
    dtype
        Type of the matrix products. Results are float32 always.
    approximation
        What may be left out, and on how many cells the error of that is measured first; ``None``: nothing.
    """

    batch_size: int | Literal["auto"] = "auto"
    device: str | None = None
    dtype: DTypeName = "float32"
    approximation: Approximation | None = None

    def __post_init__(self) -> None:
        if self.batch_size != "auto":
            require_whole("batch_size", self.batch_size, otherwise="'auto'")
        if self.dtype not in _DTYPES:
            msg = f"dtype={self.dtype!r} should be one of {', '.join(_DTYPES)}."
            raise DataError(msg)
        if self.approximation is not None:
            from .approximation import Approximation  # which stands on this module

            how = "scgenept.tl.Approximation(mean_control=True)"
            require_kind("approximation", self.approximation, Approximation, how)


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


def given_engine(engine: Engine | None) -> Engine:
    """Return the engine given or the default one, and refuse what is none."""
    if engine is None:
        return Engine()
    require_kind("engine", engine, Engine, "scgenept.tl.Engine(batch_size=16)")
    return engine


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

    Cells that are equal are computed once. On an accelerator the next cells are read and sent while it computes.

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
    device, approximation = resolve_device(engine.device), engine.approximation
    if approximation is not None:
        read_cells = approximation.cells(read_cells, n_cells, tokens.n_measured)
    context = None if approximation is None else approximation.context_genes
    passes = [whole(tokens, device)] if context is None else in_passes(tokens, context, device)
    batch_size = engine.batch_size
    if batch_size == "auto":
        batch_size = fitting_batch(network.config, max(len(one.flags) for one in passes), device)
    results = PredictedCells(
        np.empty((n_cells, tokens.n_measured), dtype=np.float32),
        np.empty((n_cells, network.config.d_model), dtype=np.float32),
    )
    first = np.arange(n_cells)
    repeats = Repeats()
    with (
        torch.inference_mode(),
        _body_on(network, device) as body,
        _autocast(device, engine.dtype),
        bar(n_cells, label, unit="cell", leave=None) as shown,
    ):
        start, waiting = 0, _Waiting(results, passes)
        while start < n_cells:
            stop = min(start + batch_size, n_cells)
            cells = read_cells(start, stop)
            first[start:stop] = repeats.first_of(cells, start)
            new = np.flatnonzero(first[start:stop] == np.arange(start, stop))
            try:
                made = [_forward(body, one, cells[new]) for one in passes] if len(new) else None
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if stop - start == 1:
                    n_genes = max(len(one.flags) for one in passes)
                    msg = f"One cell of {n_genes:,} genes does not fit on {device}: try fewer genes, or device='cpu'."
                    raise DeviceError(msg) from error
                batch_size = (stop - start) // 2
                continue
            # The batch before this one is written while this one is computed.
            waiting.write()
            waiting.take(start + new, made)
            shown.update(stop - start)
            start = stop
        waiting.write()
    repeated = np.flatnonzero(first != np.arange(n_cells))
    for table in results:
        table[repeated] = table[first[repeated]]
    return results


class _OnItsWay:
    """A tensor that is being copied to the host; reading it waits for the copy and for nothing launched later."""

    def __init__(self, tensor: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._host = tensor
        if tensor.device.type == "cuda":
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def numpy(self) -> np.ndarray:
        if self._event is not None:
            self._event.synchronize()
        values: np.ndarray = self._host.cpu().numpy()
        return values


class _Waiting:
    """The batch whose results are not written yet."""

    def __init__(self, results: PredictedCells, passes: Sequence[Inputs]) -> None:
        self._results, self._passes = results, passes
        self._rows: np.ndarray | None = None
        self._made: Sequence[tuple[_OnItsWay, _OnItsWay]] = ()

    def take(self, rows: np.ndarray, made: Sequence[tuple[_OnItsWay, _OnItsWay]] | None) -> None:
        self._rows, self._made = (None, ()) if made is None else (rows, made)

    def write(self) -> None:
        if self._rows is None:
            return
        values, embedding = self._results
        embedding[self._rows] = 0
        n_genes = values.shape[1]
        for one, (predicted, states_sum) in zip(self._passes, self._made, strict=True):
            if one.columns is None:
                values[self._rows] = predicted.numpy()
            else:
                values[np.ix_(self._rows, one.columns[: one.n_asked])] = predicted.numpy()
            embedding[self._rows] += states_sum.numpy() / n_genes
        self._rows = None


def _forward(body: Body, inputs: Inputs, cells_bg: np.ndarray) -> tuple[_OnItsWay, _OnItsWay]:
    """Start the prediction of the genes asked for, and of the sum of their states."""
    values = inputs.values(cells_bg)
    flags = inputs.flags.expand(len(values), -1)
    states = body.encode(inputs.embedding, values, flags, n_asked=inputs.n_asked)
    predicted = body.decode(states, values[:, : inputs.n_asked], inputs.offset)
    # Of measured genes alone, so that an added target does not shift the mean.
    return _OnItsWay(predicted.float()), _OnItsWay(states.float().sum(dim=1))


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
    if device.type == "cpu":
        _warn_of_emulation(dtype)
    return torch.autocast(device.type, dtype=_DTYPES[dtype])


def _warn_of_emulation(dtype: DTypeName) -> None:
    if dtype == "float16":
        msg = "float16 is slow on the CPU; bfloat16 or float32 is the better choice."
        warnings.warn(msg, UserWarning, stacklevel=5)
    elif (capability := torch.backends.cpu.get_cpu_capability()) in {"DEFAULT", "AVX2"}:
        msg = f"This CPU ({capability}) has no bfloat16 products: they are emulated, and slower than dtype='float32'."
        warnings.warn(msg, UserWarning, stacklevel=5)
