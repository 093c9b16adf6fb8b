"""The benchmarks themselves, on sizes of nothing: that they count right, compare right and still run. Times no one."""

from __future__ import annotations

import importlib
import json
import mmap
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from scgenept.nn import VARIANTS, Network
from scgenept.training.step import Batch, GeneRows, loss
from tests.benchmarks import cuda
from tests.benchmarks.cases import NAMES, Options
from tests.benchmarks.cases.inputs import made_up_batch
from tests.benchmarks.measure import machine as machines
from tests.benchmarks.measure import memory, table
from tests.benchmarks.measure.flop import floor_seconds, forward_flop, gene_flop, step_flop
from tests.benchmarks.measure.process import ROOT, in_process
from tests.benchmarks.measure.timing import interleaved
from tests.benchmarks.peers.network import Peer, one_by_one
from tests.benchmarks.peers.reference import VARIABLE, ReferenceMissingError, load_reference
from tests.benchmarks.peers.training import original_step

if TYPE_CHECKING:
    from pathlib import Path

N_GENES, N_CELLS = 20, 3
MACHINE: Any = {"line": "none", "flops": {"float32": 1e11}, "bandwidth": 1e10}


@pytest.fixture
def network() -> Network:
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=31, pad_id=30, language_width=12, d_model=16, n_heads=2, d_hidden=24, n_layers=2
    )
    return Network.initialised(config).eval()


def test_operations_are_those_that_torch_counts(network: Network) -> None:
    token_ids, values, flags, target = made_up_batch(N_CELLS, N_GENES)
    batch = Batch(token_ids, values, flags, target)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as forward, torch.no_grad():
        network.body.decode(network.body.encode(torch.zeros(N_GENES, 16), values, flags), values)
    assert forward.get_total_flops() == N_CELLS * forward_flop(network.config, N_GENES)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as step:
        loss(network.genes, network.body, batch).backward()
    assert step.get_total_flops() == step_flop(network.config, N_CELLS, N_GENES)
    assert gene_flop(network.config, N_GENES) == 2 * N_GENES * 12 * 16


def test_the_published_size_takes_what_was_counted_elsewhere() -> None:
    config = VARIANTS["scgenept_go_c"].config(n_tokens=2, pad_id=1)
    assert forward_flop(config, 5045) == pytest.approx(0.832e12, rel=0.025)
    assert step_flop(config, 64, 1536) == pytest.approx(23.2e12, rel=0.025)


def test_the_floor_is_the_larger_of_two() -> None:
    assert floor_seconds(2e11, 1e9, MACHINE) == 2
    assert floor_seconds(2e11, 4e10, MACHINE) == 4


def test_the_peak_is_the_best_that_was_seen() -> None:
    first = {"flops": {"float32": 1.0}, "best_shape": {"float32": "a"}, "bandwidth": 5.0}
    machines.improve(first, {"flops": {"float32": 2.0}, "best_shape": {"float32": "b"}, "bandwidth": 4.0})  # type: ignore[arg-type]
    assert first == {"flops": {"float32": 2.0}, "best_shape": {"float32": "b"}, "bandwidth": 5.0}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
@pytest.mark.parametrize("fast_path", [True, False])
def test_the_peer_predicts_what_we_predict(network: Network, fast_path: bool) -> None:
    token_ids, values, flags, _ = made_up_batch(N_CELLS, N_GENES)
    with torch.no_grad():
        expected = network(token_ids, values, flags[:1].expand(N_CELLS, -1))
    found = one_by_one(Peer.like(network), token_ids, values, flags[0], fast_path=fast_path)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_original_loop_learns_what_we_learn(network: Network) -> None:
    for part in network.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    token_ids, values, flags, target = made_up_batch(N_CELLS, N_GENES)
    peer = Peer.like(network, text_dtype=torch.float64)
    step = original_step(peer, torch.device("cpu"))
    rows = GeneRows(network, range(N_GENES))
    batch = Batch(rows.local(token_ids), values, flags, target)
    ours = loss(rows.genes, network.body, batch).item()
    assert step(token_ids, values, flags, target) == pytest.approx(ours, rel=1e-5)
    assert step(token_ids, values, flags, target) < ours


def test_the_gpu_script_runs_without_a_gpu() -> None:
    command = [sys.executable, "-W", "error", "-W", "ignore:The PyTorch API of nested tensors", "-c", SCRIPT]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads(done.stdout.rpartition("RESULT")[2])
    left_out = {name: part["left_out"] for name, part in measured["parts"].items() if "left_out" in part}
    assert left_out == dict.fromkeys((name for name in cuda.PARTS if name.endswith(cuda.GPU_ONLY)), "needs a GPU") | {
        "predict by the engine": "failed: ModuleNotFoundError: No module named 'tqdm.auto'; 'tqdm' is not a package"
    }
    assert "extrapolated" in cuda.report(measured)
    assert measured["parts"]["predict bfloat16"]["pearson_delta"] > 0.999


SCRIPT = """
import json, sys
sys.modules |= dict.fromkeys(["anndata", "lightning", "pandas", "pooch", "safetensors", "scipy", "tqdm", "yaml"])
from tests.benchmarks.cuda import main
print("RESULT" + json.dumps(main(["--device", "cpu", "--tiny"])))
"""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quick", [True, False])
def test_every_case_can_be_planned(name: str, quick: bool) -> None:
    case = importlib.import_module(f"tests.benchmarks.cases.{name}")
    jobs = case.plan(Options(quick=quick), MACHINE)
    assert jobs
    assert all(job["label"] for job in jobs)
    json.dumps(jobs)


def test_what_takes_too_long_is_left_out_with_its_reason() -> None:
    case = importlib.import_module("tests.benchmarks.cases.predict")
    jobs = {job["label"]: job for job in case.plan(Options(minutes=3), MACHINE)}
    assert "scgenept left out: about" in jobs["64 x 20,000"]["skip"]
    assert "skip" not in jobs["1 x 512"]


def test_a_case_that_fails_says_why() -> None:
    assert in_process("startup", {})["failed"] == "KeyError: 'repeats'"


def test_the_original_is_looked_for(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ReferenceMissingError, match="names no checkout"):
        load_reference(network)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ReferenceMissingError, match=r"holds no models/scGenePT\.py"):
        load_reference(network)


def test_runs_take_turns() -> None:
    order: list[str] = []
    found = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert order == list("ababab")
    assert found["a"]["n"] == 2


def fresh_pages() -> None:
    """Touch 100 MB that the process never had: an allocator may hand out what an earlier test gave back."""
    with mmap.mmap(-1, 100_000_000) as pages:
        for start in range(0, len(pages), mmap.PAGESIZE):
            pages[start] = 1


def test_memory_and_tables_can_be_read() -> None:
    peak = memory.peak_of(fresh_pages)
    assert not peak["above_mb"] < 90  # NaN where the system does not say
    assert [table.seconds(value) for value in (2e-6, 0.0123, 1.5, 7200, 1e6)] == [
        "2 µs",
        "12.3 ms",
        "1.5 s",
        "2 h",
        "11.6 d",
    ]
    assert table.markdown([{"a": "1"}, {"a": "22", "b": "x"}]).splitlines() == [
        "| a  | b |",
        "|----|---|",
        "| 1  |   |",
        "| 22 | x |",
    ]
