"""A small fine-tuning that can be told to die, for processes of their own."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch

import scgenept as sgp
from scgenept._settings import settings
from scgenept.training import state

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

N_EPOCHS = 4
BATCH = 8
STEPS_PER_EPOCH = 3  # of 27 perturbed cells in training


def cells() -> AnnData:
    """Return toy cells, set up and split by cell."""
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    adata.obs["split"] = np.where(np.arange(adata.n_obs) % 4 == 3, "val", "train")
    return adata


def train(out: Path | None, *, resume: bool = False, callbacks: tuple[L.Callback, ...] = (), **options: Any) -> Any:
    """Fine-tune with dropout, a moving average and few genes per step, so that every kind of draw matters."""
    torch.set_num_threads(1)
    settings.progress = False
    recipe = {"epochs": N_EPOCHS, "batch_size": BATCH, "genes_per_step": 20, "averaging": 0.9, "learning_rate": 1e-3}
    plan = sgp.tl.TrainingPlan(**{**recipe, **options.pop("plan", {})})
    small = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1, dropout=options.pop("dropout", 0.2))
    return sgp.tl.finetune(
        options.pop("adata", None) or cells(),
        variant="scgpt",
        init=None,
        architecture=small,
        plan=plan,
        out=out,
        resume=resume,
        callbacks=callbacks,
        **options,
    )


class KillAt(L.Callback):
    """Kills the process, as a scheduler would, after the given step of this process."""

    def __init__(self, step: int) -> None:
        self.left = step

    def on_train_batch_end(self, *_: Any) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def killed_at_step(out: Path, step: int) -> None:
    train(out, resume=True, callbacks=(KillAt(step),))


def killed_in_write(out: Path, write: int) -> None:
    """Die when half of the bytes of the n-th file of state are on the disk."""
    whole, written = state.save_file, [0]

    def half(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        whole(tensors, path, metadata)
        written[0] += 1
        if written[0] == write:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    state.save_file = half  # type: ignore[assignment]
    train(out, resume=True)


def to_the_end(out: Path, resume: bool) -> None:
    train(out, resume=resume)
