"""Attention with dropout on the CPU, in memory that does not grow with the square of the genes.

torch's own kernel for the CPU knows no dropout: with it, scores, weights and masks of all heads are kept whole for
the backward pass. Here a block of queries is worked on at a time, and the backward pass computes it again, random
numbers included, as FlashAttention does on accelerators (Dao et al. 2022, algorithm 4).

Shape suffixes: n heads of all cells, g genes (those that ask, or those that are attended to), i a block of those that
ask, k width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch.autograd.function import once_differentiable

from .dropout import Masks, new_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_BLOCK: Final = 1 << 19
"""Attention weights worked on at a time: few enough for the cache, enough for the matrix products."""


def dropout_attention(q_bhgk: Tensor, k_bhgk: Tensor, v_bhgk: Tensor, keep: Tensor | None, dropout: float) -> Tensor:
    """Scaled dot-product attention with dropout on its weights; see :func:`scgenept.nn.attention`.

    Parameters
    ----------
    q_bhgk, k_bhgk, v_bhgk
        Queries, keys and values, batch x heads x genes x head width; computed in float32, or in float64 where
        they are.
    keep
        False where a gene must not be attended to, batch x 1 x 1 x genes.
    dropout
        Probability of dropping a weight, as :class:`scgenept.nn.dropout.Masks` takes it.

    Returns
    -------
    Attended values, batch x heads x genes x head width.
    """
    # torch gives apply no types
    return _DropoutAttention.apply(q_bhgk, k_bhgk, v_bhgk, keep, dropout, new_seed())  # type: ignore[no-untyped-call]


class _DropoutAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None, dropout: float, seed: int) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            q_ngk, k_ngk, v_ngk = (_wide(x).flatten(0, 1).contiguous() for x in (q, k, v))
            q_ngk = q_ngk * q.shape[-1] ** -0.5
            out_ngk = torch.empty_like(q_ngk)
            masks = Masks(dropout, seed)
            for n, block in _blocks(q_ngk, k_ngk):
                weights_ig = _weights(q_ngk[n, block], k_ngk[n], _mask_of(keep, n, q.shape[1]))
                torch.mm(weights_ig.mul_(masks.draw(weights_ig)), v_ngk[n], out=out_ngk[n, block])
            out_ngk *= masks.scale
        ctx.save_for_backward(q_ngk, k_ngk, v_ngk, out_ngk, keep)
        ctx.dropout, ctx.seed, ctx.n_heads, ctx.shapes = dropout, seed, q.shape[1], (q.shape, k.shape, v.shape)
        return out_ngk.view(q.shape).to(q.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q_ngk, k_ngk, v_ngk, out_ngk, keep = ctx.saved_tensors
        masks = Masks(ctx.dropout, ctx.seed)
        grad_ngk = grad.reshape(out_ngk.shape).to(out_ngk.dtype)
        # Of softmax: a score's gradient is its weight times (the weight's gradient - the weighted mean of them all).
        mean_ng1 = (grad_ngk * out_ngk).sum(dim=-1, keepdim=True)
        grad_ngk = grad_ngk * masks.scale
        dq, dk, dv = torch.empty_like(q_ngk), torch.zeros_like(k_ngk), torch.zeros_like(v_ngk)
        for n, block in _blocks(q_ngk, k_ngk):
            weights_ig = _weights(q_ngk[n, block], k_ngk[n], _mask_of(keep, n, ctx.n_heads))
            keep_ig = masks.draw(weights_ig)
            dscores_ig = torch.mm(grad_ngk[n, block], v_ngk[n].T)
            dscores_ig.mul_(keep_ig).sub_(mean_ng1[n, block]).mul_(weights_ig)
            dv[n].addmm_(keep_ig.mul_(weights_ig).T, grad_ngk[n, block])
            torch.mm(dscores_ig, k_ngk[n], out=dq[n, block])
            dk[n].addmm_(dscores_ig.T, q_ngk[n, block])
        dq *= q_ngk.shape[-1] ** -0.5
        grads = zip((dq, dk, dv), ctx.shapes, strict=True)
        return *(x.view(shape).to(grad.dtype) for x, shape in grads), None, None, None


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _blocks(q_ngk: Tensor, k_ngk: Tensor) -> Iterator[tuple[int, slice]]:
    size = max(1, _BLOCK // max(k_ngk.shape[1], 1))
    for n in range(len(q_ngk)):
        for start in range(0, q_ngk.shape[1], size):
            yield n, slice(start, start + size)


def _weights(q_ik: Tensor, k_gk: Tensor, keep_g: Tensor | None) -> Tensor:
    scores_ig = torch.mm(q_ik, k_gk.T)
    if keep_g is not None:
        scores_ig.masked_fill_(~keep_g, float("-inf"))
    return torch.softmax(scores_ig, dim=-1)


def _mask_of(keep: Tensor | None, n: int, n_heads: int) -> Tensor | None:
    return None if keep is None else keep[n // n_heads, 0, 0]
