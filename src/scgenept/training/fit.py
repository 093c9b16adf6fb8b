"""Fine-tune a model on pairs, through a Lightning Trainer."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch.utils.data import DataLoader

from .._errors import DataError
from .._settings import settings
from ..prediction.device import resolve_device
from .batches import PairBatches, TargetTokens
from .module import PerturbationModule
from .step import GeneRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

    from ..data.pairs import Pairs
    from ..weights.model import ScGenePT
    from .plan import TrainingPlan
    from .step import Batch


@dataclass(frozen=True)
class TrainingRun:
    """What happened during training.

    Attributes
    ----------
    history
        One row per epoch: ``epoch``, ``train_loss``, ``validation_loss``.
    best_epoch
        The epoch whose weights were kept: the best by validation loss, or the last without validation.
    """

    history: pd.DataFrame
    best_epoch: int


def fit(model: ScGenePT, train: Pairs, validation: Pairs | None, plan: TrainingPlan) -> TrainingRun:
    """Train a model in place.

    Parameters
    ----------
    model
        Its network is changed; gene rows that do not occur keep their values.
    train
        Cells to learn from.
    validation
        Cells to choose the epoch by, over all genes, mean over cells; ``None`` keeps the last epoch.
    plan
        The recipe.
    """
    if len(train) < plan.batch_size:
        msg = f"{len(train):,} perturbed cells do not fill one batch of {plan.batch_size}: lower batch_size."
        raise DataError(msg)
    device = resolve_device()
    tokens = TargetTokens(model, train)
    held_out = None if validation is None else TargetTokens(model, validation)
    rows = GeneRows(model.network, [*tokens.all_ids(), *(held_out.all_ids() if held_out else [])])
    module = PerturbationModule(rows.genes, model.network.body, plan)
    module.train()  # Lightning starts in the mode it finds, and a loaded model is in evaluation mode
    batches = PairBatches(train, tokens, rows, plan)
    keep = _KeepBest(batches)
    callbacks: list[Callback] = [keep]
    if validation is not None:
        callbacks.append(EarlyStopping("validation_loss", patience=plan.patience))
    with _quiet_and_seeded(plan.seed, device):
        trainer = L.Trainer(
            accelerator="cpu" if device.type == "cpu" else device.type,
            devices=1 if device.type == "cpu" else [device.index or 0],
            max_epochs=plan.epochs,
            gradient_clip_val=plan.clip,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=settings.progress is not False,
            num_sanity_val_steps=0,
        )
        val_loader = None
        if validation is not None and held_out is not None:
            val_loader = DataLoader(_InOrder(PairBatches(validation, held_out, rows, plan)), batch_size=None)
        trainer.fit(module, DataLoader(batches, batch_size=None), val_loader)
    kept = keep.weights or module.snapshot()
    module.halves.load_state_dict(kept)
    rows.write_back()
    model.network.eval()
    return TrainingRun(pd.DataFrame(keep.history), keep.best_epoch)


class _InOrder(torch.utils.data.IterableDataset["Batch"]):
    """Every pair once, with controls that depend on the seed alone, over all genes."""

    def __init__(self, batches: PairBatches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        import numpy as np

        n_cells, size = len(self.batches.pairs), self.batches.plan.batch_size
        rng = np.random.default_rng(self.batches.plan.seed)
        controls: np.ndarray = rng.integers(self.batches.pairs.controls.shape[0], size=n_cells)
        for start in range(0, n_cells, size):
            cells = np.arange(start, min(start + size, n_cells))
            yield self.batches.batch(cells, controls[cells])


class _KeepBest(Callback):
    """Tell the batches their epoch, write the history, keep the best weights."""

    def __init__(self, batches: PairBatches) -> None:
        self.batches = batches
        self.history: list[dict[str, Any]] = []
        self.weights: dict[str, Tensor] | None = None
        self.best_epoch = 0
        self._best = float("inf")

    def on_train_epoch_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        self.batches.epoch = trainer.current_epoch

    def on_validation_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        value = float(trainer.callback_metrics["validation_loss"])
        if value < self._best and isinstance(module, PerturbationModule):
            self._best, self.best_epoch, self.weights = value, trainer.current_epoch, module.snapshot()

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        metrics = trainer.callback_metrics
        row = {name: float(metrics[name]) for name in ("validation_loss",) if name in metrics}
        self.history.append({"epoch": trainer.current_epoch, "train_loss": float(metrics["train_loss_epoch"]), **row})
        if self.weights is None:
            self.best_epoch = trainer.current_epoch


@contextmanager
def _quiet_and_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Leave the user's RNG and Lightning's log level as they were."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        torch.manual_seed(seed)
        # Batches are drawn by the data set itself, from arrays in memory: worker processes would not help.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*IterableDataset.*__len__.*")
        # Training on everything, without validation, is a choice.
        warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
        log.setLevel(logging.WARNING)
        try:
            yield
        finally:
            log.setLevel(level)
