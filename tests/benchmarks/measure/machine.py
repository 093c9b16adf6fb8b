"""What this machine is, and the most it does: matrix products and bytes per second.

The peak is the best of several repeats over several shapes, those of the network's own products among them, so that
nothing that runs here beats it by much.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TypedDict

import torch

from .timing import interleaved

SQUARES = (2048, 4096)
NETWORK = ((5045, 512, 1536), (5045, 512, 512), (1536, 512, 1536))
"""Rows, inputs and outputs of the products of one cell of 5,045 or 1,536 genes."""
BANDWIDTH_BYTES = 256_000_000


class Machine(TypedDict):
    """The machine in words, floating point operations per second by number type, bytes per second of a copy."""

    line: str
    device: str
    flops: dict[str, float]
    best_shape: dict[str, str]
    bandwidth: float
    notes: list[str]


def measure(device: str = "cpu", *, quick: bool = False) -> Machine:
    """Describe and measure a device."""
    at = torch.device(device)
    on_gpu = at.type == "cuda"
    types = {"float32": torch.float32}
    notes: list[str] = []
    if on_gpu or has_fast_bfloat16():
        types["bfloat16"] = torch.bfloat16
    else:
        notes.append("bfloat16 is not measured: this CPU has no instructions for it (avx512_bf16 or amx_bf16).")
    if on_gpu:
        types |= {"tf32": torch.float32, "float16": torch.float16}
    shapes = [*NETWORK, *((size, size, size) for size in (SQUARES[:1] if quick else SQUARES))]
    if on_gpu:
        shapes = [(64 * 1536, 512, 1536), (8192, 8192, 8192), *shapes]
    flops, best_shape = {}, {}
    for name, dtype in types.items():
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        found = [(_products_per_second(shape, dtype, at, 3 if quick else 7), shape) for shape in shapes]
        torch.set_float32_matmul_precision(before)
        flops[name], shape = max(found)
        best_shape[name] = " x ".join(map(str, shape))
    return Machine(
        line=line(device),
        device=device,
        flops=flops,
        best_shape=best_shape,
        bandwidth=_copied_per_second(at, 3 if quick else 7),
        notes=notes,
    )


def improve(machine: Machine, again: Machine) -> None:
    """Raise the peaks of a machine to those of another measurement of it where they are higher."""
    for name, value in again["flops"].items():
        if value > machine["flops"][name]:
            machine["flops"][name], machine["best_shape"][name] = value, again["best_shape"][name]
    machine["bandwidth"] = max(machine["bandwidth"], again["bandwidth"])


def line(device: str = "cpu") -> str:
    """Return the machine in one line."""
    software = f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}"
    if torch.device(device).type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}, {software}"
    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    threads = torch.get_num_threads()
    return (
        f"{cpu_model()}, {os.cpu_count()} cores, {threads} thread{'s' * (threads > 1)}, "
        f"{torch.backends.cpu.get_cpu_capability()}, BLAS {blas[1] if blas else 'unknown'}, {software}"
    )


def cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def has_fast_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(_cpuinfo("flags").split() + _cpuinfo("Features").split()))


def available_gb() -> float:
    """Memory that is free or can be freed, in GB; infinite where the system does not say."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return float("inf")
    return next(int(row.split()[1]) / 1e6 for row in path.read_text().splitlines() if row.startswith("MemAvailable"))


def synchronize(device: str | torch.device) -> None:
    """Wait until a device has done what it was asked for."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def _products_per_second(shape: tuple[int, int, int], dtype: torch.dtype, at: torch.device, repeats: int) -> float:
    rows, inner, columns = shape
    a = torch.rand(rows, inner, device=at).to(dtype)
    b = torch.rand(inner, columns, device=at).to(dtype)
    timing = interleaved({"": lambda: a @ b}, repeats, synchronize=lambda: synchronize(at))[""]
    return 2 * rows * inner * columns / timing["best"]


def _copied_per_second(at: torch.device, repeats: int) -> float:
    source = torch.zeros(BANDWIDTH_BYTES // 4, device=at)
    target = torch.empty_like(source)
    timing = interleaved({"": lambda: target.copy_(source)}, repeats, synchronize=lambda: synchronize(at))[""]
    return 2 * source.nbytes / timing["best"]


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    rows = path.read_text().splitlines() if path.exists() else []
    return next((row.partition(":")[2].strip() for row in rows if row.startswith(key)), "")
