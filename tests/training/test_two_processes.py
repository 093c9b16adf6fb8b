"""Two processes that share every batch learn what one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept._errors import TrainingError
from tests.training import interrupted

ROOT = Path(__file__).parents[2]
LOSSES = ["train_loss", "validation_loss"]


def run_script(out: Path, kind: str, *, launcher: tuple[str, ...] = ()) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, *launcher, str(ROOT / "tests" / "training" / "two_processes.py"), str(out), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, sgp.models.ScGenePT]:
    out = tmp_path_factory.mktemp("alone") / "run"
    model = interrupted.train(out, dropout=0.0)
    return pd.read_csv(out / "log.csv"), model


@pytest.mark.parametrize(
    ("kind", "launcher"),
    [("whole", ()), ("parts", ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"))],
    ids=["started by Lightning", "torchrun, one cell at a time"],
)
def test_the_same_losses_as_one_process(
    alone: tuple[pd.DataFrame, sgp.models.ScGenePT], tmp_path: Path, kind: str, launcher: tuple[str, ...]
) -> None:
    printed = run_script(tmp_path / "run", kind, launcher=launcher)
    log, model = alone
    shared = pd.read_csv(tmp_path / "run" / "log.csv")
    np.testing.assert_allclose(shared[LOSSES], log[LOSSES], rtol=2e-6)
    hashes = [line for line in printed.splitlines() if len(line) == 64]
    assert len(hashes) == 2
    assert len(set(hashes)) == 1, "the two processes return different weights"
    trained = sgp.models.load(tmp_path / "run").network.state_dict()
    for name, tensor in model.network.state_dict().items():
        ours, theirs = tensor.numpy(), trained[name].numpy()
        if name.endswith("qkv.bias"):  # the third of the keys is without effect: its gradient is rounding noise
            third = len(ours) // 3
            ours, theirs = (np.delete(bias, slice(third, 2 * third)) for bias in (ours, theirs))
        np.testing.assert_allclose(theirs, ours, atol=2e-5, err_msg=name)


def test_a_batch_that_cannot_be_shared() -> None:
    from scgenept.training.fit import _require_equal_shares

    with pytest.raises(TrainingError, match="batch_size=8 cannot be shared equally by 3 processes"):
        _require_equal_shares(sgp.tl.TrainingPlan(batch_size=8), 3)
