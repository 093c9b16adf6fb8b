"""Training through Lightning: it learns, repeats itself, and leaves no trace."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import lightning as L
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from lightning.pytorch.loggers import CSVLogger

from scgenept._errors import DataError, TrainingError
from scgenept.data.pairs import Pairs
from scgenept.perturbation import Perturbation
from scgenept.training.batches import PairBatches, Share, TargetTokens
from scgenept.training.fit import Surroundings, fit
from scgenept.training.hardware import Hardware
from scgenept.training.plan import TrainingPlan
from scgenept.training.run_folder import RunFolder
from scgenept.training.step import GeneRows, loss
from scgenept.weights.initial import Architecture
from tests.golden_files import read_archive
from tests.small import GENES, small_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scgenept.training.hardware import PrecisionName
    from scgenept.training.step import Batch

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
    return Pairs.from_arrays(GENES, sp.csr_matrix(controls), sp.csr_matrix(cells), perturbations, labels)


def test_it_learns_and_keeps_the_best_epoch() -> None:
    model, train = small_model(), pairs()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    plan = replace(PLAN, train_language=True)
    run = fit(model, train.only(np.arange(64)), train.only(np.arange(64, 96)), plan)
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
    plan = replace(PLAN, epochs=2, averaging=averaging)
    models = [small_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        torch.rand(seed + 3)  # the state of the global RNG must not matter
        fit(model, pairs(), None, plan, seed=seed)
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
    batches = PairBatches(train, tokens, rows, PLAN, seed=0)
    first, again = (list(batches.training(0, 0, Share())) for _ in range(2))
    assert len(first) == 6
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one.values, two.values)
        assert torch.equal(one.target, two.target)
        assert torch.equal(one.token_ids, two.token_ids)
    assert torch.equal(next(batches.training(0, 4, Share())).target, first[4].target)
    assert not torch.equal(next(batches.training(1, 0, Share())).target, first[0].target)


def test_perturbed_genes_are_among_the_drawn_ones() -> None:
    model, train = small_model(), pairs()
    tokens = TargetTokens(model, train)
    rows = GeneRows(model.network, tokens.all_ids())
    batches = PairBatches(train, tokens, rows, TrainingPlan(batch_size=16, genes_per_step=5), seed=0)
    local = rows.local(torch.tensor([3, 5])).tolist()
    for batch in batches.training(0, 0, Share()):
        assert batch.values.shape == (16, 5)
        drawn = set(batch.token_ids.tolist())
        assert set(local) <= drawn
        assert len(drawn) == 5
        assert batch.extra_ids is not None


def test_too_few_cells_for_a_batch() -> None:
    with pytest.raises(DataError, match="96 perturbed cells for training do not fill one batch of 97"):
        fit(small_model(), pairs(), None, TrainingPlan(batch_size=97))


@pytest.mark.parametrize(
    "values", [{"learning_rate": 0}, {"learning_rate": float("nan")}, {"epochs": -1}, {"averaging": 1.0}]
)
def test_impossible_plans(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))}="):
        TrainingPlan(**values)  # type: ignore[arg-type]


def test_texts_are_frozen_unless_asked() -> None:
    table = "genes.languages.go_c.table.weight"
    model = small_model()
    before = model.network.state_dict()[table].clone()
    fit(model, pairs(), None, replace(PLAN, epochs=1))
    assert torch.equal(model.network.state_dict()[table], before)


def test_memory_that_runs_out_halves_the_parts_and_changes_no_number(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = replace(PLAN, epochs=2)
    whole, parts = small_model(dropout=0.0), small_model(dropout=0.0)
    expected = fit(whole, pairs(), None, plan).history["train_loss"]
    seen: list[int] = []

    def at_most_five(genes: object, body: object, batch: Batch) -> torch.Tensor:
        seen.append(len(batch))
        if len(batch) > 5:
            raise torch.OutOfMemoryError
        return loss(genes, body, batch)  # type: ignore[arg-type]

    monkeypatch.setattr("scgenept.training.module.loss", at_most_five)
    found = fit(parts, pairs(), None, plan).history["train_loss"]
    assert seen[:7] == [16, 8, 4, 4, 4, 4, 4]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert [record.message for record in caplog.records] == [
        "Memory ran out: a batch of 16 now goes through 8 cells at a time; masks of dropout differ.",
        "Memory ran out: a batch of 16 now goes through 4 cells at a time; masks of dropout differ.",
    ]


def test_one_cell_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("scgenept.training.module.loss", never)
    with pytest.raises(torch.OutOfMemoryError):
        fit(small_model(), pairs(), None, PLAN)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_batch(tmp_path: Path) -> None:
    train = pairs()
    train.values.data[train.values.indptr[40 + 17]] = np.nan  # one value of the perturbed cell 17
    folder = RunFolder(tmp_path / "run", {})
    with (
        folder.open(resume=False),
        pytest.raises(TrainingError, match=r"The loss of step \d in epoch 0 is nan. Its batch is saved .*npz"),
    ):
        fit(small_model(), train, None, PLAN, surroundings=Surroundings(folder=folder))
    (path,) = folder.path.glob("not_finite_*.npz")
    saved = read_archive(path)
    assert np.isnan(saved["target"]).any()
    assert saved["values"].shape == saved["target"].shape == (16, 30)


def test_ctrl_c_ends_after_the_step_and_keeps_the_best(caplog: pytest.LogCaptureFixture) -> None:
    class Press(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
            if trainer.global_step == 8:
                os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    train, held_out = pairs(), pairs(32, seed=1)
    stopped, plain = small_model(dropout=0.0), small_model(dropout=0.0)
    run = fit(stopped, train, held_out, PLAN, surroundings=Surroundings(callbacks=[Press()]))
    assert run.interrupted
    assert run.history["epoch"].tolist() == [0]
    assert "press Ctrl-C again" in caplog.text
    assert signal.getsignal(signal.SIGINT) is handler
    fit(plain, train, held_out, replace(PLAN, epochs=1))
    first, second = (model.network.state_dict() for model in (stopped, plain))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_as_single_does(precision: PrecisionName) -> None:
    losses = [
        fit(small_model(dropout=0.0), pairs(), None, PLAN, surroundings=Surroundings(Hardware(precision=name)))
        for name in ("float32", precision)
    ]
    single, half = (run.history["train_loss"] for run in losses)
    # float16 begins by finding its scale, and skips the steps in which it was too large.
    np.testing.assert_allclose(half.iloc[-1], single.iloc[-1], rtol=0.05)
    assert not np.allclose(half, single, rtol=1e-6)


def test_validation_is_the_mean_over_all_cells_and_genes() -> None:
    model, held_out = small_model(dropout=0.0), pairs(37, seed=1)
    run = fit(model, pairs(), held_out, replace(PLAN, epochs=1, learning_rate=1e-12))
    tokens = TargetTokens(model, held_out)
    rows = GeneRows(model.network, tokens.all_ids())
    batches = PairBatches(held_out, tokens, rows, PLAN, seed=0)
    controls = held_out.draw_controls(np.arange(37), np.random.default_rng([0, 0x7A11]))
    squares = []
    for cell in range(37):
        batch = batches._batch(np.array([cell]), controls[[cell]], None)
        assert torch.equal(batch.target[0], torch.from_numpy(held_out.values[held_out.rows[cell]].toarray()[0]))
        squares.append(float(loss(rows.genes, model.network.body, batch).detach()))
    assert run.history["validation_loss"][0] == pytest.approx(np.mean(squares), rel=1e-5)


def test_loggers_are_passed_through(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, flush_logs_every_n_steps=1)
    plan = replace(PLAN, epochs=2)
    fit(small_model(), pairs(), pairs(32, seed=1), plan, surroundings=Surroundings(loggers=[logger]))
    logged = pd.read_csv(next(tmp_path.rglob("metrics.csv")))
    assert logged["validation_loss"].count() == 2


def test_compiled_training_gives_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the compiler makes of it is the compiler's affair; here it must be asked, and only when told to.
    asked: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda call: asked.append(call) or call)
    plan = replace(PLAN, epochs=1)
    plain = fit(small_model(), pairs(), None, plan).history["train_loss"]
    assert not asked
    compiled = fit(small_model(), pairs(), None, plan, surroundings=Surroundings(Hardware(compiled=True)))
    assert asked == [loss]
    assert compiled.history["train_loss"].tolist() == plain.tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hardware(precision="float8"), "precision='float8' should be one of"),  # type: ignore[arg-type]
        (lambda: Hardware(micro_batch=0), "micro_batch=0 should be"),
        (lambda: TrainingPlan(controls="paired"), "controls='paired' should be one of: redrawn, frozen, mean"),  # type: ignore[arg-type]
        (lambda: TrainingPlan(reproduce="v2"), "reproduce='v2'"),  # type: ignore[arg-type]
        (lambda: TrainingPlan(batch_size=1.5), "batch_size=1.5 should be a whole number, at least 1"),  # type: ignore[arg-type]
        (lambda: TrainingPlan(epochs="5"), "epochs='5' should be a whole number"),  # type: ignore[arg-type]
        (lambda: TrainingPlan(learning_rate="1e-4"), "learning_rate='1e-4' should be a number above 0"),  # type: ignore[arg-type]
        (lambda: TrainingPlan(clip=None), "clip=None should be a number above 0"),  # type: ignore[arg-type]
        (lambda: TrainingPlan(decay=float("nan")), "decay=nan should be a number above 0"),
        (lambda: TrainingPlan(averaging=1.0), "averaging=1.0 should be a number between 0 and 1"),
        (lambda: TrainingPlan(keep_targets="yes"), "keep_targets='yes' should be True or False"),  # type: ignore[arg-type]
        (lambda: Hardware(micro_batch=1.5), "micro_batch=1.5 should be a whole number.*or None for the whole batch"),  # type: ignore[arg-type]
        (lambda: Hardware(compiled="x"), "compiled='x' should be True or False"),  # type: ignore[arg-type]
        (lambda: Architecture(d_model="8"), "d_model='8' should be a whole number, at least 1, or None"),  # type: ignore[arg-type]
        (lambda: Architecture(dropout=1), "dropout=1 should be a number between 0 and 1"),
        (lambda: Architecture(decoder="affine"), "decoder='affine' should be one of: direct, residual"),  # type: ignore[arg-type]
        (lambda: Architecture(gene_offset=1), "gene_offset=1 should be True or False"),  # type: ignore[arg-type]
        (lambda: Architecture(d_model=10, n_heads=4), "d_model=10 is not a multiple of n_heads=4"),
        (lambda: TrainingPlan.from_dict({"epoch": 1}), "A plan has no epoch"),
    ],
)
def test_impossible_options(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_plan_survives_json() -> None:
    plan = TrainingPlan(reproduce="v1", epochs=np.int64(3), learning_rate=np.float32(0.5))
    assert TrainingPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert (plan.controls, plan.control_examples, plan.keep_targets, plan.train_language) == (
        "frozen", True, False, True,
    )  # fmt: skip
