"""The terms of the input sum, and the decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from .dropout import Dropout

if TYPE_CHECKING:
    from torch import Tensor

MAX_VALUE = 512.0
"""Expression values are clamped here, as in scGPT."""


class ValueEncoder(nn.Module):
    """Expression values (log1p) to the width of the model."""

    def __init__(self, d_model: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(1, d_model)
        self.linear2 = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, values_bg: Tensor) -> Tensor:
        x_bg1 = values_bg.unsqueeze(-1).clamp(max=MAX_VALUE)
        return self.dropout(self.norm(self.linear2(F.relu(self.linear1(x_bg1)))))


class LanguageEncoder(nn.Module):
    """Text embeddings of genes, projected to the width of the model.

    The table may be wider in type than the network (the published ones are float64); only the rows
    that are asked for are converted, so that a memory-mapped table stays on disk.
    """

    def __init__(self, n_tokens: int, width: int, d_model: int, pad_id: int) -> None:
        super().__init__()
        self.table = nn.Embedding(n_tokens, width, padding_idx=pad_id)
        self.projection = nn.Linear(width, d_model)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, token_ids: Tensor) -> Tensor:
        text = self.table(token_ids).to(self.projection.weight.dtype)
        return self.norm(self.projection(text))


def _decoder_layers(d_model: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(d_model, d_model),
        nn.LeakyReLU(),
        nn.Linear(d_model, d_model),
        nn.LeakyReLU(),
        nn.Linear(d_model, 1),
    )


class DirectDecoder(nn.Module):
    """Gene states to predicted expression."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.value = _decoder_layers(d_model)

    def forward(self, states_bgd: Tensor, values_bg: Tensor) -> Tensor:
        return self.value(states_bgd).squeeze(-1)


class ResidualDecoder(DirectDecoder):
    """Gene states to the change of the input expression."""

    def forward(self, states_bgd: Tensor, values_bg: Tensor) -> Tensor:
        return values_bg + super().forward(states_bgd, values_bg)


class AffineDecoder(nn.Module):
    """Gene states to slope and offset on the input expression, as scGPT's own generator."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.slope = _decoder_layers(d_model)
        self.offset = _decoder_layers(d_model)

    def forward(self, states_bgd: Tensor, values_bg: Tensor) -> Tensor:
        return self.slope(states_bgd).squeeze(-1) * values_bg + self.offset(states_bgd).squeeze(-1)
