"""Peak memory of reading a checkpoint, in a process of its own: ``make PATH N_TOKENS N_LAYERS``, ``read PATH``."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

from scgenept import models
from scgenept.nn import VARIANTS, Network
from scgenept.weights.adapters import to_original


def make(path: Path, n_tokens: int, n_layers: int) -> None:
    """Write a checkpoint in the original's proportions: 512 wide, a float64 table of 1,536 wide text embeddings."""
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=n_tokens,
        pad_id=n_tokens - 1,
        language_width=1536,
        d_model=512,
        n_heads=8,
        d_hidden=512,
        n_layers=n_layers,
    )
    with torch.device("meta"):
        network = Network(config)
    state = {
        name: torch.zeros(tensor.shape, dtype=torch.float64 if ".languages." in name and "table" in name else None)
        for name, tensor in network.state_dict().items()
    }
    torch.save(to_original(state, config, "native"), path)


def memory(peak: bool) -> int:
    """Bytes in memory, now or at most so far; of this program alone, which ``ru_maxrss`` is not after a fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    key = "VmHWM" if peak else "VmRSS"
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(key))


def read(path: Path) -> float:
    """Return the peak above what the imports need, as a multiple of the size of the file."""
    n_tokens = int(path.stem)
    vocab = {f"GENE{i}": i for i in range(n_tokens - 3)}
    vocab |= {name: n_tokens - 3 + i for i, name in enumerate(("<cls>", "<eoc>", "<pad>"))}
    start = memory(peak=False)
    models.from_checkpoint(path, vocab=vocab)
    return (memory(peak=True) - start) / path.stat().st_size


if __name__ == "__main__":
    command, file, *sizes = sys.argv[1:]
    if command == "make":
        make(Path(file), *map(int, sizes))
    else:
        print(read(Path(file)))
