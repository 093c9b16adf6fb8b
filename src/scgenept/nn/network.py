"""scGenePT: gene tables on one side, the transformer on the other.

Shape suffixes: b batch (cells), g genes, d width of the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from .attention import TransformerLayer
from .encoders import AffineDecoder, DirectDecoder, LanguageEncoder, ResidualDecoder, ValueEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from .config import NetworkConfig

_DECODERS: dict[str, type[nn.Module]] = {"direct": DirectDecoder, "affine": AffineDecoder, "residual": ResidualDecoder}


class GeneEmbedding(nn.Module):
    """What a gene is, before any cell is seen: learned token plus projected texts.

    The same for all cells, so it is evaluated once for a list of genes. Its tables may be memory-mapped
    and stay on the CPU while the :class:`Body` works on an accelerator.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.d_model = config.d_model
        self.token_table: nn.Embedding | None = None
        self.token_norm: nn.LayerNorm | None = None
        if config.tokens:
            self.token_table = nn.Embedding(config.n_tokens, config.d_model, padding_idx=config.pad_id)
            self.token_norm = nn.LayerNorm(config.d_model)
            nn.init.uniform_(self.token_table.weight, -0.1, 0.1)
        self.languages = nn.ModuleDict(
            {
                source.name: LanguageEncoder(config.n_tokens, source.width, config.d_model, config.pad_id)
                for source in config.languages
            }
        )
        self.offset_table: nn.Embedding | None = None
        if config.gene_offset:
            self.offset_table = nn.Embedding(config.n_tokens, 1, padding_idx=config.pad_id)
            nn.init.zeros_(self.offset_table.weight)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Return the embedding of each token id, ``token_ids.shape`` x d_model."""
        total = torch.zeros((), device=token_ids.device).expand(*token_ids.shape, self.d_model)
        if self.token_table is not None and self.token_norm is not None:
            # The table may be stored in half precision; it is normalised in that of the network.
            total = self.token_norm(self.token_table(token_ids).to(self.token_norm.weight.dtype))
        for encoder in self.languages.values():
            total = total + encoder(token_ids)
        return total

    def offset(self, token_ids: Tensor) -> Tensor | None:
        """Return the learned level of each gene, log1p, ``token_ids.shape``; ``None`` where the network has none."""
        return None if self.offset_table is None else self.offset_table(token_ids).squeeze(-1).float()


class Body(nn.Module):
    """Everything that depends on the cell: counts, perturbation flags, transformer, decoder."""

    NOT_PERTURBED = 0
    PERTURBED = 1
    PADDING = 2

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d_model = config.d_model
        self.value_encoder = ValueEncoder(d_model, config.dropout) if config.counts else None
        self.flag_embedding = nn.Embedding(3, d_model, padding_idx=self.PADDING)
        self.norm = nn.LayerNorm(d_model) if config.norm_sum else nn.Identity()
        self.layers = nn.ModuleList(
            TransformerLayer(d_model, config.n_heads, config.d_hidden, config.dropout) for _ in range(config.n_layers)
        )
        self.decoder = _DECODERS[config.decoder](d_model)

    def embed(self, gene_embedding: Tensor, values_bg: Tensor, flags_bg: Tensor) -> Tensor:
        """Return the normalised input sum, batch x genes x d_model."""
        x_bgd = gene_embedding
        if self.value_encoder is not None:
            x_bgd = x_bgd + self.value_encoder(values_bg)
        return self.norm(x_bgd + self.flag_embedding(flags_bg))

    def encode(
        self,
        gene_embedding: Tensor,
        values_bg: Tensor,
        flags_bg: Tensor,
        padding_mask_bg: Tensor | None = None,
        n_asked: int | None = None,
    ) -> Tensor:
        """Return the state of each gene in each cell, batch x genes x d_model.

        Parameters
        ----------
        gene_embedding
            From :class:`GeneEmbedding`: genes x d_model for genes that all cells share, or
            batch x genes x d_model.
        values_bg, flags_bg, padding_mask_bg
            As in :meth:`Network.forward`.
        n_asked
            Return the states of this many genes, the first ones; the last layer computes no others.
        """
        x_bgd = self.embed(gene_embedding, values_bg, flags_bg)
        for i, layer in enumerate(self.layers, start=1):
            x_bgd = layer(x_bgd, padding_mask_bg, n_asked if i == len(self.layers) else None)
        return x_bgd[:, :n_asked]

    def decode(self, states_bgd: Tensor, values_bg: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return predicted expression (log1p), batch x genes; ``offset`` is that of :meth:`GeneEmbedding.offset`."""
        decoded = self.decoder(states_bgd, values_bg)
        return decoded if offset is None else decoded + offset


class Network(nn.Module):
    """The network of every variant; what it is made of is decided by its config alone.

    Parameters
    ----------
    config
        Sizes, encoders and texts.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.genes = GeneEmbedding(config)
        self.body = Body(config)

    @classmethod
    def initialised(cls, config: NetworkConfig, seed: int = 0) -> Network:
        """Return a network with fresh weights that depend on the seed alone; torch's own RNG is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(config)

    def forward(
        self, token_ids: Tensor, values: Tensor, perturbation_flags: Tensor, padding_mask: Tensor | None = None
    ) -> Tensor:
        """Predict the expression of perturbed cells from control cells.

        Parameters
        ----------
        token_ids
            Vocabulary row of each gene, batch x genes, int64.
        values
            Expression of the control cell, log1p of counts per 1e4, batch x genes.
        perturbation_flags
            0 not perturbed, 1 perturbed, 2 padding; batch x genes, int64.
        padding_mask
            True where a position is padding, batch x genes; ``None`` where there is none.

        Returns
        -------
        Predicted expression, log1p of counts per 1e4, batch x genes.
        """
        states_bgd = self.body.encode(self.genes(token_ids), values, perturbation_flags, padding_mask)
        return self.body.decode(states_bgd, values, self.genes.offset(token_ids))

    @staticmethod
    def cell_embedding(states_bgd: Tensor, padding_mask_bg: Tensor | None = None) -> Tensor:
        """Return the mean over the states of all genes that are not padding, batch x d_model."""
        if padding_mask_bg is None:
            return states_bgd.mean(dim=1)
        weight_bg1 = (~padding_mask_bg).unsqueeze(-1).to(states_bgd.dtype)
        return (states_bgd * weight_bg1).sum(dim=1) / weight_bg1.sum(dim=1).clamp(min=1)
