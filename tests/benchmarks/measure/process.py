"""One measurement in a process of its own: ``python -m tests.benchmarks.measure.process CASE SETTINGS``."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_MARK = "RESULT "


def in_process(case: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run a case's ``run(settings)`` in a fresh interpreter; ``{"failed": why}`` where it does not come back."""
    command = [sys.executable, "-m", "tests.benchmarks.measure.process", case, json.dumps(settings)]
    environment = os.environ | {"SCGENEPT_PROGRESS": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode == 0:
        result: dict[str, Any] = json.loads(done.stdout.rpartition(_MARK)[2])
        return result
    reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
    killed = f"killed by signal {-done.returncode} (out of memory?)" if done.returncode < 0 else ""
    return {"failed": killed or reason[0]}


if __name__ == "__main__":
    found = importlib.import_module(f"tests.benchmarks.cases.{sys.argv[1]}").run(json.loads(sys.argv[2]))
    print(_MARK + json.dumps(found))
