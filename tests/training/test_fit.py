"""Training through Lightning: it learns, repeats itself, and leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgenept._errors import DataError
from scgenept.data.pairs import Pairs
from scgenept.perturbation import Perturbation
from scgenept.training.batches import PairBatches, TargetTokens
from scgenept.training.fit import fit
from scgenept.training.plan import TrainingPlan
from scgenept.training.step import GeneRows, loss
from tests.small import GENES, small_model

PLAN = TrainingPlan(learning_rate=3e-3, epochs=4, batch_size=16, genes_per_step=30, decay=0.95)


def pairs(n_cells: int = 96, seed: int = 0) -> Pairs:
    """Three perturbations that each raise their own gene and one more."""
    rng = np.random.default_rng(seed)
    perturbations = tuple(Perturbation.parse(name) for name in ("GENE03", "GENE05+OUTA", "OUTA+OUTB"))
    labels = rng.integers(3, size=n_cells)
    controls = rng.random((40, 40)).astype(np.float32)
    cells = rng.random((n_cells, 40)).astype(np.float32)
    for label, raised in enumerate(([3, 10], [5, 11], [12, 13])):
        cells[np.ix_(labels == label, raised)] += 2
    return Pairs(tuple(GENES), sp.csr_matrix(controls), sp.csr_matrix(cells), perturbations, labels)


def test_it_learns_and_keeps_the_best_epoch() -> None:
    model, train = small_model(), pairs()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    run = fit(model, train.only(np.arange(64)), train.only(np.arange(64, 96)), PLAN)
    assert run.history["epoch"].tolist() == [0, 1, 2, 3]
    assert run.history["train_loss"].iloc[-1] < 0.7 * run.history["train_loss"].iloc[0]
    assert run.best_epoch == run.history["validation_loss"].idxmin()
    after = model.network.state_dict()
    pad = model.vocabulary.pad_id
    table = "genes.languages.go_c.table.weight"
    assert not torch.equal(after[table][:40], before[table][:40])
    idle = [pad, pad + 1, pad + 2]
    assert torch.equal(after[table][idle], before[table][idle])
    assert not model.network.training


@pytest.mark.parametrize("averaging", [None, 0.5])
def test_the_same_seed_gives_the_same_weights(averaging: float | None) -> None:
    from dataclasses import replace

    plan = replace(PLAN, epochs=2, averaging=averaging)
    models = [small_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        torch.rand(seed + 3)  # the state of the global RNG must not matter
        fit(model, pairs(), None, replace(plan, seed=seed))
    first, again, other = (model.network.state_dict() for model in models)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_global_rng_is_untouched() -> None:
    before = torch.random.get_rng_state()
    fit(small_model(), pairs(), None, TrainingPlan(epochs=1, batch_size=32))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_dropout_is_on_during_training(monkeypatch: pytest.MonkeyPatch) -> None:
    model, modes = small_model(), []
    monkeypatch.setattr(
        "scgenept.training.module.loss",
        lambda genes, body, batch: modes.append(body.training) or loss(genes, body, batch),
    )
    fit(model, pairs(), pairs(32, seed=1), TrainingPlan(epochs=2, batch_size=48))
    assert modes == [True, True, False] * 2


def test_batches_depend_on_seed_epoch_and_step_alone() -> None:
    model, train = small_model(), pairs()
    tokens = TargetTokens(model, train)
    rows = GeneRows(model.network, tokens.all_ids())
    batches = PairBatches(train, tokens, rows, PLAN)
    first, again = list(batches), list(batches)
    assert len(first) == 6
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one.values, two.values)
        assert torch.equal(one.target, two.target)
        assert torch.equal(one.token_ids, two.token_ids)
    batches.epoch = 1
    assert not torch.equal(next(iter(batches)).target, first[0].target)


def test_perturbed_genes_are_among_the_drawn_ones() -> None:
    model, train = small_model(), pairs()
    tokens = TargetTokens(model, train)
    rows = GeneRows(model.network, tokens.all_ids())
    batches = PairBatches(train, tokens, rows, TrainingPlan(batch_size=16, genes_per_step=5))
    local = rows.local(torch.tensor([3, 5])).tolist()
    for batch in batches:
        assert batch.values.shape == (16, 5)
        drawn = set(batch.token_ids.tolist())
        assert set(local) <= drawn
        assert len(drawn) == 5
        assert batch.extra_ids is not None


def test_too_few_cells_for_a_batch() -> None:
    with pytest.raises(DataError, match="96 perturbed cells do not fill one batch of 97"):
        fit(small_model(), pairs(), None, TrainingPlan(batch_size=97))


@pytest.mark.parametrize(
    "values", [{"learning_rate": 0}, {"learning_rate": float("nan")}, {"epochs": -1}, {"averaging": 1.0}]
)
def test_impossible_plans(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))}="):
        TrainingPlan(**values)  # type: ignore[arg-type]
