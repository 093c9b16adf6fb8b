"""Everything that needs a GPU, in one command of under eight minutes; torch and numpy are enough.

    PYTHONPATH=src python -m tests.benchmarks.cuda --json out.json

What is extrapolated is called so. A part that fails or for which no time is left says why, and the others go on. With
``--device cpu --tiny`` all of it runs in seconds on any machine, on a network of a few numbers.
"""

from __future__ import annotations

import argparse
import copy
import functools
import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .gpu import predict, train
from .gpu.sizes import TINY, Clock, Sizes, build
from .measure import machine as machines
from .measure import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scgenept.nn import Network

    Part = Callable[[Network, Sizes, torch.device], dict[str, Any]]

PARTS: dict[str, Part] = {
    **{f"predict {name}": functools.partial(predict.throughput, name=name) for name in predict.PRECISIONS},
    "predict by the engine": predict.engine,
    "predict beside the peer": predict.peer,
    "predict many genes": predict.fits,
    "train step": train.step,
    "train beside the original's loop": train.peer,
    "predict as CUDA graph": predict.graphed,
    "train as CUDA graph": train.graphed,
    "train compiled": train.compiled,
    "predict compiled": predict.compiled,
}
"""In the order of their worth, so that what runs out of time is what matters least."""
GPU_ONLY = ("compiled", "CUDA graph")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.cuda", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="also write everything that was measured to this file")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a network of a few numbers: shows that it runs")
    parser.add_argument("--minutes", type=float, default=7, help="begin nothing after this time (default: 7)")
    given = parser.parse_args(arguments)
    device, clock = torch.device(given.device), Clock(given.minutes)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; --device cpu --tiny shows that everything runs")
    sizes = TINY if given.tiny else Sizes()
    measured: dict[str, Any] = {"line": machines.line(given.device), "parts": {}}
    if not given.tiny:
        measured["machine"] = machines.measure(given.device)
    print(measured["line"], flush=True)
    network = build(sizes, device)
    for name, part in PARTS.items():
        measured["parts"][name] = result = attempt(name, part, network, sizes, device, clock)
        print(f"{clock.passed():5.0f} s  {name}: {result.get('left_out', '')}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(measured, indent=1, default=str) + "\n")
    measured["epoch"] = epoch(measured["parts"], sizes)
    print(report(measured))
    if given.json:
        given.json.write_text(json.dumps(measured, indent=1, default=str) + "\n")
    return measured


def attempt(
    name: str, part: Part, network: Network, sizes: Sizes, device: torch.device, clock: Clock
) -> dict[str, Any]:
    """Run a part on a copy of the network, so that training in one changes nothing for the next."""
    if device.type != "cuda" and name.endswith(GPU_ONLY):
        return {"left_out": "needs a GPU"}
    if clock.left() < 0:
        return {"left_out": "no time left"}
    own = copy.deepcopy(network)
    try:
        return part(own, sizes, device)
    except (RuntimeError, ImportError, AttributeError, TypeError, ValueError) as error:
        return {"left_out": f"failed: {type(error).__name__}: {str(error)[:300]}"}
    finally:
        del own
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def epoch(parts: Mapping[str, Any], sizes: Sizes) -> dict[str, Any]:
    """Extrapolate an epoch of Norman from a step and from predicted cells."""
    step, cell = parts["train step"].get("seconds"), parts["predict bfloat16"].get("seconds_per_cell")
    if step is None or cell is None:
        return {"left_out": "step or prediction is missing"}
    training, validation = sizes.epoch_steps * step["step, several in a row"], sizes.validation_cells * cell
    return {
        "training_seconds_extrapolated": training,
        "validation_seconds_extrapolated": validation,
        "minutes_of_20_epochs_extrapolated": (training + validation) / 3,
    }


def report(measured: Mapping[str, Any]) -> str:
    """Return everything as one table: part, quantity, value."""
    rows = [
        {"part": part, "quantity": quantity, "value": value}
        for part, result in {**measured["parts"], "epoch of Norman": measured["epoch"]}.items()
        for quantity, value in _flat(result)
    ]
    peaks = measured.get("machine")
    if peaks:
        rows += [
            {"part": "machine", "quantity": f"peak {k}", "value": table.rate(v)} for k, v in peaks["flops"].items()
        ]
    return table.markdown(rows)


def _flat(result: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    flat = []
    for key, value in result.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            flat += _flat(value, f"{name}: ")
        elif "seconds" in name and isinstance(value, float):
            flat.append((name, table.seconds(value)))
        elif name == "flops":
            flat.append((name, table.rate(value)))
        else:
            flat.append((name, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return flat


if __name__ == "__main__":
    main()
