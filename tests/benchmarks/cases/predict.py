"""Seconds per cell and peak memory of prediction, beside the same network one cell per forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scgenept.nn import VARIANTS
from scgenept.perturbation import Perturbation
from scgenept.prediction.engine import Engine, predict_cells
from scgenept.weights.tokens import build_tokens

from ..measure import memory, table
from ..measure.flop import floor_seconds, forward_bytes, forward_flop
from ..measure.machine import available_gb, has_fast_bfloat16, synchronize
from ..measure.process import in_process
from ..measure.timing import interleaved, per
from ..peers.network import Peer, one_by_one
from ..peers.reference import ReferenceMissingError, load_reference, predict_one
from .inputs import VARIANT, made_up_cells, made_up_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Prediction: seconds per cell"
SIZES = [(cells, genes) for genes in (512, 1536, 5045, 20_000) for cells in (1, 8, 64)]
QUICK = [(1, 256), (8, 256), (1, 512)]
OURS, OURS_BF16 = "scgenept", "scgenept, bfloat16"
FAST, SLOW, ORIGINAL = "(a) torch encoder, fast path", "(b) torch encoder, fast path off", "(c) original"
SLOWNESS = {OURS: 1.5, OURS_BF16: 1.0, FAST: 5.0, SLOW: 2.0, ORIGINAL: 5.0}
"""Expected multiples of the floor, to tell in advance what takes too long."""
TOLERANCE = {OURS: 1e-4, OURS_BF16: 0.1, FAST: 1e-4, SLOW: 1e-4, ORIGINAL: 1e-4}
"""Largest difference from (b), log1p, at which something is timed."""
_MATRICES = {OURS: 0, OURS_BF16: 0, FAST: 2, SLOW: 0, ORIGINAL: 2}
"""Whole attention matrices in memory at once."""


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    config = VARIANTS[VARIANT].config(n_tokens=2, pad_id=1)
    jobs = []
    sizes = QUICK if options.quick else SIZES
    for n_cells, n_genes in sizes:
        floor = forward_flop(config, n_genes) / machine["flops"]["float32"]
        who, notes = [], []
        for name in (OURS, *([OURS_BF16] if _with_bfloat16(options.device) else []), SLOW, FAST, ORIGINAL):
            cells = n_cells if name.startswith(OURS) else 1
            minutes = SLOWNESS[name] * floor * (cells * (options.repeats + 2) + 1) / 60
            gigabytes = _MATRICES[name] * 4 * config.n_heads * n_genes**2 / 1e9
            if minutes > options.minutes:
                notes.append(f"{name} left out: about {minutes:.0f} min (--minutes {options.minutes:.0f})")
            elif gigabytes > 0.6 * available_gb():
                notes.append(f"{name} left out: {gigabytes:.0f} GB of attention matrices")
            else:
                who.append(name)
        label = f"{n_cells} x {n_genes:,}"
        job = {"label": label, "n_cells": n_cells, "n_genes": n_genes, "repeats": options.repeats}
        job |= {"device": options.device, "who": who, "notes": notes}
        job["with_memory"] = not options.quick or (n_cells, n_genes) == sizes[-1]
        jobs.append(job if OURS in who else job | {"skip": "; ".join(notes)})
    return jobs


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Time all in one process, then take the memory of each in one of its own."""
    result = in_process("predict", settings)
    if "failed" not in result:
        result["memory"] = {
            name: in_process("predict", settings | {"memory_of": name})
            for name in result["seconds"]
            if settings["with_memory"] and (settings["n_cells"] == 1 or name.startswith(OURS))
        }
    return result


