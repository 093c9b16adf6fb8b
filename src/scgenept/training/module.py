"""The step as a LightningModule."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import lightning as L
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .step import loss, trainable

if TYPE_CHECKING:
    from torch import Tensor

    from ..nn import Body, GeneEmbedding
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

    Parameters
    ----------
    genes, body
        The halves.
    plan
        The recipe.
    """

    def __init__(self, genes: GeneEmbedding, body: Body, plan: TrainingPlan) -> None:
        super().__init__()
        self.halves = Halves(genes, body)
        self.plan = plan
        self.averaged: AveragedModel | None = None
        if plan.averaging is not None:
            average = get_ema_multi_avg_fn(plan.averaging)  # type: ignore[no-untyped-call]
            self.averaged = AveragedModel(self.halves, multi_avg_fn=average)

    @property
    def kept(self) -> Halves:
        """The weights that are validated and kept: the average where there is one."""
        return self.halves if self.averaged is None else cast("Halves", self.averaged.module)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        # Dropout takes no generator in torch: seed the global RNG per step; the caller restores it.
        torch.manual_seed(hash((self.plan.seed, self.current_epoch, batch_idx, self.global_rank)) & 0x7FFF_FFFF)
        value = loss(self.halves.genes, self.halves.body, batch)
        self.log("train_loss", value, prog_bar=True, on_step=True, on_epoch=True, batch_size=len(batch.values))
        return value

    def on_train_batch_end(self, *_: Any) -> None:
        if self.averaged is not None:
            self.averaged.update_parameters(self.halves)

    def validation_step(self, batch: Batch, _batch_idx: int) -> None:
        value = loss(self.kept.genes, self.kept.body, batch)
        self.log("validation_loss", value, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch.values))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(
            trainable(self.halves.genes, self.halves.body),
            lr=self.plan.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=self.plan.decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _dataloader_idx: int) -> Batch:
        return batch.to(device)

    def snapshot(self) -> dict[str, Tensor]:
        """Return a copy of the weights that are kept."""
        return copy.deepcopy(self.kept.state_dict())
