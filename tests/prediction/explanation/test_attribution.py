"""Integrated gradients against a slow loop, against their own sum, and where the answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from scgenept._errors import DeviceError
from scgenept.perturbation import Perturbation
from scgenept.prediction.engine import Engine
from scgenept.prediction.explanation import attribution
from scgenept.prediction.explanation.attribution import attribute, estimate, make_task
from scgenept.prediction.explanation.sources import input_sources
from scgenept.weights.tokens import build_tokens
from tests.small import GENES, log_cells

from .test_sources import CELLS, CPU, NETWORKS, double_model

if TYPE_CHECKING:
    from scgenept.prediction.explanation.attribution import Attributions, Task
    from scgenept.prediction.explanation.sources import InputSource
    from scgenept.weights.model import ScGenePT

WANTED = [0, 3, 17]


def laid_out(
    model: ScGenePT, *, genes: str = "GENE03+OUTA", cells: np.ndarray = CELLS, n_steps: int = 8, baseline: Any = "mean"
) -> tuple[list[InputSource], Task]:
    tokens = build_tokens(model, GENES, Perturbation.parse(genes))
    sources = input_sources(model, tokens, cells, baseline=baseline)
    control = np.pad(cells.mean(axis=0), (0, len(tokens.unmeasured)))
    return sources, make_task(model.network, sources, control, WANTED, n_steps=n_steps, device=CPU)


def explained(model: ScGenePT, rows: int = 64, **options: Any) -> tuple[list[InputSource], Attributions]:
    sources, task = laid_out(model, **options)
    return sources, attribute(task, rows)


@pytest.mark.parametrize("name", NETWORKS)
def test_attributions_sum_to_the_response(name: str) -> None:
    model = double_model(**NETWORKS[name])
    _, few = explained(model, cells=CELLS[:1], n_steps=10)
    _, many = explained(model, cells=CELLS[:1], n_steps=400, rows=200)
    due = many.response - many.reference
    size = np.abs(due).max()
    assert size > 0.01
    gaps = [np.abs(found.values.sum(axis=(1, 2)) - due).max() / size for found in (few, many)]
    # Where all genes are alike, the norm of a network that knows little is steep.
    assert gaps[1] < (0.03 if name in {"text alone", "flag only"} else 0.002)
    assert gaps[1] < gaps[0] or gaps[0] < 1e-6


@pytest.mark.parametrize("name", ["tokens and text", "residual, level", "text alone"])
@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_equals_a_slow_loop(name: str, baseline: str) -> None:
    """One cell, one gene, one point at a time, with flags and counts as the network takes them."""
    model, n_steps = double_model(**NETWORKS[name]), 5
    network, body, tables = model.network, model.network.body, model.network.genes
    cells = CELLS[:2]
    sources, found = explained(model, cells=cells, n_steps=n_steps, baseline=baseline)
    ids = torch.from_numpy(model.gene_set([*GENES, "OUTA"]).token_ids)
    targets = torch.zeros(len(ids), 1, dtype=torch.float64)
    targets[[3, 40]] = 1
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    expected = np.zeros_like(found.values)
    with torch.no_grad():
        tokens = network.genes(ids) * 0
        if tables.token_table is not None and tables.token_norm is not None:
            tokens = tables.token_norm(tables.token_table(ids))
        text = tables.languages["go_c"](ids)
        flag_off, flag_on = body.flag_embedding.weight[0], body.flag_embedding.weight[1]
        flags = flag_off + targets * (flag_on - flag_off)
        offset = torch.zeros(len(ids), dtype=torch.float64)
        if tables.offset_table is not None:
            offset = tables.offset_table(ids).squeeze(-1)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return values.mean(dim=0, keepdim=True).expand_as(values) if baseline == "mean" else values * 0

    level = float(cells.mean()) if baseline == "mean" else 0.0
    for cell in cells:
        values = torch.tensor([*cell, 0.0], dtype=torch.float64)
        first = torch.tensor([*([level] * len(cell)), 0.0], dtype=torch.float64)
        ends = {
            "tokens": (mean(tokens), tokens),
            "go_c": (mean(text), text),
            "counts": (first, values) if network.config.counts else (values, values),
            "perturbation": (flag_off.expand_as(flags), flags),
            "gene_offset": (mean(offset), offset),
        }
        for i, gene in enumerate(WANTED):
            for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
                at = {key: (a + node * (b - a)).detach().requires_grad_() for key, (a, b) in ends.items()}
                state = at["tokens"] + at["go_c"] + at["perturbation"]
                if body.value_encoder is not None:
                    state = state + body.value_encoder(at["counts"][None])[0]
                state = body.norm(state)[None]
                for layer in body.layers:
                    state = layer(state, None)
                said = body.decoder(state, at["counts"][None])[0, gene] + at["gene_offset"][gene] - at["counts"][gene]
                slopes = dict(zip(at, torch.autograd.grad(said, list(at.values())), strict=True))
                for j, source in enumerate(sources):
                    a, b = ends[source.name]
                    share = (slopes[source.name] * (b - a)).detach()
                    expected[i, j] += weight * (share.sum(dim=-1) if share.ndim > 1 else share).numpy() / len(cells)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_a_linear_network_is_explained_exactly(baseline: str) -> None:
    """Without layers and with a linear decoder, each gene is its own vectors times the weights of the decoder."""
    model = double_model(n_layers=0, norm_sum=False, gene_offset=True)
    body, tables = model.network.body, model.network.genes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = nn.Linear(8, 1).double()
    body.decoder.value = nn.Sequential(linear)
    sources, found = explained(model, genes="GENE03", n_steps=2, baseline=baseline)
    ids = torch.arange(len(GENES))
    assert tables.token_norm is not None
    assert tables.token_table is not None
    with torch.no_grad():
        terms = {
            "tokens": tables.token_norm(tables.token_table(ids)) @ linear.weight[0],
            "go_c": tables.languages["go_c"](ids) @ linear.weight[0],
            "gene_offset": tables.offset_table(ids).squeeze(-1),  # type: ignore[misc]
        }
        flag = body.flag_embedding.weight @ linear.weight[0]
    for j, source in enumerate(sources):
        for i, gene in enumerate(WANTED):
            others = np.delete(found.values[i, j], gene)
            assert not others.any(), "nothing but itself"
            if source.name in terms:
                term = terms[source.name]
                expected = term[gene] - (term.mean() if baseline == "mean" else 0)
                assert found.values[i, j, gene] == pytest.approx(float(expected), rel=1e-6)
            elif source.name == "perturbation":
                expected = flag[1] - flag[0] if gene == 3 else 0
                assert found.values[i, j, gene] == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 8, 1000])
def test_batches_do_not_matter(rows: int) -> None:
    model = double_model()
    _, one = explained(model, rows=16)
    _, other = explained(model, rows=rows)
    np.testing.assert_allclose(other.values, one.values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.response, one.response)


def test_cells_are_averaged() -> None:
    model = double_model(decoder="residual")
    level = log_cells(4)[:, :1]
    cells = np.repeat(level, len(GENES), axis=1).astype(np.float64)
    cells[1:] = CELLS[1:]
    _, together = explained(model, cells=cells, baseline="zero")
    alone = [explained(model, cells=cells[i : i + 1], baseline="zero")[1] for i in range(len(cells))]
    np.testing.assert_allclose(together.values, np.mean([each.values for each in alone], axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(together.response, np.mean([each.response for each in alone], axis=0))


def test_a_network_without_counts_answers_for_all_cells_at_once() -> None:
    _, task = laid_out(double_model("go_c"))
    assert task.n_cells == 1
    found = attribute(task, 8)
    model = double_model("go_c")
    alone = [explained(model, cells=CELLS[i : i + 1])[1] for i in range(len(CELLS))]
    np.testing.assert_allclose(found.response, np.mean([each.response for each in alone], axis=0))
    np.testing.assert_allclose(found.values, alone[0].values)


def test_the_cost_counts_every_pass() -> None:
    _, task = laid_out(double_model(), n_steps=8)
    cost, rows = estimate(task, Engine(device="cpu"))
    assert cost.passes == len(WANTED) * len(CELLS) * 8
    assert rows == len(CELLS) * 8
    assert cost.n_genes == len(GENES) + 1
    assert cost.seconds > 0
    assert estimate(task, Engine(device="cpu", batch_size=5))[1] == 5


def test_a_batch_is_halved_until_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    _, task = laid_out(double_model(), n_steps=8)

    def small_memory(function: Any, inputs: tuple[torch.Tensor, ...]) -> float:
        if len(inputs[0]) > fits:
            raise torch.OutOfMemoryError
        return 1.0

    monkeypatch.setattr(attribution, "timed", small_memory)
    fits = 5
    assert estimate(task, Engine(device="cpu"))[1] == 4
    fits = 0
    with pytest.raises(DeviceError, match=r"41 genes does not fit on cpu.*device='cpu'"):
        estimate(task, Engine(device="cpu"))
