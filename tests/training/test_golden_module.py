"""The steps as Lightning drives them give the losses of the original too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import pytest
import torch

from scgenept.training.hardware import Precision
from scgenept.training.module import PerturbationModule
from scgenept.training.plan import TrainingPlan
from scgenept.training.step import Batch, GeneRows
from scgenept.weights.adapters import to_original, to_ours
from scgenept.weights.assemble import build_network, infer_config
from tests.golden_files import N_HEADS, N_TOKENS, PAD_ID, read_archive, tensors
from tests.training.test_step import ARCHIVES, N_GENES, STEPS_PER_EPOCH, worst

if TYPE_CHECKING:
    from pathlib import Path


class Recorder(L.Callback):
    """Writes down losses, ends epochs as the books do."""

    def __init__(self) -> None:
        self.train: list[float] = []
        self.validation: list[float] = []

    def on_train_batch_end(self, _trainer: object, _module: object, outputs: Any, *_: object) -> None:
        self.train.append(float(outputs["loss"]))

    def on_validation_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        self.validation.append(float(trainer.callback_metrics["validation_loss"]))

    def on_train_epoch_end(self, _trainer: L.Trainer, module: PerturbationModule) -> None:
        module.end_epoch()


class Recorded(torch.utils.data.IterableDataset[Batch]):
    """The batches of the original's loop, in their order."""

    def __init__(self, archive: np.lib.npyio.NpzFile, part: str, local: torch.Tensor, per_epoch: int) -> None:
        self.archive, self.part, self.local, self.per_epoch, self.given = archive, part, local, per_epoch, 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        for i in range(self.per_epoch):
            x = torch.from_numpy(self.archive[f"{self.part}/x"][i])
            y = torch.from_numpy(self.archive[f"{self.part}/y"][i])
            drawn = torch.from_numpy(self.archive[f"perm_{self.part}"][self.given][:N_GENES])
            self.given += 1
            yield Batch(self.local, x[..., 0], x[..., 1].long(), y).take(drawn)


@pytest.mark.parametrize("micro_batch", [None, 2], ids=["whole batches", "two cells at a time"])
@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_two_epochs_equal_the_original(path: Path, micro_batch: int | None) -> None:
    archive = read_archive(path)
    ours, _ = to_ours({name: tensor.clone() for name, tensor in tensors(archive, "sd_before/").items()})
    config = infer_config(ours, n_tokens=N_TOKENS, pad_id=PAD_ID, n_heads=N_HEADS, source="golden")
    network = build_network(replace(config, dropout=0.0), ours, source="golden").train()
    token_ids = torch.from_numpy(archive["gene_ids"])
    rows = GeneRows(network, token_ids.tolist())
    local = rows.local(token_ids)
    plan = TrainingPlan(epochs=2, batch_size=6, genes_per_step=N_GENES, reproduce="v1")
    module = PerturbationModule(
        rows.genes, network.body, plan, seed=0, precision=Precision("cpu", torch.float32), micro_batch=micro_batch
    )
    recorder = Recorder()
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=2, callbacks=[recorder], logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False, num_sanity_val_steps=0,
    )  # fmt: skip
    loaders = (
        torch.utils.data.DataLoader(Recorded(archive, part, local, n), batch_size=None)
        for part, n in (("train", STEPS_PER_EPOCH), ("val", 2))
    )
    trainer.fit(module, *loaders)
    np.testing.assert_allclose(recorder.train, archive["loss_train"], atol=2e-6, rtol=0)
    np.testing.assert_allclose(recorder.validation, archive["loss_val"].reshape(2, 2).mean(axis=1), atol=2e-6, rtol=0)
    rows.write_back()
    assert worst(to_original(network.state_dict(), network.config), archive) <= 1
