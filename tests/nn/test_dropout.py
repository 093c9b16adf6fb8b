"""Dropout on the CPU against an implementation that keeps everything, with the masks that were drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from scgenept.nn import attention, dropout_attention
from scgenept.nn.dropout import Dropout, Masks, new_seed

if TYPE_CHECKING:
    from torch import Tensor


def _inputs(n_genes: int = 7, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, n_genes, 4)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for _ in range(3)]


def _slow_attention(q: Tensor, k: Tensor, v: Tensor, padding: Tensor | None, dropout: float, rows: int) -> Tensor:
    """Softmax, mask and product with every weight in memory; masks are drawn for ``rows`` queries at a time."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if padding is not None:
        scores = scores.masked_fill(padding[:, None, None, :], -math.inf)
    masks = Masks(dropout, new_seed())
    n_genes = q.shape[2]
    drawn = [
        torch.cat([masks.draw(scores[b, h, start : start + rows]) for start in range(0, n_genes, rows)])
        for b in range(len(q))
        for h in range(q.shape[1])
    ]
    return (scores.softmax(-1) * torch.stack(drawn).view(scores.shape) * masks.scale) @ v


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("n_asked", [7, 4])
def test_attention_with_dropout_equals_the_slow_one_and_so_do_its_gradients(
    rows: int, padded: bool, n_asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropout_attention, "_BLOCK", rows * 7)
    padding = torch.tensor([[False] * 7, [False] * 5 + [True] * 2]) if padded else None
    results = []
    for compute in (attention, lambda *args: _slow_attention(*args, rows)):
        torch.manual_seed(1)
        inputs = _inputs()
        q, k, v = inputs
        out = compute(q[:, :, :n_asked], k, v, padding, 0.3)
        out.square().sum().backward()
        results.append([out.detach(), *(x.grad for x in inputs)])
    for ours, slow in zip(*results, strict=True):
        torch.testing.assert_close(ours, slow, rtol=1e-12, atol=1e-12)


def test_attention_with_hardly_any_dropout_is_the_one_without() -> None:
    q, k, v = _inputs(300, torch.float32)
    torch.testing.assert_close(attention(q, k, v, None, 1e-9), attention(q, k, v, None, 0.0))


def test_half_precision_comes_back_as_half_precision() -> None:
    q, k, v = (x.detach().bfloat16().requires_grad_() for x in _inputs())
    out = attention(q, k, v, None, 0.2)
    out.sum().backward()
    assert out.dtype == torch.bfloat16
    assert q.grad is not None
    assert q.grad.dtype == torch.bfloat16


def test_masks_keep_their_share_and_keep_the_mean() -> None:
    masks = Masks(0.2, 5)
    drawn = masks.draw(torch.empty(1000, 1001))
    n = drawn.numel()
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    # five standard deviations of a binomial share
    assert abs(float(drawn.mean()) - 0.8) < 5 * math.sqrt(0.2 * 0.8 / n)
    assert masks.scale == pytest.approx(1 / 0.8, rel=1e-4)
    neighbours = torch.corrcoef(torch.stack([drawn.ravel()[:-1], drawn.ravel()[1:]]))[0, 1]
    assert abs(float(neighbours)) < 5 / math.sqrt(n)


def test_dropout_follows_the_generator_of_torch_and_is_off_in_evaluation() -> None:
    layer, x = Dropout(0.5), torch.ones(50, 50)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_of_dropout_are_those_of_torch(p: float) -> None:
    x = torch.ones(3, 3)
    assert torch.equal(Dropout(p)(x), torch.nn.Dropout(p)(x))
