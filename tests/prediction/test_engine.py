"""The engine: every cell for itself, whatever the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from scgenept._device import available_devices, resolve_device
from scgenept._errors import DeviceError, UnknownGeneError
from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.perturbation import Perturbation
from scgenept.prediction import engine as engine_module
from scgenept.prediction.approximation import Approximation, measure_approximation
from scgenept.prediction.batch_size import fitting_batch
from scgenept.prediction.engine import Engine, predict_cells
from scgenept.prediction.inputs import in_passes
from scgenept.prediction.pseudobulks import predict_pseudobulks
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT
from scgenept.weights.tokens import build_tokens
from tests.small import small_model

if TYPE_CHECKING:
    from scgenept.prediction.inputs import Inputs

GENES = [f"GENE{i:02d}" for i in range(30)]
TARGETS = ["GENE03", "OUTSIDE"]


@pytest.fixture(scope="module")
def model() -> ScGenePT:
    vocabulary = Vocabulary([*GENES, "OUTSIDE", "ELSEWHERE", "<pad>"])
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=len(vocabulary),
        pad_id=vocabulary.pad_id,
        language_width=6,
        d_model=16,
        n_heads=2,
        d_hidden=16,
        n_layers=2,
    )
    return ScGenePT(Network.initialised(config).eval(), vocabulary, Card("tiny", token_mapping="alias"))


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((70, 30)) * 4 * (rng.random((70, 30)) < 0.4)).astype(np.float32)


def predict(model: ScGenePT, cells: np.ndarray, genes: str = "GENE03+OUTSIDE", **engine: object) -> np.ndarray:
    tokens = build_tokens(model, GENES, Perturbation.parse(genes))
    chosen = Engine(device="cpu", **engine)  # type: ignore[arg-type]
    return predict_cells(model.network, tokens, lambda a, b: cells[a:b], len(cells), engine=chosen).values


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batch_size_does_not_matter(model: ScGenePT, cells: np.ndarray, batch_size: int) -> None:
    np.testing.assert_allclose(predict(model, cells, batch_size=batch_size), predict(model, cells), atol=2e-6)


def test_order_does_not_matter(model: ScGenePT, cells: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(len(cells))
    np.testing.assert_allclose(predict(model, cells[order]), predict(model, cells)[order], atol=2e-6)


def test_an_odd_cell_changes_no_other(model: ScGenePT, cells: np.ndarray) -> None:
    odd = cells.copy()
    odd[4] = 1000.0
    kept = np.arange(len(cells)) != 4
    np.testing.assert_allclose(predict(model, odd)[kept], predict(model, cells)[kept], atol=2e-6)


def test_unmeasured_targets_are_added_and_left_out_of_the_result(model: ScGenePT, cells: np.ndarray) -> None:
    tokens = build_tokens(model, GENES, Perturbation.parse(TARGETS))
    assert tokens.unmeasured == ("OUTSIDE",)
    assert tokens.flags.sum() == 2
    found = predict(model, cells)
    assert found.shape == cells.shape
    ids = torch.tensor([[*range(30), model.vocabulary.id("OUTSIDE")]])
    flags = torch.zeros(1, 31, dtype=torch.int64)
    flags[0, [3, 30]] = 1
    with torch.no_grad():
        expected = model.network(ids, torch.nn.functional.pad(torch.from_numpy(cells[:1]), (0, 1)), flags)[0, :30]
    np.testing.assert_allclose(found[0], expected, atol=2e-6)
    assert not np.allclose(found, predict(model, cells, genes="GENE03"))


def test_unknown_targets_come_with_near_names(model: ScGenePT) -> None:
    with pytest.raises(UnknownGeneError, match=r"OUTSIDER is neither .* Nearest known names: OUTSIDE"):
        build_tokens(model, GENES, Perturbation.parse("OUTSIDER"))
    with pytest.raises(UnknownGeneError, match="STRANGE is measured, but tiny has no token"):
        build_tokens(model, [*GENES, "STRANGE"], Perturbation.parse("STRANGE"))


@pytest.mark.parametrize(("other", "target"), [("TB4X", "PTMB4"), ("TB4X", "TB4X"), ("TMSB4X", "PTMB4")])
def test_a_gene_measured_under_two_names_is_no_target_by_one_that_says_nothing(other: str, target: str) -> None:
    model = small_model([*GENES, "TMSB4X"], token_mapping="alias")
    measured = [*GENES, "PTMB4", other]
    rival = ({"PTMB4", other} - {target}).pop()
    with pytest.raises(UnknownGeneError, match=f"{target}, {rival} are measured, and to small they are one gene"):
        build_tokens(model, measured, Perturbation.parse(target))
    alone = build_tokens(model, [*GENES, target], Perturbation.parse(target))
    assert alone.flags.tolist() == [0] * len(GENES) + [1]
    # as the original does, whose unmatched genes were trained
    exact = small_model([*GENES, "TMSB4X"], token_mapping="v1")
    assert build_tokens(exact, measured, Perturbation.parse(target)).flags[measured.index(target)] == 1


def test_the_language_is_projected_once_per_gene_set(model: ScGenePT, cells: np.ndarray) -> None:
    fresh = ScGenePT(model.network, model.vocabulary, model.card)
    shapes = []
    handle = fresh.network.genes.languages["go_c"].projection.register_forward_hook(
        lambda _module, _inputs, output: shapes.append(tuple(output.shape))
    )
    for genes in ("GENE03", "GENE04", "GENE03+OUTSIDE"):
        predict(fresh, cells, genes=genes, batch_size=8)
    handle.remove()
    assert shapes.count((30, 16)) == 1
    assert all(shape[0] <= 2 for shape in shapes if shape != (30, 16))


def test_a_changed_table_is_compiled_again(model: ScGenePT) -> None:
    before = model.gene_set(GENES)
    assert model.gene_set(GENES) is before
    with torch.no_grad():
        model.network.genes.token_norm.bias += 0.5  # type: ignore[union-attr]
    after = model.gene_set(GENES)
    torch.testing.assert_close(after.embedding, before.embedding + 0.5)
    with torch.no_grad():
        model.network.genes.token_norm.bias -= 0.5  # type: ignore[union-attr]


def test_running_out_of_memory_halves_the_batch(
    model: ScGenePT, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predict(model, cells)
    forward, sizes = engine_module._forward, []

    def small_only(body: Any, inputs: Inputs, block: np.ndarray) -> object:
        sizes.append(len(block))
        if len(block) > 5:
            raise torch.OutOfMemoryError
        return forward(body, inputs, block)

    monkeypatch.setattr(engine_module, "_forward", small_only)
    np.testing.assert_allclose(predict(model, cells, batch_size=64), expected, atol=2e-6)
    assert sizes[:5] == [64, 32, 16, 8, 4]

    def never(*_: object) -> object:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(engine_module, "_forward", never)
    with pytest.raises(DeviceError, match="One cell of 31 genes does not fit"):
        predict(model, cells)


def test_the_network_stays_in_training_mode_where_it_was(model: ScGenePT, cells: np.ndarray) -> None:
    expected = predict(model, cells)
    model.network.train()
    np.testing.assert_array_equal(predict(model, cells), expected)
    assert model.network.body.training
    model.network.eval()


def test_bfloat16_stays_near(model: ScGenePT, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    found = predict(model, cells, dtype="bfloat16")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, predict(model, cells), atol=0.05)


def test_devices_that_do_not_exist() -> None:
    with pytest.raises(DeviceError, match="does not exist on this machine. Here there is: .*cpu"):
        resolve_device("cuda:99")
    with pytest.raises(DeviceError, match="no device name"):
        resolve_device("gpu please")
    assert str(resolve_device("auto")) in available_devices()


@pytest.mark.parametrize("values", [{"batch_size": 0}, {"batch_size": "big"}, {"dtype": "int8"}])
def test_impossible_engines(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="should be"):
        Engine(**values)  # type: ignore[arg-type]


def count_forward_cells(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    forward, sizes = engine_module._forward, []

    def counted(body: Any, inputs: Inputs, block: np.ndarray) -> object:
        sizes.append(len(block))
        return forward(body, inputs, block)

    monkeypatch.setattr(engine_module, "_forward", counted)
    return sizes


def test_equal_cells_are_computed_once(model: ScGenePT, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(2).integers(0, 12, 70)
    sizes = count_forward_cells(monkeypatch)
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03"))
    engine = Engine(device="cpu", batch_size=8)
    repeated = cells[drawn]
    found = predict_cells(model.network, tokens, lambda a, b: repeated[a:b], 70, engine=engine)
    np.testing.assert_allclose(found.values, predict(model, cells[:12], genes="GENE03")[drawn], atol=2e-6)
    assert sum(sizes) - 12 == len(set(drawn.tolist()))
    for row in np.unique(drawn):
        assert len(np.unique(found.embedding[drawn == row], axis=0)) == 1


@pytest.mark.parametrize("n_asked", [1, 4, 9])
def test_the_last_layer_computes_only_what_is_asked_for(model: ScGenePT, n_asked: int) -> None:
    generator = torch.Generator().manual_seed(0)
    embedding, values = torch.randn(9, 16, generator=generator), torch.rand(3, 9, generator=generator)
    flags = torch.zeros(3, 9, dtype=torch.int64)
    mask = torch.zeros(3, 9, dtype=torch.bool)
    mask[1, 7:] = True
    rows: list[int] = []
    handle = model.network.body.layers[-1].linear1.register_forward_hook(  # type: ignore[union-attr]
        lambda _module, _inputs, output: rows.append(output.shape[1])
    )
    with torch.no_grad():
        for padding in (None, mask):
            found = model.network.body.encode(embedding, values, flags, padding, n_asked)
            whole = model.network.body.encode(embedding, values, flags, padding)
            torch.testing.assert_close(found, whole[:, :n_asked], rtol=0, atol=1e-6)
    handle.remove()
    assert rows == [n_asked, 9] * 2


def test_every_gene_is_asked_for_in_one_pass_and_targets_are_seen_in_all(model: ScGenePT) -> None:
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03+OUTSIDE"))
    passes = in_passes(tokens, 8, torch.device("cpu"))
    asked = np.concatenate([one.columns[: one.n_asked] for one in passes])  # type: ignore[index]
    assert sorted(asked) == list(range(30))
    assert all(len(one.flags) <= 8 and int(one.flags.sum()) == 2 for one in passes)
    for one in passes:
        torch.testing.assert_close(one.embedding[: len(one.columns)], tokens.embedding[torch.from_numpy(one.columns)])  # type: ignore[arg-type]
    other = in_passes(build_tokens(model, GENES, Perturbation.parse("GENE07+OUTSIDE")), 8, torch.device("cpu"))
    assert [set(one.columns[: one.n_asked]) for one in other] == [set(one.columns[: one.n_asked]) for one in passes]  # type: ignore[index]
    assert len(in_passes(tokens, 31, torch.device("cpu"))) == 1


def test_a_context_of_some_genes_is_the_network_on_those_genes(model: ScGenePT, cells: np.ndarray) -> None:
    found = predict(model, cells[:5], approximation=Approximation(context_genes=8))
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03+OUTSIDE"))
    for one in in_passes(tokens, 8, torch.device("cpu")):
        ids = torch.tensor([*tokens.genes.token_ids[one.columns], model.vocabulary.id("OUTSIDE")]).expand(5, -1)  # type: ignore[misc]
        values = torch.nn.functional.pad(torch.from_numpy(cells[:5][:, one.columns]), (0, 1))
        with torch.no_grad():
            alone = model.network(ids, values, one.flags.expand(5, -1))
        own = one.columns[: one.n_asked]  # type: ignore[index]
        np.testing.assert_allclose(found[:, own], alone[:, : one.n_asked], atol=2e-6)


def test_a_context_of_all_genes_is_exact(model: ScGenePT, cells: np.ndarray) -> None:
    found = predict(model, cells, approximation=Approximation(context_genes=31))
    np.testing.assert_allclose(found, predict(model, cells), atol=2e-6)


def test_the_mean_control_is_one_cell(model: ScGenePT, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = predict(model, cells.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32))
    sizes = count_forward_cells(monkeypatch)
    found = predict(model, cells, approximation=Approximation(mean_control=True), batch_size=16)
    assert sum(sizes) == 1
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=2e-6)


def test_the_error_of_an_approximation_is_measured_and_said(
    model: ScGenePT, cells: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03"))
    engine = Engine(device="cpu", approximation=Approximation(context_genes=10, checked_cells=7))

    def measure(engine: Engine) -> Any:
        return measure_approximation(model.network, tokens, lambda a, b: cells[a:b], len(cells), engine=engine)

    error = measure(engine)
    few = cells[np.linspace(0, 69, 7).astype(int)]
    exact = predict(model, few, genes="GENE03").mean(axis=0)
    near = predict(model, few, genes="GENE03", approximation=engine.approximation).mean(axis=0)
    assert error.n_cells == 7
    assert error.max_error == pytest.approx(np.abs(exact - near).max(), rel=1e-4)
    control = few.mean(axis=0)
    assert error.pearson_delta == pytest.approx(np.corrcoef(exact - control, near - control)[0, 1], rel=1e-4)
    assert f"on 7 cells its mean response correlates {error.pearson_delta:.4f}" in caplog.text
    assert measure(Engine(device="cpu")) is None
    assert measure(Engine(device="cpu", approximation=Approximation(context_genes=99))).max_error == 0


def test_the_error_is_measured_once_for_many_perturbations(
    model: ScGenePT, cells: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(device="cpu", approximation=Approximation(context_genes=10, checked_cells=3))
    predict_pseudobulks(model, GENES, lambda a, b: cells[a:b], 9, ["NOBODY", "GENE01", "GENE02"], engine=engine)
    assert caplog.text.count("Approximate prediction") == 1


@pytest.mark.parametrize(
    "values", [{}, {"context_genes": 1}, {"context_genes": 4.5}, {"mean_control": True, "checked_cells": 0}]
)
def test_impossible_approximations(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="should be a whole number|leaves something out"):
        Approximation(**values)


def test_little_memory_gives_small_batches_and_never_none(model: ScGenePT, monkeypatch: pytest.MonkeyPatch) -> None:
    full = VARIANTS["scgenept_go_c"].config(n_tokens=9, pad_id=8)
    cpu = torch.device("cpu")
    for available, least, most in ((None, 7, 7), (400_000_000, 1, 1), (1, 1, 1)):
        monkeypatch.setattr("scgenept.prediction.batch_size.available_memory", lambda available=available: available)
        assert least <= fitting_batch(full, 5045, cpu) <= most
    assert fitting_batch(model.network.config, 30, cpu) <= 256


def test_results_wait_for_nothing_but_their_own_batch(
    model: ScGenePT, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch i + 1 is started before batch i is written."""
    steps: list[str] = []
    forward, write = engine_module._forward, engine_module._Waiting.write

    def started(*args: Any) -> object:
        steps.append("start")
        return forward(*args)

    def written(self: Any) -> None:
        if self._rows is not None:
            steps.append("write")
        write(self)

    monkeypatch.setattr(engine_module, "_forward", started)
    monkeypatch.setattr(engine_module._Waiting, "write", written)
    predict(model, cells, batch_size=30)
    assert steps == ["start", "start", "write", "start", "write", "write"]


def test_bfloat16_on_a_cpu_without_it_warns(
    model: ScGenePT, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    with pytest.warns(UserWarning, match=r"AVX2\) has no bfloat16 products"):
        predict(model, cells[:2], dtype="bfloat16")
