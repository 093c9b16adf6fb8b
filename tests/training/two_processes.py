"""Fine-tune on two CPU processes: run as a script, which the second process runs again."""

from __future__ import annotations

import sys
from pathlib import Path

import scgenept as sgp
from tests.training import interrupted

if __name__ == "__main__":
    out, kind = Path(sys.argv[1]), sys.argv[2]
    around = sgp.tl.Hardware(device="cpu", devices=2, strategy="ddp", micro_batch=None if kind == "whole" else 1)
    model = interrupted.train(out, dropout=0.0, hardware=around)
    print(model.weight_hash)
