"""Batches on any number of processes, from host or device, with targets that are not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgenept.nn import Body
from scgenept.training.batches import PairBatches, Share, TargetTokens, TrainingEpochs
from scgenept.training.plan import TrainingPlan
from scgenept.training.step import GeneRows, loss
from scgenept.training.store import DeviceCells, HostCells, cells_near
from tests.small import small_model
from tests.training.test_fit import pairs

PLAN = TrainingPlan(batch_size=12, genes_per_step=25)


def make(plan: TrainingPlan = PLAN, seed: int = 0) -> tuple[PairBatches, GeneRows]:
    model, train = small_model(dropout=0.0), pairs()
    tokens = TargetTokens(model, train)
    rows = GeneRows(model.network, tokens.all_ids())
    return PairBatches(train, tokens, rows, plan, seed), rows


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_what_one_would_see(world: int) -> None:
    batches, _ = make()
    alone = list(batches.training(1, 0, Share()))
    shared = [list(batches.training(1, 0, Share(rank, world))) for rank in range(world)]
    for step, whole in enumerate(alone):
        parts = [shared[rank][step] for rank in range(world)]
        assert [len(part) for part in parts] == [12 // world] * world
        for rank, part in enumerate(parts):
            torch.testing.assert_close(part.values, whole.values[rank::world])
            torch.testing.assert_close(part.target, whole.target[rank::world])
            torch.testing.assert_close(part.token_ids, whole.token_ids)


@pytest.mark.parametrize("world", [1, 2, 5])
def test_validation_sees_every_example_once(world: int) -> None:
    batches, _ = make(replace(PLAN, batch_size=7))
    targets = torch.cat([batch.target for rank in range(world) for batch in batches.validation(0, Share(rank, world))])
    expected = batches.pairs.values[batches.pairs.rows].toarray()
    assert targets.shape == expected.shape
    np.testing.assert_allclose(np.sort(targets.numpy().sum(axis=1)), np.sort(expected.sum(axis=1)), rtol=1e-6)


def test_an_epoch_sees_every_example_but_the_last_partial_batch() -> None:
    batches, _ = make(replace(PLAN, batch_size=10, genes_per_step=1000))
    seen = torch.cat([batch.target for batch in batches.training(0, 0, Share())])
    assert seen.shape == (90, 40)
    assert len(torch.unique(seen, dim=0)) == 90


def test_unmeasured_targets_come_as_tokens_and_count_in_no_loss() -> None:
    batches, rows = make(replace(PLAN, genes_per_step=1000))
    batch = next(batches.training(0, 0, Share()))
    assert batch.extra_ids is not None
    outside = rows.local(torch.tensor([40, 41])).tolist()
    assert set(batch.extra_ids.unique().tolist()) <= {-1, *outside}
    assert batch.padded
    assert batch.target.shape[1] == 40
    extra = batch.extra_ids.clone()
    changed = replace(batch, extra_ids=torch.where(extra == outside[0], outside[1], extra))
    network = small_model(dropout=0.0).network
    assert float(loss(rows.genes, network.body, batch).detach()) != float(
        loss(rows.genes, network.body, changed).detach()
    )


def test_a_batch_without_unmeasured_targets_has_no_mask() -> None:
    batches, _ = make()
    measured = np.flatnonzero(batches.pairs.labels == 0)  # GENE03
    batch = batches._batch(measured[:5], batches.pairs.pool.rows[:5], None)
    assert batch.extra_ids is not None
    assert batch.extra_ids.shape[1] == 0
    assert not batch.padded


def test_v1_draws_genes_without_regard_to_targets() -> None:
    batches, _ = make(TrainingPlan(batch_size=12, genes_per_step=5, reproduce="v1"))
    flagged = [bool((batch.flags == Body.PERTURBED).any()) for batch in batches.training(0, 0, Share())]
    assert not all(flagged)
    validation = next(batches.validation(0, Share()))
    assert validation.target.shape == (12, 5)
    assert not torch.equal(next(batches.validation(1, Share())).token_ids, validation.token_ids)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_rows_from_a_device_are_those_of_the_matrix(dtype: torch.dtype) -> None:
    values = sp.random(5000, 30, density=0.2, format="csr", dtype=np.float32, random_state=0) * 8
    host, device = HostCells(values), DeviceCells(values, torch.device("cpu"), dtype)
    rows = np.array([4999, 0, 7, 4096, 0])
    for genes in (None, np.array([29, 0, 3])):
        expected = values[rows].toarray()[:, slice(None) if genes is None else genes]
        np.testing.assert_array_equal(host.take(rows, genes).numpy(), expected)
        found = device.take(rows, genes)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), expected, atol=0 if dtype == torch.float32 else 0.004)


def test_the_matrix_goes_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    values = sp.csr_matrix(np.ones((100, 10), dtype=np.float32))
    assert isinstance(cells_near(values, torch.device("cpu")), HostCells)
    made: list[torch.dtype] = []
    monkeypatch.setattr(
        "scgenept.training.store.DeviceCells", lambda _values, _device, dtype: made.append(dtype) or "there"
    )
    for free, expected in ((4 * 4000, [torch.float32]), (4 * 2000, [torch.float16]), (4 * 1999, [])):
        made.clear()
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device, free=free: (free, free))
        found = cells_near(values, torch.device("cuda", 0))
        assert made == expected
        assert isinstance(found, HostCells) == (not expected)


def test_a_started_iterator_reads_its_position_late() -> None:
    epochs = TrainingEpochs(make()[0])
    iterator = iter(epochs)
    epochs.epoch, epochs.first_step = 2, 3
    first = next(iterator)
    expected = next(epochs.batches.training(2, 3, Share()))
    assert torch.equal(first.target, expected.target)
    assert len(epochs) == 96 // 12 - 3
