"""The step as a LightningModule."""

from __future__ import annotations

import copy
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .._device import is_out_of_memory
from .._logging import logger
from .step import accumulate, loss, trainable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

    from ..nn import Body, GeneEmbedding
    from .hardware import Precision
    from .plan import TrainingPlan
    from .step import Batch


class Halves(nn.Module):
    """The two halves of a network, so that they can be averaged and stored together."""

    def __init__(self, genes: GeneEmbedding, body: Body) -> None:
        super().__init__()
        self.genes = genes
        self.body = body


class PerturbationModule(L.LightningModule):
    """Trains the two halves of a network by the plan.

    The optimiser is driven from here, not by Lightning, so that a batch which does not fit can go through in parts and
    still be one step.

    Parameters
    ----------
    genes, body
        The halves.
    plan
        The recipe.
    seed
        Of dropout: its masks are a function of seed, epoch, step, rank and the size of parts.
    precision
        Number type of the products.
    micro_batch
        Cells per part of a batch; halved when memory runs out.
    compiled
        Let ``torch.compile`` translate the loss.

    Attributes
    ----------
    epoch, first_step
        Where training stands; a resumed run begins at another step than Lightning counts.
    """

    def __init__(
        self,
        genes: GeneEmbedding,
        body: Body,
        plan: TrainingPlan,
        *,
        seed: int,
        precision: Precision,
        micro_batch: int | None = None,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.halves = Halves(genes, body)
        self.plan = plan
        self.seed = seed
        self.precision = precision
        self.micro_batch = int(micro_batch or plan.batch_size)  # a number of numpy cannot be saved
        self.epoch, self.first_step = 0, 0
        self.scaler = torch.amp.GradScaler(precision.device_type, enabled=precision.scaled)
        self._loss = torch.compile(loss) if compiled else loss
        # In a list, so that it is no submodule: neither wrapped for several devices nor among the parameters.
        self._averages: list[AveragedModel] = []
        if plan.averaging is not None:
            average = get_ema_multi_avg_fn(plan.averaging)  # type: ignore[no-untyped-call]
            self._averages.append(AveragedModel(self.halves, multi_avg_fn=average))
        self._squares: Tensor | None = None
        self._counted = 0.0

    @property
    def kept(self) -> Halves:
        """The weights that are validated and kept: the average where there is one."""
        return cast("Halves", self._averages[0].module) if self._averages else self.halves

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(cast("torch.optim.Optimizer", self.optimizers()).param_groups[0]["lr"])

    def end_epoch(self) -> None:
        """Lower the learning rate; the books are written right after, so no hook of Lightning's would be in time."""
        cast("torch.optim.lr_scheduler.LRScheduler", self.lr_schedulers()).step()

    def on_fit_start(self) -> None:
        for averaged in self._averages:
            averaged.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        optimizer = cast("torch.optim.Optimizer", self.optimizers())
        value = self._backward(batch, optimizer, self.first_step + batch_idx)
        self.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(trainable(self.halves.genes, self.halves.body), self.plan.clip)
        self.scaler.step(optimizer)
        self.scaler.update()
        for averaged in self._averages:
            averaged.update_parameters(self.halves)
        if self.trainer.loggers:
            self.log("train_loss", value, on_step=True, on_epoch=False, batch_size=len(batch))
        return value

    def on_validation_epoch_start(self) -> None:
        self._squares, self._counted = torch.zeros((), device=self.device, dtype=torch.float64), 0.0

    def validation_step(self, batch: Batch, _batch_idx: int) -> None:
        with self.precision.autocast():
            value = loss(self.kept.genes, self.kept.body, batch)
        weight = len(batch) if self.plan.validate_all_genes else 1
        self._squares = cast("Tensor", self._squares) + value.double() * weight
        self._counted += weight

    def on_validation_epoch_end(self) -> None:
        sums = torch.stack([cast("Tensor", self._squares), torch.tensor(self._counted, device=self.device).double()])
        squares, counted = cast("Tensor", self.trainer.strategy.reduce(sums, reduce_op="sum"))
        self.log("validation_loss", (squares / counted).float(), sync_dist=True)

    def configure_optimizers(self) -> Any:
        parameters = trainable(self.halves.genes, self.halves.body)
        # On the CPU the fused one does not skip a step whose scaled gradients overflowed.
        kinds = {"cuda"} if self.scaler.is_enabled() else {"cuda", "cpu"}
        fused = all(tensor.device.type in kinds for tensor in parameters)
        optimizer = torch.optim.Adam(parameters, lr=self.plan.learning_rate, fused=fused or None)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=self.plan.decay)]

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _dataloader_idx: int) -> Batch:
        return batch.to(device)

    def snapshot(self) -> dict[str, Tensor]:
        """Return a copy of the weights that are kept."""
        return copy.deepcopy(self.kept.state_dict())

    def progress(self) -> dict[str, Any]:
        """Return everything that a later process needs to go on from here as if nothing had happened."""
        optimizer = cast("torch.optim.Optimizer", self.optimizers())
        schedule = cast("torch.optim.lr_scheduler.LRScheduler", self.lr_schedulers())
        return {
            "weights": self.halves.state_dict(),
            "averages": [averaged.state_dict() for averaged in self._averages],
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "micro_batch": self.micro_batch,
        }

    def restore(self, progress: dict[str, Any]) -> None:
        """Go on from what :meth:`progress` returned; weights, optimiser and schedule are in place already."""
        self.restore_weights(progress)
        cast("torch.optim.Optimizer", self.optimizers(use_pl_optimizer=False)).load_state_dict(progress["optimizer"])
        cast("torch.optim.lr_scheduler.LRScheduler", self.lr_schedulers()).load_state_dict(progress["schedule"])
        if progress["scaler"]:
            self.scaler.load_state_dict(progress["scaler"])
        self.micro_batch = progress["micro_batch"]

    def restore_weights(self, progress: dict[str, Any]) -> None:
        """Put back the weights, and their average where there is one, of what :meth:`progress` returned."""
        self.halves.load_state_dict(progress["weights"])
        for averaged, state in zip(self._averages, progress["averages"], strict=True):
            averaged.load_state_dict(state)

    def _backward(self, batch: Batch, optimizer: torch.optim.Optimizer, step: int) -> Tensor:
        """Put the gradients of a batch in place, in smaller parts if memory runs out."""
        while True:
            # Dropout takes no generator in torch: seed the global RNG per step; the caller restores it.
            torch.manual_seed(_dropout_seed(self.seed, self.epoch, step, self.global_rank))
            optimizer.zero_grad(set_to_none=True)
            try:
                return accumulate(self._loss_of, batch, self.micro_batch, self._add_gradients)
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.micro_batch == 1 or self.trainer.world_size > 1:
                    raise
                self.micro_batch = min(self.micro_batch, len(batch)) // 2 or 1
                logger.log(
                    logging.WARNING,
                    "Memory ran out: a batch of %d now goes through %d cells at a time; masks of dropout differ.",
                    self.plan.batch_size,
                    self.micro_batch,
                )

    def _loss_of(self, part: Batch) -> Tensor:
        with self.precision.autocast():
            return self._loss(self.halves.genes, self.halves.body, part)

    def _add_gradients(self, share: Tensor, is_last: bool) -> None:  # noqa: FBT001  (a callback of `accumulate`)
        block = getattr(self.trainer.strategy, "block_backward_sync", None)
        waiting: AbstractContextManager[Any] = nullcontext() if is_last or block is None else block()
        with waiting:
            self.manual_backward(self.scaler.scale(share))


def _dropout_seed(*position: int) -> int:
    return int(np.random.SeedSequence(position).generate_state(1)[0])
