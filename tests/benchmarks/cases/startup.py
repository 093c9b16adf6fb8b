"""Seconds that imports take, above those of an interpreter that imports nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from ..measure import table
from ..measure.timing import interleaved

if TYPE_CHECKING:
    from ..measure.machine import Machine
    from ..measure.table import Row
    from . import Options

TITLE = "Start-up: imports, warm"
NOTHING = "pass"
STATEMENTS = (
    NOTHING,
    "import scgenept",
    "import scgenept; scgenept.pp",
    "import scgenept; scgenept.tl",
    "import torch",
    "import scanpy",
)


def plan(options: Options, machine: Machine) -> list[dict[str, Any]]:
    return [{"label": "imports", "repeats": options.repeats if options.quick else 3 * options.repeats, "notes": []}]


def run(settings: dict[str, Any]) -> dict[str, Any]:
    def starter(statement: str) -> Any:
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)

    return {"seconds": interleaved({name: starter(name) for name in STATEMENTS}, settings["repeats"]), "notes": []}


def rows(settings: dict[str, Any], result: dict[str, Any], machine: Machine) -> list[Row]:
    nothing = result["seconds"][NOTHING]["median"]
    return [
        {
            "statement": name,
            "beyond nothing": table.seconds(timing["median"] - nothing) if name != NOTHING else "",
            "whole process": table.seconds(timing["median"]),
            "spread": table.seconds(timing["spread"]),
        }
        for name, timing in result["seconds"].items()
    ]
