"""Fine-tune a model on pairs, through a Lightning Trainer."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from .._device import resolve_device
from .._errors import DataError, TrainingError
from .batches import PairBatches, TargetTokens, TrainingEpochs, ValidationEpochs
from .course import Course, ProgressBar, StopOnRequest, StoppedByUser
from .hardware import Hardware, resolve_precision
from .module import PerturbationModule
from .step import GeneRows
from .store import cells_near

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger

    from ..data.pairs import Pairs
    from ..weights.model import ScGenePT
    from .plan import TrainingPlan
    from .run_folder import RunFolder

_FREEZING = 0xF802
"""Keeps the draw of frozen controls apart from all others."""


@dataclass(frozen=True)
class TrainingRun:
    """What happened during training.

    Attributes
    ----------
    history
        One row per epoch: ``epoch``, ``train_loss``, ``validation_loss`` (where there is validation),
        ``learning_rate``, ``seconds``, ``cells_per_second``.
    best_epoch
        The epoch whose weights were kept: the best by validation loss, or the last without validation.
    micro_batch
        Cells that went through at a time, in the end.
    interrupted
        Whether the user stopped it.
    """

    history: pd.DataFrame
    best_epoch: int
    micro_batch: int
    interrupted: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What a training runs on and reports to; it changes rounding, and the masks of dropout (:class:`Hardware`).

    Attributes
    ----------
    hardware
        Devices and number types.
    folder, resume
        Where the run is kept, and whether to go on with the one that is there.
    loggers, callbacks
        Handed to the Trainer beside our own.
    """

    hardware: Hardware = field(default_factory=Hardware)
    folder: RunFolder | None = None
    resume: bool = False
    loggers: Sequence[Logger] = ()
    callbacks: Sequence[Callback] = ()


def fit(
    model: ScGenePT,
    train: Pairs,
    validation: Pairs | None,
    plan: TrainingPlan,
    *,
    seed: int = 0,
    surroundings: Surroundings | None = None,
) -> TrainingRun:
    """Train a model in place.

    Parameters
    ----------
    model
        Its network is changed; gene rows that do not occur keep their values.
    train
        Examples to learn from.
    validation
        Examples to choose the epoch by; ``None`` keeps the last epoch.
    plan
        The recipe.
    seed
        Of order, controls, genes and dropout: each batch is a function of seed, epoch and step.
    surroundings
        Devices, folder, loggers, callbacks.
    """
    around = surroundings or Surroundings()
    if len(train) < plan.batch_size:
        msg = (
            f"{len(train):,} perturbed cells for training do not fill one batch of {plan.batch_size}: lower "
            f"batch_size, for example plan=TrainingPlan(batch_size={max(1, len(train) // 4)})."
        )
        raise DataError(msg)
    device = resolve_device(around.hardware.device)
    train, validation = _as_planned(train, plan, seed), validation and _as_planned(validation, plan, seed)
    tokens = TargetTokens(model, train)
    held_out = None if validation is None else TargetTokens(model, validation)
    rows = GeneRows(
        model.network,
        [*tokens.all_ids(), *(held_out.all_ids() if held_out else [])],
        freeze_language=not plan.train_language,
    )
    epochs = TrainingEpochs(PairBatches(train, tokens, rows, plan, seed))
    val_epochs = None
    if validation is not None and held_out is not None:
        val_epochs = ValidationEpochs(PairBatches(validation, held_out, rows, plan, seed))
    _bring_near(epochs, val_epochs, device)
    precision = resolve_precision(around.hardware.precision, device, v1=plan.reproduce == "v1")
    module = PerturbationModule(
        rows.genes,
        model.network.body,
        plan,
        seed=seed,
        precision=precision,
        micro_batch=around.hardware.micro_batch,
        compiled=around.hardware.compiled,
    )
    module.train()  # Lightning starts in the mode it finds, and a loaded model is in evaluation mode
    folder = around.folder
    course = Course(
        epochs,
        val_epochs,
        folder=folder,
        patience=plan.patience,
        resumed=folder.load() if folder and around.resume else None,
        best_weights=folder.load_best() if folder and around.resume else None,
    )
    if epochs.epoch < plan.epochs and not course.finished:
        _run(module, course, plan, around, device)
    elif course.resumed is not None:
        module.restore_weights(course.resumed["progress"])
        module.micro_batch = course.resumed["progress"]["micro_batch"]
    module.cpu()
    module.halves.load_state_dict(course.best_weights or module.snapshot())
    rows.write_back()
    model.network.eval()
    return TrainingRun(
        pd.DataFrame(course.history), course.best_epoch, module.micro_batch, interrupted=course.interrupted
    )


