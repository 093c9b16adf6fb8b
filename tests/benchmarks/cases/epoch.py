"""One epoch on data of Norman's size, extrapolated from a few measured steps and cells.

51,283 training and 8,024 validation cells are those of seed 1 of the "simulation" split of GEARS' Norman file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scgenept.nn import VARIANTS

from ..measure import table
from ..measure.flop import forward_flop, step_flop
from ..measure.machine import synchronize
from ..measure.timing import interleaved
from . import training_data
from .inputs import N_TOKENS, VARIANT, made_up_cells
from .train import our_step

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Training: one epoch of Norman, extrapolated"
TRAINING_CELLS, VALIDATION_CELLS, BATCH = 51_283, 8_024, 64
STEPS = TRAINING_CELLS // BATCH
DATA_GENES = 5045


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    part = BATCH if options.device == "cuda" else 2
    genes = 256 if options.quick else 1536
    job = {
        "label": f"{STEPS} steps of {BATCH} x {genes:,}",
        "n_cells": part,
        "n_genes": genes,
        "device": options.device,
    }
    job |= {"n_tokens": 10_000 if options.quick else N_TOKENS, "repeats": options.repeats, "notes": []}
    job["validation_genes"] = 256 if options.quick else DATA_GENES
    config = VARIANTS[VARIANT].config(n_tokens=2, pad_id=1)
    work = step_flop(config, part, genes) * 2.5 + forward_flop(config, job["validation_genes"]) * 1.5
    minutes = work * (options.repeats + 1) / machine["flops"]["float32"] / 60
    return [job | {"skip": f"about {minutes:.0f} min"} if minutes > options.minutes else job]


def run(settings: dict[str, Any]) -> dict[str, Any]:
    step, _, network = our_step(settings, settings["n_genes"])
    device, n_genes = torch.device(settings["device"]), settings["validation_genes"]
    body, values = network.body, torch.from_numpy(made_up_cells(1, n_genes)).to(device)
    embedding = torch.zeros(n_genes, network.config.d_model, device=device)
    flags = torch.zeros(1, n_genes, dtype=torch.int64, device=device)

    def validate() -> None:
        body.eval()
        with torch.inference_mode():
            body.decode(body.encode(embedding, values, flags), values)

    calls = {"step": step, "validation": validate}
    taken = interleaved(calls, settings["repeats"], synchronize=lambda: synchronize(device))
    data = training_data.run({"cells": 5_000, "genes": DATA_GENES, "repeats": 10, "sample": settings["n_genes"]})
    return {"seconds": taken, "data": data["seconds"], "notes": settings["notes"]}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    part = settings["n_cells"]
    step = result["seconds"]["step"]["median"] * BATCH / part
    training = STEPS * (step + result["data"]["median"])
    validation = VALIDATION_CELLS * result["seconds"]["validation"]["median"]
    n = settings["repeats"]
    return [
        {
            "epoch": settings["label"],
            "training": table.seconds(training),
            "of it data": table.seconds(STEPS * result["data"]["median"]),
            f"validation, {VALIDATION_CELLS:,} cells x {settings['validation_genes']:,}": table.seconds(validation),
            "20 epochs": table.seconds(20 * (training + validation)),
            "extrapolated from": f"{n} steps of {part} cells, {n} validation cells",
        }
    ]
