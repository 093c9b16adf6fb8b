"""The engine: every cell for itself, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scgenept._device import available_devices, resolve_device
from scgenept._errors import DeviceError, UnknownGeneError
from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.perturbation import Perturbation
from scgenept.prediction import engine as engine_module
from scgenept.prediction.engine import Engine, predict_cells
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT
from scgenept.weights.tokens import build_tokens

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

    def small_only(body: object, embedding: object, offset: object, flags: object, block: np.ndarray) -> object:
        sizes.append(len(block))
        if len(block) > 5:
            raise torch.OutOfMemoryError
        return forward(body, embedding, offset, flags, block)  # type: ignore[arg-type]

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


def test_bfloat16_stays_near(model: ScGenePT, cells: np.ndarray) -> None:
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
