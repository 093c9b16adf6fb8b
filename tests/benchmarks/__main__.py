"""All timings in one command: ``python -m tests.benchmarks [--quick] [--case NAME ...] [--json FILE] [--device cuda]``.

Prints Markdown tables. Peers have the same weights and inputs, their outputs are compared before anything is timed, and
their runs take turns. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import NAMES, Options
from .measure import machine as machines
from .measure import table
from .measure.process import in_process

if TYPE_CHECKING:
    from .measure.machine import Machine


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: under three minutes on two cores")
    parser.add_argument("--case", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, help="also write everything that was measured to this file")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10, help="leave out what would take longer (default: 10)")
    given = parser.parse_args(arguments)
    repeats = min(2, given.repeats) if given.quick else given.repeats
    options = Options(quick=given.quick, device=given.device, repeats=repeats, minutes=given.minutes)
    machine = machines.measure(given.device, quick=given.quick)
    print(describe(machine))
    measured: dict[str, Any] = {"machine": machine, "options": vars(given) | {"json": str(given.json)}, "cases": {}}
    for name in given.case:
        measured["cases"][name] = measure(name, options, machine)
        if given.json:  # after each case, so that an interrupted run leaves what it has
            given.json.write_text(json.dumps(measured, indent=1, default=str) + "\n")


def describe(machine: Machine) -> str:
    """Return the machine line and its peaks."""
    peaks = [f"{name} {table.rate(value)} ({machine['best_shape'][name]})" for name, value in machine["flops"].items()]
    text = f"{machine['line']}\n\nMeasured peaks: {', '.join(peaks)}; copies {machine['bandwidth'] / 1e9:.1f} GB/s."
    return "\n".join([text, *machine["notes"]])


def measure(name: str, options: Options, machine: Machine) -> list[dict[str, Any]]:
    """Run a case and print its table."""
    case = importlib.import_module(f"tests.benchmarks.cases.{name}")
    print(f"\n### {case.TITLE}\n", flush=True)
    found, shown, notes = [], [], []
    for settings in case.plan(options, machine):
        if "skip" in settings:
            result: dict[str, Any] = {"skipped": settings["skip"]}
        else:
            print(f"{name}: {settings['label']}", file=sys.stderr, flush=True)
            result = case.measure(settings) if hasattr(case, "measure") else in_process(name, settings)
        found.append({"settings": settings, "result": result})
        if why := result.get("skipped") or result.get("failed"):
            notes.append(f"{settings['label']}: {'left out' if 'skipped' in result else 'FAILED'}: {why}")
            continue
        shown += case.rows(settings, result, machine)
        notes += [f"{settings['label']}: {note}" for note in result.get("notes", [])]
    print(table.markdown(shown) if shown else "Nothing was measured.")
    print("".join(f"\n- {note}" for note in dict.fromkeys(notes)), flush=True)
    return found


if __name__ == "__main__":
    main()
