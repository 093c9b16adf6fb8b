"""All timings in one command: ``python -m tests.benchmarks [--quick] [--case NAME ...] [--json FILE] [--device cuda]``.

Prints Markdown tables. Peers have the same weights and inputs, their outputs are compared before anything is timed, and
their runs take turns. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import NAMES, Options
from .measure import machine as machines
from .measure import table
from .measure.process import in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .measure.machine import Machine


USE_PEAKS = ("predict", "train")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: under three minutes on two cores")
    parser.add_argument("--case", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, help="also write everything that was measured to this file")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10, help="leave out what would take longer (default: 10)")
    parser.add_argument("--show", type=Path, help="print the tables of a file that --json wrote, and measure nothing")
    given = parser.parse_args(arguments)
    if given.show:
        earlier = json.loads(given.show.read_text())
        print(describe(earlier["machine"]))
        for name, found in earlier["cases"].items():
            print(page(name, found, earlier["machine"]))
        return
    repeats = min(2, given.repeats) if given.quick else given.repeats
    options = Options(quick=given.quick, device=given.device, repeats=repeats, minutes=given.minutes)
    machine = machines.measure(given.device, quick=given.quick)
    measured: dict[str, Any] = {"machine": machine, "options": vars(given), "cases": {}}

    def keep() -> None:
        if given.json:
            given.json.write_text(json.dumps(measured, indent=1, default=str) + "\n")

    for name in given.case:
        measured["cases"][name] = found = []
        for one in measure(name, options, machine):
            found.append(one)
            keep()  # each time, so that an interrupted run leaves what it has
        # Whatever else the machine was doing when it was measured first, the peak is the best that was seen.
        if name in USE_PEAKS:
            machines.improve(machine, machines.measure(given.device, quick=given.quick))
    keep()
    print(describe(machine))
    for name, found in measured["cases"].items():
        print(page(name, found, machine))


def describe(machine: Machine) -> str:
    """Return the machine line and its peaks."""
    peaks = [f"{name} {table.rate(value)} ({machine['best_shape'][name]})" for name, value in machine["flops"].items()]
    text = f"{machine['line']}\n\nMeasured peaks: {', '.join(peaks)}; copies {machine['bandwidth'] / 1e9:.1f} GB/s."
    return "\n".join([text, *machine["notes"]])


def measure(name: str, options: Options, machine: Machine) -> Iterator[dict[str, Any]]:
    """Yield settings and result of each measurement of a case as they come."""
    case = importlib.import_module(f"tests.benchmarks.cases.{name}")
    for settings in case.plan(options, machine):
        if "skip" in settings:
            result: dict[str, Any] = {"skipped": settings["skip"]}
        else:
            start = time.monotonic()
            result = case.measure(settings) if hasattr(case, "measure") else in_process(name, settings)
            print(f"{name}, {settings['label']}: took {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        yield {"settings": settings, "result": result}


def page(name: str, found: list[dict[str, Any]], machine: Machine) -> str:
    """Return title, table and notes of a case."""
    case = importlib.import_module(f"tests.benchmarks.cases.{name}")
    rows, notes = [], []
    for settings, result in ((one["settings"], one["result"]) for one in found):
        if why := result.get("skipped") or result.get("failed"):
            notes.append(f"{settings['label']}: {'left out' if 'skipped' in result else 'FAILED'}: {why}")
            continue
        rows += case.rows(settings, result, machine)
        notes += [f"{settings['label']}: {note}" for note in result.get("notes", [])]
    text = table.markdown(rows) if rows else "Nothing was measured."
    return "\n".join([f"\n### {case.TITLE}\n", text, "", *(f"- {note}" for note in dict.fromkeys(notes))])


if __name__ == "__main__":
    main()
