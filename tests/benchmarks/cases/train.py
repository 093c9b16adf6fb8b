"""Seconds and memory of a training step with dropout, beside the original's loop on torch's own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scgenept.nn import VARIANTS
from scgenept.training.step import Batch, GeneRows, loss, train_step, trainable

from ..measure import memory, table
from ..measure.flop import floor_seconds, forward_bytes, step_flop
from ..measure.machine import synchronize
from ..measure.process import in_process
from ..measure.timing import interleaved
from ..peers.network import Peer
from ..peers.training import original_step
from .inputs import N_TOKENS, VARIANT, made_up_batch, made_up_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Training: one step with dropout 0.2"
GENES_IN_USE = 5045
OURS, PEER = "scgenept", "original's loop, torch encoder"
SLOWNESS = {OURS: 2.5, PEER: 6.0}


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    sizes = [(2, 256)] if options.quick else [(2, 1536), (8, 1536), (64, 1536)]
    n_tokens = 10_000 if options.quick else N_TOKENS
    config = VARIANTS[VARIANT].config(n_tokens=2, pad_id=1)
    jobs = []
    for n_cells, n_genes in sizes:
        who, notes = [], []
        floor = step_flop(config, n_cells, n_genes) / machine["flops"]["float32"]
        for name in (OURS, PEER):
            minutes = SLOWNESS[name] * floor * (options.repeats + 2) / 60
            if minutes > options.minutes:
                notes.append(f"{name} left out: about {minutes:.0f} min (--minutes {options.minutes:.0f})")
            else:
                who.append(name)
        job = {"label": f"{n_cells} x {n_genes:,}", "n_cells": n_cells, "n_genes": n_genes, "n_tokens": n_tokens}
        job |= {"repeats": options.repeats, "device": options.device, "who": who, "notes": notes}
        jobs.append(job if OURS in who else job | {"skip": "; ".join(notes)})
    return jobs


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Time both in one process, then take the memory of each in one of its own."""
    result = in_process("train", settings)
    if "failed" not in result:
        result["memory"] = {name: in_process("train", settings | {"memory_of": name}) for name in result["seconds"]}
    return result


def run(settings: dict[str, Any]) -> dict[str, Any]:
    only = settings.get("memory_of")
    calls, losses = _calls(settings, [only] if only else settings["who"], compare=not only)
    if only:
        return dict(memory.peak_of(calls[only]))
    if len(losses) > 1 and abs(losses[OURS] - losses[PEER]) > 1e-5 * abs(losses[PEER]):
        msg = f"losses differ, nothing is timed: {losses}"
        raise SystemExit(msg)
    taken = interleaved(calls, settings["repeats"], synchronize=lambda: synchronize(settings["device"]))
    return {"seconds": taken, "losses": losses, "notes": settings["notes"]}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    config = VARIANTS[VARIANT].config(n_tokens=2, pad_id=1)
    n_cells, n_genes = settings["n_cells"], settings["n_genes"]
    flop = step_flop(config, n_cells, n_genes)
    floor = floor_seconds(flop, 3 * forward_bytes(config, n_genes, n_cells), machine)
    ours = result["seconds"][OURS]["median"]
    return [
        {
            "cells x genes": settings["label"],
            "who": name,
            "s/step": table.seconds(timing["median"]),
            "spread": table.seconds(timing["spread"]),
            "floor": table.seconds(floor),
            "x floor": f"{timing['median'] / floor:.2f}",
            "FLOP/s": table.rate(flop / timing["median"]),
            "time / ours": f"{timing['median'] / ours:.2f}",
            "peak memory": table.megabytes(result["memory"][name].get("peak_mb", float("nan"))),
            "of it for the step": table.megabytes(result["memory"][name].get("above_mb", float("nan"))),
            "table rows": f"{settings['n_tokens']:,}",
        }
        for name, timing in result["seconds"].items()
    ]


def our_step(settings: dict[str, Any], n_genes: int) -> tuple[Callable[[], float], Callable[[], float], Any]:
    """Return our step, its loss without dropout, and the network, on the rows of the genes in use."""
    network = made_up_model(settings["n_tokens"]).network
    n_rows = max(n_genes, min(GENES_IN_USE, settings["n_tokens"] - 1))
    rows_in_use = GeneRows(network, range(n_rows))
    genes, body = rows_in_use.genes.to(settings["device"]), network.body.to(settings["device"])
    token_ids, values, flags, target = made_up_batch(settings["n_cells"], n_genes)
    batch = Batch(rows_in_use.local(token_ids), values, flags, target).to(torch.device(settings["device"]))
    optimizer = torch.optim.Adam(trainable(genes, body), lr=1e-4)

    def step() -> float:
        genes.train()
        body.train()
        return float(train_step(genes, body, batch, optimizer))

    def without_dropout() -> float:
        genes.eval()
        body.eval()
        with torch.no_grad():
            return float(loss(genes, body, batch))

    return step, without_dropout, network


def _calls(
    settings: dict[str, Any], who: list[str], *, compare: bool
) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    n_genes, device = settings["n_genes"], torch.device(settings["device"])
    calls: dict[str, Callable[[], object]] = {}
    losses: dict[str, float] = {}
    network = None
    if OURS in who:
        calls[OURS], without_dropout, network = our_step(settings, n_genes)
        if compare:
            losses[OURS] = without_dropout()
    if PEER in who:
        network = network or made_up_model(settings["n_tokens"]).network
        peer = Peer.like(network, text_dtype=torch.float64).to(device)
        batch = tuple(part.to(device) for part in made_up_batch(settings["n_cells"], n_genes))
        if compare:
            with torch.no_grad():
                predicted = peer(batch[0].repeat(len(batch[1]), 1), *batch[1:3])
            losses[PEER] = float(((predicted - batch[3]) ** 2).mean())
        step = original_step(peer.train(), device)
        calls[PEER] = lambda: step(*batch)
    return calls, losses
