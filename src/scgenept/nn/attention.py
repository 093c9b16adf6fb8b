"""The one attention function, and the transformer layer that uses it.

Shape suffixes: b batch, g genes, h heads, d width of the model, k width of a head, t three (query, key, value).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from .dropout import Dropout, draws_itself
from .dropout_attention import dropout_attention

if TYPE_CHECKING:
    from torch import Tensor


def attention(q_bhgk: Tensor, k_bhgk: Tensor, v_bhgk: Tensor, mask_bg: Tensor | None, dropout: float) -> Tensor:
    """Scaled dot-product attention over the genes of each cell.

    Parameters
    ----------
    q_bhgk, k_bhgk, v_bhgk
        Queries, keys and values, batch x heads x genes x head width.
    mask_bg
        True where a gene is padding and must not be attended to, batch x genes. ``None`` without
        padding, which leaves torch free to take its fastest kernel.
    dropout
        Probability of dropping an attention weight; 0 outside training.

    Returns
    -------
    Attended values, batch x heads x genes x head width.
    """
    keep = None if mask_bg is None else ~mask_bg[:, None, None, :]
    if draws_itself(q_bhgk, dropout):
        return dropout_attention(q_bhgk, k_bhgk, v_bhgk, keep, dropout)
    return F.scaled_dot_product_attention(q_bhgk, k_bhgk, v_bhgk, attn_mask=keep, dropout_p=dropout)


class SelfAttention(nn.Module):
    """Multi-head self-attention over genes."""

    def __init__(self, d_model: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.dropout = dropout
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x_bgd: Tensor, mask_bg: Tensor | None, n_asked: int | None = None) -> Tensor:
        qkv_tbhgk = self.qkv(x_bgd).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        if x_bgd.device.type == "cpu":
            # The same numbers, 3 to 7 % sooner: the kernel there reads each head many times.
            qkv_tbhgk = qkv_tbhgk.contiguous()
        q_bhgk, k_bhgk, v_bhgk = qkv_tbhgk.unbind(0)
        q_bhgk = q_bhgk[:, :, :n_asked]
        heads_bhgk = attention(q_bhgk, k_bhgk, v_bhgk, mask_bg, self.dropout if self.training else 0.0)
        return self.out(heads_bhgk.transpose(1, 2).flatten(-2))


class TransformerLayer(nn.Module):
    """Post-norm transformer encoder layer with a ReLU feed-forward, as scGPT's."""

    def __init__(self, d_model: int, n_heads: int, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(d_model, n_heads, dropout)
        self.linear1 = nn.Linear(d_model, d_hidden)
        self.linear2 = nn.Linear(d_hidden, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x_bgd: Tensor, mask_bg: Tensor | None, n_asked: int | None = None) -> Tensor:
        """Return the new state of the first ``n_asked`` genes, or of all; every gene is attended to in any case."""
        x_bgd = self.norm1(x_bgd[:, :n_asked] + self.dropout(self.attention(x_bgd, mask_bg, n_asked)))
        hidden = self.dropout(F.relu(self.linear1(x_bgd)))
        return self.norm2(x_bgd + self.dropout(self.linear2(hidden)))
