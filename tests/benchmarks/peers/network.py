"""The published architecture from torch's own modules, as the original builds and calls it.

Every cell brings its own list of tokens, so that a gene is embedded once per cell, and a mask that masks nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from scgenept.nn import Network, NetworkConfig


class Peer(nn.Module):
    """The network of a config with a direct decoder, from ``torch.nn.TransformerEncoder``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d = config.d_model
        self.token_table = nn.Embedding(config.n_tokens, d, padding_idx=config.pad_id)
        self.token_norm = nn.LayerNorm(d)
        self.languages = nn.ModuleDict()
        for source in config.languages:
            table = nn.Embedding(config.n_tokens, source.width, padding_idx=config.pad_id)
            self.languages[source.name] = nn.ModuleDict(
                {"table": table, "projection": nn.Linear(source.width, d), "norm": nn.LayerNorm(d)}
            )
        self.value_encoder = nn.ModuleDict(
            {"linear1": nn.Linear(1, d), "linear2": nn.Linear(d, d), "norm": nn.LayerNorm(d)}
        )
        self.dropout = nn.Dropout(config.dropout)
        self.flag_embedding = nn.Embedding(3, d, padding_idx=2)
        self.norm = nn.LayerNorm(d)
        layer = nn.TransformerEncoderLayer(d, config.n_heads, config.d_hidden, config.dropout, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, config.n_layers)
        self.decoder = nn.ModuleDict(
            {"value": nn.Sequential(nn.Linear(d, d), nn.LeakyReLU(), nn.Linear(d, d), nn.LeakyReLU(), nn.Linear(d, 1))}
        )

    @classmethod
    def like(cls, network: Network, *, text_dtype: torch.dtype = torch.float32) -> Peer:
        """Return a peer with copies of the weights of a network, in evaluation mode; text tables in any type."""
        with torch.device("meta"):
            peer = cls(network.config)
        state = {}
        for name, tensor in network.state_dict().items():
            renamed = name.removeprefix("genes.").removeprefix("body.")
            if renamed.startswith("layers."):
                renamed = "transformer." + renamed.replace(".attention.qkv.", ".self_attn.in_proj_")
                renamed = renamed.replace(".attention.out.", ".self_attn.out_proj.")
            state[renamed] = tensor.to(text_dtype) if name.endswith(".table.weight") else tensor.clone()
        peer.load_state_dict(state, assign=True)
        return peer.requires_grad_(requires_grad=True).eval()

    def forward(self, tokens_bg: Tensor, values_bg: Tensor, flags_bg: Tensor) -> Tensor:
        """Return predicted expression, log1p, batch x genes."""
        x_bgd = self.token_norm(self.token_table(tokens_bg))
        for encoder in self.languages.values():
            text = encoder["table"](tokens_bg).float()  # type: ignore[index]
            x_bgd = x_bgd + encoder["norm"](encoder["projection"](text))  # type: ignore[index]
        counts = self.value_encoder["linear1"](values_bg.unsqueeze(-1).clamp(max=512)).relu()
        x_bgd = x_bgd + self.dropout(self.value_encoder["norm"](self.value_encoder["linear2"](counts)))
        x_bgd = self.norm((x_bgd + self.flag_embedding(flags_bg)).float())
        mask = torch.zeros_like(values_bg, dtype=torch.bool)
        return self.decoder["value"](self.transformer(x_bgd, src_key_padding_mask=mask)).squeeze(-1)  # type: ignore[no-any-return]


@torch.no_grad()
def one_by_one(peer: Peer, tokens: Tensor, values: Tensor, flags: Tensor, *, fast_path: bool) -> Tensor:
    """Predict cells as the original does, one per forward pass; tokens and flags are those of one cell, (g,)."""
    torch.backends.mha.set_fastpath_enabled(fast_path)
    try:
        return torch.cat([peer(tokens[None], cell[None], flags[None]) for cell in values])
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
