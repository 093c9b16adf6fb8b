"""Callbacks around the steps: keep the books, show progress, stop when asked to."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback

from .._errors import TrainingError
from .._io import atomic_file
from .._logging import logger
from .._progress import bar
from .batches import Share

if TYPE_CHECKING:
    from types import FrameType

    import lightning as L
    from torch import Tensor
    from tqdm import tqdm

    from .batches import TrainingEpochs, ValidationEpochs
    from .module import PerturbationModule
    from .run_folder import RunFolder

SAVE_EVERY: Final = 600.0
"""Seconds after which the state is written within an epoch too."""
STEPS_PER_LOOK: Final = 20
"""Steps whose losses are fetched from an accelerator together, since each look waits for it."""


class Course(Callback):
    """Tells the batches where training stands, and keeps history, best weights and files.

    Parameters
    ----------
    epochs, validation
        The batches.
    folder
        Where to write; ``None`` keeps everything in memory.
    patience
        Stop after so many epochs without a better validation loss.
    resumed
        State to go on from.
    best_weights
        The best weights of a resumed run.
    """

    def __init__(
        self,
        epochs: TrainingEpochs,
        validation: ValidationEpochs | None,
        *,
        folder: RunFolder | None,
        patience: int,
        resumed: dict[str, Any] | None,
        best_weights: dict[str, Tensor] | None,
    ) -> None:
        self.epochs, self.validation, self.folder, self.patience = epochs, validation, folder, patience
        self.resumed = resumed
        self.best_weights = best_weights
        books = resumed["books"] if resumed else {}
        self.history: list[dict[str, Any]] = books.get("history", [])
        self.best_epoch: int = books.get("best_epoch", 0)
        self.best_loss: float = books.get("best_loss", float("inf"))
        self._loss_sum: float = books.get("loss_sum", 0.0)
        self._n_losses: int = books.get("n_losses", 0)
        self._seconds: float = books.get("seconds", 0.0)
        self.epochs.epoch, self.epochs.first_step = books.get("epoch", 0), books.get("step", 0)
        self.interrupted = False
        self._pending: list[tuple[int, Tensor]] = []
        self._next_step = self.epochs.first_step
        self._saved = self._started = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether the patience is at its end."""
        return bool(self.history) and self.validation is not None and self._stale >= self.patience

    @property
    def epoch_is_over(self) -> bool:
        """Whether all steps of the epoch are done and only its validation is left."""
        return self._next_step >= self.epochs.batches.steps_per_epoch

    @property
    def last_loss(self) -> float:
        """Mean loss of the epoch so far."""
        return self._loss_sum / max(1, self._n_losses)

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.epochs.share = Share(trainer.global_rank, trainer.world_size)
        if self.validation is not None:
            self.validation.share = self.epochs.share
        self._place(module)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._started = time.monotonic()
        if self.resumed is None:
            return
        cast("PerturbationModule", module).restore(self.resumed["progress"])
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.ready = progress.started = progress.processed = progress.completed = self.epochs.epoch
        steps = self.epochs.epoch * self.epochs.batches.steps_per_epoch + self.epochs.first_step
        trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = steps

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, _batch: Any, batch_idx: int
    ) -> None:
        step = self.epochs.first_step + batch_idx
        self._next_step = step + 1
        self._pending.append((step, outputs["loss"]))
        if module.device.type == "cpu" or len(self._pending) >= STEPS_PER_LOOK:
            self._look()
        if self.folder is not None and time.monotonic() - self._saved > SAVE_EVERY:
            self.save(trainer, module)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        value = float(trainer.callback_metrics["validation_loss"])
        self._require_finite(value, f"the validation loss of epoch {self.epochs.epoch}")
        if value < self.best_loss:
            self.best_loss, self.best_epoch = value, self.epochs.epoch
            self.best_weights = cast("PerturbationModule", module).snapshot()
            if self.folder is not None and trainer.is_global_zero:
                self.folder.save_best(self.best_weights)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._look()
        sums = torch.tensor([self._loss_sum, self._n_losses], dtype=torch.float64, device=module.device)
        total, n_losses = cast("Tensor", trainer.strategy.reduce(sums, reduce_op="sum")).tolist()
        seconds = self._seconds + time.monotonic() - self._started
        row: dict[str, Any] = {"epoch": self.epochs.epoch, "train_loss": total / max(1.0, n_losses)}
        if self.validation is not None:
            row["validation_loss"] = float(trainer.callback_metrics["validation_loss"])
        ours = cast("PerturbationModule", module)
        row["learning_rate"] = ours.learning_rate
        row["seconds"] = round(seconds, 3)
        row["cells_per_second"] = round(
            self.epochs.batches.steps_per_epoch * self.epochs.batches.plan.batch_size / max(seconds, 1e-9), 1
        )
        self.history.append(row)
        if self.validation is None:
            self.best_epoch = self.epochs.epoch
        ours.end_epoch()
        self.epochs.epoch, self.epochs.first_step, self._next_step = self.epochs.epoch + 1, 0, 0
        self._loss_sum, self._n_losses, self._seconds = 0.0, 0, 0.0
        self._started = time.monotonic()
        self._place(module)
        if self.folder is not None and trainer.is_global_zero:
            self.folder.write_log(pd.DataFrame(self.history))
        self.save(trainer, module)
        if self.finished:
            trainer.should_stop = True

    @property
    def _stale(self) -> int:
        return int(self.history[-1]["epoch"]) - self.best_epoch

    def _place(self, module: L.LightningModule) -> None:
        """Tell the module, whose dropout depends on it, where training stands."""
        ours = cast("PerturbationModule", module)
        ours.epoch, ours.first_step = self.epochs.epoch, self.epochs.first_step
        if self.validation is not None:
            self.validation.epoch = self.epochs.epoch

    def save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write everything needed to go on from here, where there is a folder, but not before a validation."""
        self._look()
        self._saved = time.monotonic()
        if self.folder is None or not trainer.is_global_zero or self.epoch_is_over:
            return
        books = {
            "epoch": self.epochs.epoch,
            "step": self._next_step,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "loss_sum": self._loss_sum,
            "n_losses": self._n_losses,
            "seconds": self._seconds + time.monotonic() - self._started,
        }
        self.folder.save({"books": books, "progress": cast("PerturbationModule", module).progress()})

    def _look(self) -> None:
        """Fetch the losses of the last steps; stop at one that is not finite."""
        if not self._pending:
            return
        values = torch.stack([value.float() for _, value in self._pending]).tolist()
        steps = [step for step, _ in self._pending]
        self._pending.clear()
        for step, value in zip(steps, values, strict=True):
            if not np.isfinite(value):
                path = self._save_batch(step)
                self._require_finite(value, f"the loss of step {step} in epoch {self.epochs.epoch}", f" ({path})")
        self._loss_sum += sum(values)
        self._n_losses += len(values)

    def _save_batch(self, step: int) -> Path:
        """Write the batch of a step, made again from its position."""
        batch = next(self.epochs.batches.training(self.epochs.epoch, step, self.epochs.share))
        folder = Path(tempfile.mkdtemp(prefix="scgenept-")) if self.folder is None else self.folder.path
        path = folder / f"not_finite_epoch{self.epochs.epoch}_step{step}.npz"
        with atomic_file(path) as work:
            np.savez(
                work,
                values=batch.values.cpu().numpy(),
                target=batch.target.cpu().numpy(),
                flags=batch.flags.cpu().numpy(),
                token_ids=batch.token_ids.cpu().numpy(),
            )
        return path

    def _require_finite(self, value: float, what: str, where: str = "") -> None:
        if np.isfinite(value):
            return
        saved = f" Its batch is saved{where}." if where else ""
        kept = "" if self.folder is None else f" The state in {self.folder.path} is from before it."
        msg = (
            f"{what[0].upper()}{what[1:]} is {value}.{saved} What usually helps: a lower TrainingPlan(learning_rate=), "
            f"Hardware(precision='float32'), or a look at extreme values in the data.{kept}"
        )
        raise TrainingError(msg)


class ProgressBar(Callback):
    """One bar over the whole training: cells per second, time left, losses."""

    def __init__(self, course: Course, n_epochs: int) -> None:
        self.course, self.n_epochs = course, n_epochs
        self._bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        batches, epochs = self.course.epochs.batches, self.course.epochs
        per_epoch = batches.steps_per_epoch * batches.plan.batch_size
        if trainer.is_global_zero:
            self._bar = bar(
                self.n_epochs * per_epoch,
                "finetune",
                initial=epochs.epoch * per_epoch + epochs.first_step * batches.plan.batch_size,
                unit="cell",
                unit_scale=True,
            )

    def on_train_batch_end(self, *_: Any) -> None:
        if self._bar is not None and self._bar.update(self.course.epochs.batches.plan.batch_size):
            best = f"{self.course.best_loss:.4f}" if np.isfinite(self.course.best_loss) else "-"
            epoch, loss = self.course.epochs.epoch + 1, self.course.last_loss
            self._bar.set_postfix_str(f"epoch {epoch}/{self.n_epochs}, loss {loss:.4f}, best validation {best}")

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


class StoppedByUser(Exception):  # noqa: N818  (no error: the way out of Lightning's loops)
    """Training ends here because the user asked for it."""


class StopOnRequest(Callback):
    """Ends training after the current step when Ctrl-C is pressed, so that the best model is not lost."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._before: Any = None

    def on_fit_start(self, _trainer: L.Trainer, _module: L.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        if self.course.interrupted and not self.course.epoch_is_over:
            self.course.save(trainer, module)
            raise StoppedByUser

    def on_train_epoch_end(self, *_: Any) -> None:
        if self.course.interrupted:
            raise StoppedByUser

    def close(self) -> None:
        """Give Ctrl-C back its meaning."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.course.interrupted = True
        logger.warning("Stopping after this step; press Ctrl-C again to stop at once.")
        signal.signal(signal.SIGINT, self._before)