def _as_planned(pairs: Pairs, plan: TrainingPlan, seed: int) -> Pairs:
    """Fix or average controls and targets where the plan says so, so that no batch has to ask."""
    if plan.controls == "frozen":
        pairs = pairs.freeze(np.random.default_rng([seed, _FREEZING]))
    elif plan.controls == "mean":
        pairs = pairs.with_mean_controls()
    return pairs.with_mean_targets() if plan.targets == "mean" else pairs


def _bring_near(epochs: TrainingEpochs, validation: ValidationEpochs | None, device: torch.device) -> None:
    """Give both the matrix as near to the device as it fits, once where they share it."""
    values = epochs.batches.pairs.values
    epochs.batches.cells = cells_near(values, device)
    if validation is not None:
        shared = validation.batches.pairs.values is values
        validation.batches.cells = (
            epochs.batches.cells if shared else cells_near(validation.batches.pairs.values, device)
        )


def _run(
    module: PerturbationModule, course: Course, plan: TrainingPlan, around: Surroundings, device: torch.device
) -> None:
    hardware = around.hardware
    bar, stop = ProgressBar(course, plan.epochs), StopOnRequest(course)
    with _quiet_and_seeded(device):
        trainer = L.Trainer(
            accelerator=device.type,
            devices=_devices(hardware, device),
            num_nodes=hardware.num_nodes,
            strategy=hardware.strategy,
            max_epochs=plan.epochs,
            callbacks=[course, bar, stop, *around.callbacks],
            logger=list(around.loggers) or False,
            log_every_n_steps=min(50, course.epochs.batches.steps_per_epoch),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
        )
        _require_equal_shares(plan, trainer.world_size)
        validation = None if course.validation is None else DataLoader(course.validation, batch_size=None)
        try:
            trainer.fit(module, DataLoader(course.epochs, batch_size=None), validation)
        except (StoppedByUser, KeyboardInterrupt, SystemExit):
            # After the first Ctrl-C a second one stops within a step, by ending the process where Lightning has a say.
            if not course.interrupted:
                raise
        finally:
            bar.close()
            stop.close()


def _devices(hardware: Hardware, device: torch.device) -> Any:
    if hardware.devices == 1 and device.type != "cpu":
        return [device.index or 0]
    return hardware.devices


def _require_equal_shares(plan: TrainingPlan, world: int) -> None:
    if plan.batch_size % world:
        msg = (
            f"batch_size={plan.batch_size} cannot be shared equally by {world} processes: choose a multiple of {world}."
        )
        raise TrainingError(msg)


@contextmanager
def _quiet_and_seeded(device: torch.device) -> Iterator[None]:
    """Leave the user's RNG and Lightning's log level as they were."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        # Batches are drawn by the data set itself, from arrays in memory: worker processes would not help.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*IterableDataset.*__len__.*")
        # Training on everything, without validation, is a choice.
        warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
        # Which devices to use is said in `hardware`, and the default is one.
        warnings.filterwarnings("ignore", message=".*(GPU|MPS) available but not used.*")
        # Lightning calls a function that torch deprecated.
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", module="lightning")
        log.setLevel(logging.WARNING)
        try:
            yield
        finally:
            log.setLevel(level)
