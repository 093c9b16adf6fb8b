"""Seconds and memory to load a model of the published size, to check its hash and to make a first prediction."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..measure import memory, table
from ..measure.process import in_process
from ..measure.timing import summary

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Start-up: loading a model of the published size, warm"
FORMS = {"folder": "own folder", "checkpoint": "the original's .pt"}


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    return [
        {"label": label, "form": form, "repeats": 2 if options.quick else options.repeats, "notes": []}
        for form, label in list(FORMS.items())[: 1 if options.quick else None]
    ]


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Write the files in one process; load and use them in a fresh process each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / ("model" if settings["form"] == "folder" else "model.pt"))
        written = in_process("checkpoint", settings | {"step": "write", "path": path})
        loads = [
            in_process("checkpoint", settings | {"step": "load", "path": path}) for _ in range(settings["repeats"] + 1)
        ]
    loads = loads[1:]  # the first one warms the cache of the file system
    if failed := next((result for result in (written, *loads) if "failed" in result), None):
        return failed
    result: dict[str, Any] = {
        "seconds": {name: summary([load["seconds"][name] for load in loads]) for name in loads[0]["seconds"]}
    }
    result["mb"] = {name: statistics.median(load["mb"][name] for load in loads) for name in loads[0]["mb"]}
    return result | {"compiler": any(load["compiler"] for load in loads), "file_mb": written["mb"], "notes": []}


def run(settings: dict[str, Any]) -> dict[str, Any]:
    return (_write if settings["step"] == "write" else _load)(settings)


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    seconds, mb = result["seconds"], result["mb"]
    return [
        {
            "file": settings["label"],
            "size": table.megabytes(result["file_mb"]),
            "import of the door": table.seconds(seconds["import"]["median"]),
            "load": table.seconds(seconds["load"]["median"]),
            "spread": table.seconds(seconds["load"]["spread"]),
            "memory of load": table.megabytes(mb["load"]),
            "hash": table.seconds(seconds["hash"]["median"]),
            "memory of hash": table.megabytes(mb["hash"]),
            "first prediction, 1 x 512": table.seconds(seconds["prediction"]["median"]),
            "peak of all": table.megabytes(mb["peak"]),
            "compiler loaded": "yes" if result["compiler"] else "no",
        }
    ]


def _write(settings: dict[str, Any]) -> dict[str, Any]:
    from .inputs import N_TOKENS, made_up_model

    path = Path(settings["path"])
    model = made_up_model(N_TOKENS)
    if settings["form"] == "folder":
        model.save(path)
        return {"mb": sum(file.stat().st_size for file in path.iterdir()) / 2**20}
    model.export(path)
    return {"mb": path.stat().st_size / 2**20}


def _load(settings: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    seconds: dict[str, float] = {}
    mb: dict[str, float] = {}

    def timed(name: str, start: float, before: float) -> None:
        seconds[name], mb[name] = time.perf_counter() - start, memory.resident() - before

    start, before = time.perf_counter(), memory.resident()
    import scgenept as sgp

    models = sgp.models
    timed("import", start, before)
    start, before = time.perf_counter(), memory.resident()
    if settings["form"] == "folder":
        model = models.load(settings["path"])
    else:
        from .inputs import N_TOKENS

        vocabulary = {f"G{i}": i for i in range(N_TOKENS - 1)} | {"<pad>": N_TOKENS - 1}
        for i, name in enumerate(("<cls>", "<eoc>")):  # the original's vocabulary has them
            vocabulary[name] = vocabulary.pop(f"G{i}")
        model = models.from_checkpoint(settings["path"], vocab=vocabulary)
    timed("load", start, before)
    start, before = time.perf_counter(), memory.resident()
    _ = model.weight_hash
    timed("hash", start, before)
    import anndata as ad
    import pandas as pd

    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(10, 522)]
    obs = pd.DataFrame({"is_control": [True]}, index=["cell"])
    adata = ad.AnnData(np.log1p(rng.poisson(0.3, (1, 512))).astype(np.float32), obs=obs, var=pd.DataFrame(index=genes))
    import warnings

    start, before = time.perf_counter(), memory.resident()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # made-up cells look like no cells
        sgp.tl.predict_perturbation(adata, ["G12"], model=model)
    timed("prediction", start, before)
    mb["peak"] = memory.highest()
    return {"seconds": seconds, "mb": mb, "compiler": "torch._dynamo" in sys.modules}
