"""Reading a checkpoint takes little more memory than the file is large."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "tests.models.peak_memory", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, env=environment).stdout


def test_peak_memory_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "15000.pt"
    run("make", path, 15_000, 6)
    assert path.stat().st_size > 200e6
    assert float(run("read", path)) < 1.3
    path.unlink()
