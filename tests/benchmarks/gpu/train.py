"""A training step: ours, its parts as floors, what else was tried, and the original's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from scgenept.training.step import Batch, GeneRows, loss, trainable

from ..measure.flop import step_flop
from ..measure.machine import synchronize
from ..measure.timing import interleaved
from ..peers.network import Peer
from ..peers.training import original_step
from .sizes import cells, peak_gib, precision, targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from scgenept.nn import Network

    from .sizes import Sizes

PRECISION = "bfloat16"


class Step:
    """One step as Lightning does it: loss under autocast, backward, clip, fused Adam, nothing read back."""

    def __init__(self, network: Network, sizes: Sizes, device: torch.device, *, capturable: bool = False) -> None:
        rows = GeneRows(network, range(min(sizes.genes, sizes.n_tokens - 1)))
        self.genes, self.body, self.device = rows.genes.to(device), network.body, device
        token_ids, values, flags, target = batch_of(sizes, device)
        self.batch = Batch(rows.local(token_ids.cpu()).to(device), values, flags, target)
        self.parameters = trainable(self.genes, self.body)
        on_gpu = device.type == "cuda"
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-4, fused=on_gpu or None, capturable=capturable)
        self.loss: Callable[..., Tensor] = loss

    def train(self, mode: bool = True) -> None:
        self.genes.train(mode)
        self.body.train(mode)

    def backward(self) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with precision(PRECISION, self.device):
            value = self.loss(self.genes, self.body, self.batch)
        value.backward()
        return value.detach()

    def optimise(self) -> None:
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()

    def __call__(self) -> Tensor:
        value = self.backward()
        self.optimise()
        return value


def batch_of(sizes: Sizes, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return tokens, values, flags, target."""
    both = cells(2 * sizes.step_cells, sizes.step_genes, device)
    flags = targets(sizes.step_cells, sizes.step_genes, device)
    return torch.arange(sizes.step_genes, device=device), both[: sizes.step_cells], flags, both[sizes.step_cells :]


def attention_alone(network: Network, sizes: Sizes, device: torch.device) -> Callable[[], None]:
    """Return attention of all layers with dropout, forward and backward, and nothing else."""
    config = network.config
    shape = (sizes.step_cells, config.n_heads, sizes.step_genes, config.d_model // config.n_heads)
    qkv = [torch.randn(shape, device=device, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
    gradient = torch.randn(shape, device=device, dtype=torch.bfloat16)

    def call() -> None:
        for _ in range(config.n_layers):
            F.scaled_dot_product_attention(*qkv, dropout_p=config.dropout).backward(gradient)

    return call


def step(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """Our step and its parts: attention alone, forward and backward, optimiser; memory; how busy the device is."""
    ours = Step(network, sizes, device)
    ours.train()
    calls = {
        "step": ours,
        "attention alone, forward and backward": attention_alone(network, sizes, device),
        "forward and backward": ours.backward,
        "clip and optimiser": ours.optimise,
    }
    taken = interleaved(calls, sizes.steps, synchronize=lambda: synchronize(device))
    seconds = {name: timing["median"] for name, timing in taken.items()}

    def several() -> None:
        for _ in range(sizes.steps):
            ours()

    taken_together = interleaved({"": several}, 2, synchronize=lambda: synchronize(device))[""]["median"]
    found = {
        "seconds": seconds | {"step, several in a row": taken_together / sizes.steps},
        "spread": {name: timing["spread"] for name, timing in taken.items()},
        "flops": step_flop(network.config, sizes.step_cells, sizes.step_genes) / (taken_together / sizes.steps),
        "memory_gib": peak_gib(device, ours),
        "busy": busy(several, device),
    }
    network.body.eval()
    return found


def busy(call: Callable[[], object], device: torch.device) -> float | None:
    """Return the share of time in which a kernel runs; ``None`` on the CPU."""
    if device.type != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:  # kernels only: less in the way
        torch.cuda.synchronize()
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
    microseconds = sum(event.self_device_time_total for event in profiled.key_averages())
    return microseconds / 1000 / begin.elapsed_time(end)


def peer(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """The original's loop, in turn with ours; the losses without dropout have to agree first."""
    ours = Step(network, sizes, device)
    theirs = Peer.like(network, text_dtype=torch.float64).to(device)
    tokens, values, flags, target = batch_of(sizes, device)
    ours.train(mode=False)
    with torch.no_grad(), precision("float32", device):
        mine = float(loss(ours.genes, ours.body, ours.batch))
        few = 4
        predicted = torch.cat(
            [
                theirs(tokens.repeat(len(values[i : i + few]), 1), values[i : i + few], flags[i : i + few])
                for i in range(0, len(values), few)
            ]
        )
        other = float(F.mse_loss(predicted, target))
    if abs(mine - other) > 1e-4 * abs(other):
        msg = f"losses differ, {mine} and {other}: nothing is timed"
        raise RuntimeError(msg)
    original = original_step(theirs.train(), device)
    ours.train()
    calls = {"ours": ours, "original's loop": lambda: original(tokens, values, flags, target)}
    taken = interleaved(calls, max(2, sizes.steps // 2), synchronize=lambda: synchronize(device))
    memory = peak_gib(device, calls["original's loop"])
    network.body.eval()
    seconds = {name: timing["median"] for name, timing in taken.items()}
    return {"seconds": seconds, "memory_gib_of_both": memory, "losses": [mine, other]}


def compiled(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """``torch.compile`` of the loss."""
    ours = Step(network, sizes, device)
    ours.train()
    fast = torch.compile(loss, dynamic=False)

    def with_loss(function: Callable[..., Tensor]) -> Tensor:
        ours.loss = function
        return ours()

    calls = {"plain": lambda: with_loss(loss), "compiled": lambda: with_loss(fast)}
    taken = interleaved(calls, sizes.steps, synchronize=lambda: synchronize(device))
    network.body.eval()
    return {"seconds": {name: timing["median"] for name, timing in taken.items()}}


def graphed(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """The whole step, optimiser included, as a CUDA graph."""
    ours = Step(network, sizes, device, capturable=True)
    ours.train()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
        with torch.cuda.stream(stream):
            for _ in range(3):
                ours()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            ours()
    taken = interleaved({"graph": graph.replay}, sizes.steps, synchronize=lambda: synchronize(device))
    network.body.eval()
    return {"seconds": {"graph": taken["graph"]["median"]}}