def run(settings: dict[str, Any]) -> dict[str, Any]:
    only = settings.get("memory_of")
    calls, notes = _calls(settings, [only] if only else settings["who"])
    device = settings["device"]
    if only:
        return dict(memory.peak_of(calls[only]))
    predicted = {name: call() for name, call in calls.items()}
    first = _first(predicted)
    differences = {name: float(np.abs(values[:1] - first).max()) for name, values in predicted.items()}
    if wrong := {name: value for name, value in differences.items() if value > TOLERANCE[name]}:
        msg = f"outputs differ, nothing is timed: {wrong}"
        raise SystemExit(msg)
    # Everything ran once for the comparison, which is the warm-up.
    taken = interleaved(calls, settings["repeats"], synchronize=lambda: synchronize(device), warm_up=False)
    cells = {name: settings["n_cells"] if name.startswith(OURS) else 1 for name in taken}
    return {
        "seconds": {name: per(timing, cells[name]) for name, timing in taken.items()},
        "differences": differences,
        "pearson_delta": _agreement(predicted, settings),
        "notes": notes,
    }


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    config = VARIANTS[VARIANT].config(n_tokens=2, pad_id=1)
    n_cells, n_genes = settings["n_cells"], settings["n_genes"]
    flop = forward_flop(config, n_genes)
    found = []
    ours = result["seconds"][OURS]["median"]
    for name, timing in result["seconds"].items():
        dtype = "bfloat16" if name == OURS_BF16 else "float32"
        floor = floor_seconds(flop, forward_bytes(config, n_genes, n_cells) / n_cells, machine, dtype)
        used = result["memory"].get(name, {})
        found.append(
            {
                "cells x genes": settings["label"],
                "who": name,
                "s/cell": table.seconds(timing["median"]),
                "spread": table.seconds(timing["spread"]),
                "floor": table.seconds(floor),
                "x floor": f"{timing['median'] / floor:.2f}",
                "FLOP/s": table.rate(flop / timing["median"]),
                "of peak": f"{flop / timing['median'] / machine['flops'][dtype]:.0%}",
                "time / ours": f"{timing['median'] / ours:.2f}",
                "peak memory": table.megabytes(used["peak_mb"]) if "peak_mb" in used else used.get("failed", ""),
                "of it for this": table.megabytes(used["above_mb"]) if "above_mb" in used else "",
                "difference": f"{result['differences'][name]:.0e}",
            }
        )
    return found


def _calls(settings: dict[str, Any], who: list[str]) -> tuple[dict[str, Callable[[], np.ndarray]], list[str]]:
    n_cells, n_genes, device = settings["n_cells"], settings["n_genes"], settings["device"]
    model = made_up_model(n_genes + 1)
    genes = [f"G{i}" for i in range(n_genes)]
    cells = made_up_cells(n_cells, n_genes)
    calls: dict[str, Callable[[], np.ndarray]] = {}
    notes = list(settings["notes"])
    for name, dtype in ((OURS, "float32"), (OURS_BF16, "bfloat16")):
        if name in who:
            tokens = build_tokens(model, genes, Perturbation.parse("G0+G1"))
            engine = Engine(device=device, dtype=dtype)  # type: ignore[arg-type]
            calls[name] = (
                lambda tokens=tokens, engine=engine: (
                    predict_cells(  # type: ignore[misc]
                        model.network, tokens, lambda start, stop: cells[start:stop], n_cells, engine=engine
                    ).values
                )
            )
    token_ids = torch.arange(n_genes, device=device)
    flags = torch.zeros(n_genes, dtype=torch.int64, device=device)
    flags[:2] = 1
    first = torch.from_numpy(cells[:1]).to(device)
    if {FAST, SLOW} & set(who):
        peer = Peer.like(model.network).to(device)
        for name, fast in ((SLOW, False), (FAST, True)):
            if name in who:
                calls[name] = lambda fast=fast: one_by_one(peer, token_ids, first, flags, fast_path=fast).cpu().numpy()  # type: ignore[misc]
    if ORIGINAL in who:
        try:
            original = load_reference(model.network).to(device)
            calls[ORIGINAL] = lambda: predict_one(original, token_ids, first, flags).cpu().numpy()
        except ReferenceMissingError as error:
            notes.append(f"{ORIGINAL} left out: {error}")
    model.network.body.to(device)
    return calls, notes


def _first(predicted: dict[str, np.ndarray]) -> np.ndarray:
    """Return the first cell as the most careful of those present predicts it."""
    return predicted.get(SLOW, predicted.get(FAST, predicted.get(OURS)))[:1]  # type: ignore[index]


def _agreement(predicted: dict[str, np.ndarray], settings: dict[str, Any]) -> float | None:
    """Return the Pearson correlation of the mean change in bfloat16 with that in float32."""
    if OURS_BF16 not in predicted:
        return None
    before = made_up_cells(settings["n_cells"], settings["n_genes"]).mean(axis=0)
    return float(np.corrcoef(*(predicted[name].mean(axis=0) - before for name in (OURS, OURS_BF16)))[0, 1])


def _with_bfloat16(device: str) -> bool:
    return device != "cpu" or has_fast_bfloat16()
