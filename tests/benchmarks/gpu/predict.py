"""Prediction: cells per second in each number type, its error, what else was tried, and the peer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from ..measure.flop import forward_flop
from ..measure.machine import synchronize
from ..measure.timing import interleaved
from ..peers.network import Peer, one_by_one
from .sizes import cells, peak_gib, precision, targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from scgenept.nn import Network

    from .sizes import Sizes

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")


class Ours:
    """The compiled genes and the body, as the engine calls them."""

    def __init__(self, network: Network, n_genes: int, device: torch.device) -> None:
        self.body, self.device, self.n_genes = network.body, device, n_genes
        with torch.no_grad():
            rows = torch.arange(n_genes) % (network.config.n_tokens - 1)
            self.embedding = network.genes(rows).to(device)
        self.forward: Callable[[Tensor, Tensor], Tensor] = self._forward

    def _forward(self, values: Tensor, flags: Tensor) -> Tensor:
        return self.body.decode(self.body.encode(self.embedding, values, flags), values)

    @torch.no_grad()
    def predict(self, values: Tensor, batch: int) -> Tensor:
        """Predict cells from host memory in batches; the results are on the host."""
        out = torch.empty(values.shape)
        for start in range(0, len(values), batch):
            part = values[start : start + batch].to(self.device, non_blocking=True)
            flags = targets(len(part), self.n_genes, self.device)
            out[start : start + batch] = self.forward(part, flags).float().cpu()
        return out


def throughput(network: Network, sizes: Sizes, device: torch.device, name: str) -> dict[str, Any]:
    """Seconds per cell at the best batch size in one number type, and the error against float32."""
    ours, on_host = Ours(network, sizes.genes, device), cells(sizes.measured, sizes.genes, torch.device("cpu"))
    on_host = on_host.pin_memory() if device.type == "cuda" else on_host
    tried = {}
    with precision(name, device):
        for batch in sizes.batches:
            n = sizes.measured if name != "float32" else min(sizes.measured, 2 * batch)
            few = on_host[:n]
            taken = interleaved(
                {"": lambda few=few, batch=batch: ours.predict(few, batch)}, 3, synchronize=lambda: synchronize(device)
            )  # type: ignore[misc]
            tried[batch] = taken[""]["median"] / n
        batch = min(tried, key=lambda size: tried[size])
        memory = peak_gib(device, lambda: ours.predict(on_host[:batch], batch))
        predicted = ours.predict(on_host[:32], batch)
    with precision("float32", device):
        exact = ours.predict(on_host[:32], sizes.batches[0])
    per_cell = tried[batch]
    return {
        "precision": name,
        "batch": batch,
        "seconds_per_cell": per_cell,
        "seconds_per_cell_by_batch": tried,
        f"seconds_for_{sizes.cells}_cells_extrapolated": per_cell * sizes.cells,
        "flops": forward_flop(network.config, sizes.genes) / per_cell,
        "memory_gib": memory,
        "largest_error": float((predicted - exact).abs().max()),
        "pearson_delta": _pearson(predicted.mean(0) - on_host[:32].mean(0), exact.mean(0) - on_host[:32].mean(0)),
    }


def engine(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """The package's own engine, batch size "auto"; it needs tqdm beside torch and numpy."""
    from tqdm.auto import tqdm  # noqa: F401  (missing, it is to be missed here, not in the middle of a measurement)

    from scgenept.prediction.engine import Engine, predict_cells

    ours, on_host = Ours(network, sizes.genes, device), cells(sizes.measured, sizes.genes, torch.device("cpu")).numpy()
    flags = targets(1, sizes.genes, torch.device("cpu"))[0]
    genes = SimpleNamespace(offset=None, names=[f"G{i}" for i in range(sizes.genes)])
    tokens = SimpleNamespace(
        genes=genes, embedding=ours.embedding.cpu(), flags=flags, n_measured=sizes.genes, unmeasured=()
    )
    found: dict[str, Any] = {}
    for dtype in ("bfloat16", "float32"):
        settings = Engine(device=str(device), dtype=dtype)  # type: ignore[arg-type]
        n = sizes.measured if dtype == "bfloat16" else max(1, sizes.measured // 4)

        def call(settings: Any = settings, n: int = n) -> Any:
            return predict_cells(network, tokens, lambda start, stop: on_host[start:stop], n, engine=settings)  # type: ignore[arg-type]

        taken = interleaved({"": call}, 3, synchronize=lambda: synchronize(device))[""]
        found[f"{dtype}_seconds_per_cell"] = taken["median"] / n
        found[f"{dtype}_seconds_for_{sizes.cells}_cells_extrapolated"] = taken["median"] / n * sizes.cells
        found[f"{dtype}_memory_gib"] = peak_gib(device, call)
    return found


def fits(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """One cell of very many genes: does it fit, in what time and memory."""
    ours, values = Ours(network, sizes.many_genes, device), cells(1, sizes.many_genes, torch.device("cpu"))
    found: dict[str, Any] = {"genes": sizes.many_genes}
    for name in ("bfloat16", "float32"):
        with precision(name, device):
            found[f"{name}_gib"] = peak_gib(device, lambda: ours.predict(values, 1))
            taken = interleaved({"": lambda: ours.predict(values, 1)}, 2, synchronize=lambda: synchronize(device))
            found[f"{name}_seconds_per_cell"] = taken[""]["median"]
    return found


def peer(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """The same network from torch's modules, one cell per forward pass, beside ours in bfloat16, in turn."""
    theirs, ours = Peer.like(network).to(device), Ours(network, sizes.genes, device)
    tokens = torch.arange(sizes.genes, device=device) % (network.config.n_tokens - 1)
    flags = targets(1, sizes.genes, device)[0]
    on_host = cells(sizes.measured, sizes.genes, torch.device("cpu"))
    few, batch = on_host[: sizes.peer_cells].to(device), sizes.batches[-1]
    with precision("float32", device):
        expected = one_by_one(theirs, tokens, few[:1], flags, fast_path=False).cpu()
        difference = float((ours.predict(on_host[:1], 1) - expected).abs().max())
    if difference > 1e-3:
        msg = f"outputs differ by {difference}: nothing is timed"
        raise RuntimeError(msg)

    def call(name: str, *, fast: bool) -> Callable[[], object]:
        def predict() -> Tensor:
            # The original's autocast is for CUDA; anywhere else it computes in float32.
            with precision(name if device.type == "cuda" else "float32", device):
                return one_by_one(theirs, tokens, few, flags, fast_path=fast).cpu()

        return predict

    def mine() -> Tensor:
        with precision("bfloat16", device):
            return ours.predict(on_host[: 2 * batch], batch)

    calls = {
        "ours, bfloat16": mine,
        "(a) float16 autocast, fast path, as the original": call("float16", fast=True),
        "(a) float32, fast path": call("float32", fast=True),
        "(b) float16 autocast, fast path off": call("float16", fast=False),
    }
    taken = interleaved(calls, 3, synchronize=lambda: synchronize(device))
    n_cells = {name: len(on_host[: 2 * batch]) if name.startswith("ours") else len(few) for name in calls}
    seconds = {name: timing["median"] / n_cells[name] for name, timing in taken.items()}
    return {"seconds_per_cell": seconds, "difference_float32": difference}


def compiled(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """``torch.compile`` of the forward pass, fixed shapes, bfloat16."""
    ours, batch = Ours(network, sizes.genes, device), sizes.batches[-1]
    plain, ours.forward = ours.forward, torch.compile(ours.forward, dynamic=False)
    fast = ours.forward
    values = cells(2 * batch, sizes.genes, torch.device("cpu"))

    def with_forward(forward: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        ours.forward = forward
        with precision("bfloat16", device):
            return ours.predict(values, batch)

    difference = float((with_forward(fast) - with_forward(plain)).abs().max())
    taken = interleaved(
        {"plain": lambda: with_forward(plain), "compiled": lambda: with_forward(fast)},
        3,
        synchronize=lambda: synchronize(device),
    )
    return {
        "seconds_per_cell": {name: t["median"] / len(values) for name, t in taken.items()},
        "difference": difference,
    }


def graphed(network: Network, sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """The forward pass of one batch as a CUDA graph, bfloat16."""
    ours, batch = Ours(network, sizes.genes, device), sizes.batches[0]
    values, flags = cells(batch, sizes.genes, device), targets(batch, sizes.genes, device)
    with torch.no_grad(), precision("bfloat16", device):
        expected = ours.forward(values, flags).clone()
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # Autocast's cache of converted weights must not be filled inside a graph.
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                ours.forward(values, flags)
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph):
                out = ours.forward(values, flags)
        graph.replay()
        difference = float((out.float() - expected.float()).abs().max())
        calls = {"plain": lambda: ours.forward(values, flags), "graph": graph.replay}
        taken = interleaved(calls, 5, synchronize=lambda: synchronize(device))
    return {"seconds_per_cell": {name: t["median"] / batch for name, t in taken.items()}, "difference": difference}


def _pearson(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]).double())[0, 1])
