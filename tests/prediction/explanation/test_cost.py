"""What an explanation costs, against torch's own counters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from scgenept.perturbation import Perturbation
from scgenept.prediction.explanation.attribution import make_task
from scgenept.prediction.explanation.cost import Cost, kept_bytes, pass_flop, there_and_back
from scgenept.prediction.explanation.sources import input_sources
from scgenept.weights.tokens import build_tokens
from tests.small import GENES

from .test_sources import CELLS, CPU, double_model


def one_gene(**sizes: Any) -> Any:
    model = double_model(**sizes)
    tokens = build_tokens(model, GENES, Perturbation.parse("GENE03"))
    sources = input_sources(model, tokens, CELLS, baseline="mean")
    return make_task(model.network, sources, CELLS.mean(axis=0), [0], n_steps=1, device=CPU)


@pytest.mark.parametrize("sizes", [{}, {"n_layers": 3, "d_hidden": 32}, {"decoder": "affine"}])
def test_flop_are_those_that_torch_counts(sizes: dict[str, Any]) -> None:
    task = one_gene(**sizes)
    leaves = [tensor.requires_grad_() for tensor in task.rows(task.inputs, 0, 1)]
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        task.response(*leaves).sum().backward()
    assert pass_flop(task.config, len(GENES)) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_what_is_kept_does_not_count_the_weights() -> None:
    small, large = (
        kept_bytes(task.response, task.rows(task.inputs, 0, 1), task.response.body)
        for task in (one_gene(), one_gene(n_layers=3))
    )
    n_weights = sum(tensor.nbytes for tensor in one_gene().response.body.parameters())
    assert 8 * 8 * len(GENES) < small < 100 * 8 * 8 * len(GENES)
    assert small != n_weights
    assert 1.5 < large / small < 3


@pytest.mark.parametrize(("seconds", "words"), [(8.2, "8 s"), (300.0, "5 min"), (7500.0, "2.1 h")])
def test_words(seconds: float, words: str) -> None:
    text = str(Cost(12_800, 5045, 2.5e16, seconds, 3 * 10**9, "cuda:0"))
    assert text == f"12,800 passes forward and back over 5,045 genes, 2.5e+04 TFLOP, about {words} on cuda:0 and 3 GB"


def test_gradients_are_of_the_input_only() -> None:
    task = one_gene()
    found = there_and_back(task.response, task.rows(task.inputs, 0, 1))
    assert [gradient.shape for gradient in found] == [(1, *tensor.shape[1:]) for tensor in task.inputs]
    assert all(weight.grad is None for weight in task.response.body.parameters())
    assert np.isfinite(torch.cat([gradient.flatten() for gradient in found]).numpy()).all()
