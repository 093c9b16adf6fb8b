"""Seconds per cell of the full-size network beside the same network from ``torch.nn.TransformerEncoder``.

Both hold the same random weights and must give the same output before anything is timed. The peer
predicts one cell per forward pass, as the original does: (a) with torch's fast path, as shipped, and
(b) with it off.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from scgenept.nn import VARIANTS, Network
from scgenept.weights.adapters import to_original

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Peer(nn.Module):
    """The published architecture from torch's own modules; embeddings come from our network."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        config = network.config
        layer = nn.TransformerEncoderLayer(
            config.d_model, config.n_heads, config.d_hidden, config.dropout, batch_first=True
        )
        self.transformer_encoder = nn.TransformerEncoder(layer, config.n_layers)
        state = to_original(network.state_dict(), config)
        prefix = "transformer_encoder."
        self.transformer_encoder.load_state_dict(
            {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        )
        self.network = network
        self.eval()

    def forward(self, token_ids: Tensor, values: Tensor, flags: Tensor) -> Tensor:
        body = self.network.body
        x = body.embed(self.network.genes(token_ids), values, flags)
        mask = torch.zeros_like(values, dtype=torch.bool)
        return body.decode(self.transformer_encoder(x, src_key_padding_mask=mask), values)


def median_seconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and spread (largest minus smallest) after one warm-up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times), max(times) - min(times)


def matmul_peak(repeats: int = 5, size: int = 2048) -> float:
    """Floating point operations per second of a float32 matrix product here."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    return 2 * size**3 / median_seconds(lambda: a @ b, repeats)[0]


def forward_flop(n_genes: int, n_layers: int = 12, d: int = 512) -> float:
    """Operations of one cell: projections and feed-forward, attention, counts and decoder."""
    dense = n_layers * (2 * n_genes * d * (3 * d + d + d + d)) + 2 * n_genes * d * d * 3
    return dense + n_layers * 4 * n_genes**2 * d


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=5045)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", help="also write the table to this file")
    arguments = parser.parse_args()

    n_genes = arguments.genes
    config = VARIANTS["scgenept_go_c"].config(n_tokens=n_genes + 1, pad_id=n_genes)
    network = Network.initialised(config).eval()
    peer = Peer(network)
    rng = np.random.default_rng(0)
    token_ids = torch.arange(n_genes)
    values = torch.from_numpy((rng.random((1, n_genes)) * 3 * (rng.random((1, n_genes)) < 0.1)).astype(np.float32))
    flags = torch.zeros(1, n_genes, dtype=torch.int64)
    flags[0, :2] = 1

    genes = network.genes(token_ids)

    def ours() -> Tensor:
        return network.body.decode(network.body.encode(genes, values, flags), values)

    def theirs() -> Tensor:
        return peer(token_ids[None], values, flags)

    difference = float((ours() - theirs()).abs().max())
    if difference > 1e-4:
        msg = f"outputs differ by {difference}: nothing is timed"
        raise SystemExit(msg)

    peak = matmul_peak()
    rows = {"scgenept": median_seconds(ours, arguments.repeats)}
    torch.backends.mha.set_fastpath_enabled(True)
    rows["torch encoder, fast path (as the original)"] = median_seconds(theirs, arguments.repeats)
    torch.backends.mha.set_fastpath_enabled(False)
    rows["torch encoder, fast path off"] = median_seconds(theirs, arguments.repeats)

    flop = forward_flop(n_genes)
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{n_genes} genes, 1 cell, {flop / 1e12:.3f} TFLOP; matmul peak {peak / 1e9:.0f} GFLOP/s; ", end="")
    print(f"floor {flop / peak:.2f} s; outputs agree to {difference:.1e}")
    for name, (median, spread) in rows.items():
        print(f"{name:<45} {median:7.2f} s/cell  spread {spread:5.2f}  {flop / median / peak:5.0%} of peak")
    if arguments.json:
        result = {"genes": n_genes, "peak": peak, "flop": flop, "difference": difference, "seconds": rows}
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
