"""The input of a network, taken apart and put together again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.perturbation import Perturbation
from scgenept.prediction.explanation.attribution import make_task
from scgenept.prediction.explanation.sources import input_sources
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT
from scgenept.weights.tokens import build_tokens
from tests.small import GENES, OUTSIDE, log_cells

CPU = torch.device("cpu")
CELLS = log_cells(4).astype(np.float64)


def double_model(variant: str = "scgenept_go_c", **sizes: Any) -> ScGenePT:
    """A float64 network; every table differs from gene to gene."""
    vocabulary = Vocabulary([*GENES, *OUTSIDE, "<pad>"])
    config = VARIANTS[variant].config(n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, language_width=6)
    config = replace(config, **{"d_model": 8, "n_heads": 2, "d_hidden": 8, "n_layers": 1, **sizes})
    network = Network.initialised(config).double().eval()
    if network.genes.offset_table is not None:
        with torch.no_grad():
            network.genes.offset_table.weight.copy_(torch.linspace(0, 1, len(vocabulary))[:, None])
    return ScGenePT(network, vocabulary, Card("double", token_mapping="alias"), genes=GENES)


NETWORKS = {
    "tokens and text": {},
    "no text": {"variant": "scgpt"},
    "two texts": {"variant": "scgenept_ncbi_go_c"},
    "text alone": {"variant": "go_c"},
    "flag only": {"variant": "flag_only"},
    "residual, level": {"decoder": "residual", "gene_offset": True},
    "affine without counts": {"variant": "go_c", "decoder": "affine"},
}
SOURCES = {
    "tokens and text": ["tokens", "go_c", "counts", "perturbation"],
    "no text": ["tokens", "counts", "perturbation"],
    "two texts": ["tokens", "ncbi", "go_c", "counts", "perturbation"],
    "text alone": ["go_c", "perturbation"],
    "flag only": ["perturbation"],
    "residual, level": ["tokens", "go_c", "counts", "perturbation", "gene_offset"],
    "affine without counts": ["go_c", "counts", "perturbation"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_sources_that_it_has(name: str) -> None:
    model = double_model(**NETWORKS[name])
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03+OUTA"))
    found = input_sources(model, tokens, CELLS, baseline="mean")
    assert [source.name for source in found] == SOURCES[name]
    assert all(source.actual.dtype == torch.float64 for source in found if source.kind != "gene_offset")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_sources_together_are_the_prediction(name: str) -> None:
    model = double_model(**NETWORKS[name])
    network = model.network
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03+OUTA"))
    sources = input_sources(model, tokens, CELLS, baseline="mean")
    wanted = [0, 3, 17]
    task = make_task(network, sources, np.pad(CELLS.mean(axis=0), (0, 1)), wanted, n_steps=2, device=CPU)
    ids = torch.from_numpy(model.gene_set([*GENES, "OUTA"]).token_ids).expand(len(CELLS), -1)
    values = torch.nn.functional.pad(torch.from_numpy(CELLS), (0, 1))
    flags = torch.zeros_like(ids)
    flags[:, [3, 40]] = 1
    with torch.no_grad():
        expected = (network(ids, values, flags) - values)[:, wanted].mean(dim=0)
        found = task.response(*task.rows([*task.inputs, *task.constants], 0, len(CELLS))).mean(dim=0)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_at_the_mean_all_genes_are_alike() -> None:
    model = double_model(gene_offset=True)
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03"))
    sources = {source.name: source for source in input_sources(model, tokens, CELLS, baseline="mean")}
    ids = torch.from_numpy(tokens.genes.token_ids)
    tables, norm = model.network.genes, model.network.genes.token_norm
    assert tables.token_table is not None
    assert norm is not None
    with torch.no_grad():
        torch.testing.assert_close(sources["tokens"].reference[7], norm(tables.token_table(ids)).mean(dim=0))
        torch.testing.assert_close(sources["go_c"].reference[7], tables.languages["go_c"](ids).mean(dim=0))
    np.testing.assert_allclose(sources["counts"].reference, np.full((1, 40), CELLS.mean()))
    assert not sources["perturbation"].reference.any()
    for source in sources.values():
        of_genes = source.reference[0] if source.kind == "counts" else source.reference
        assert torch.equal(of_genes, of_genes[:1].expand_as(of_genes))
        at_zero = next(s for s in input_sources(model, tokens, CELLS, baseline="zero") if s.name == source.name)
        assert not at_zero.reference.any()


def test_genes_that_the_model_does_not_know_are_no_part_of_the_mean() -> None:
    model = double_model()
    known = build_tokens(model, GENES, Perturbation.parse("GENE03"))
    more = build_tokens(model, [*GENES, "NOBODY"], Perturbation.parse("GENE03"))
    wide = np.pad(CELLS, ((0, 0), (0, 1)), constant_values=9.0)
    for few, many in zip(
        input_sources(model, known, CELLS, baseline="mean"),
        input_sources(model, more, wide, baseline="mean"),
        strict=True,
    ):
        torch.testing.assert_close(few.reference.flatten()[0], many.reference.flatten()[0])


def test_a_target_that_is_not_measured_has_no_counts_to_attribute() -> None:
    model = double_model()
    tokens = build_tokens(model, GENES, Perturbation.parse("OUTA"))
    counts = next(s for s in input_sources(model, tokens, CELLS, baseline="mean") if s.kind == "counts")
    assert torch.all(counts.actual[:, -1] == counts.reference[:, -1])
