"""The model that a fine-tuning starts from: pretrained parts, text tables, and what starts fresh."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import torch

from .._arguments import require_flag, require_number, require_whole
from .._errors import DataError, UnknownNameError, listing
from ..nn import LanguageSource, Network
from .assemble import build_network
from .model import ScGenePT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from torch import Tensor

    from ..genes.vocabulary import Vocabulary
    from ..nn import NetworkConfig, Variant
    from .card import Card

Decoder: TypeAlias = Literal["direct", "residual"]

_PARTS: Final = {
    "tokens": ("genes.token_table.", "genes.token_norm."),
    "counts": ("body.value_encoder.",),
    "transformer": ("body.layers.",),
}


@dataclass(frozen=True)
class Architecture:
    """What a network is made of where its variant and its pretrained weights leave a choice.

    Attributes
    ----------
    d_model, n_heads, d_hidden, n_layers
        Sizes; ``None`` takes those of the pretrained weights, or the published ones (512, 8, 512, 12).
    dropout
        In training.
    decoder
        ``"direct"`` predicts expression, as published; ``"residual"`` the change of the control cell.
    gene_offset
        Add one learned number per gene, started at the mean of the training perturbations, so that an untrained
        network already predicts that mean. With ``decoder="residual"`` it starts at their mean change over the controls
        of their context, which the mean of the training perturbations is made of where there are several contexts.
    """

    d_model: int | None = None
    n_heads: int | None = None
    d_hidden: int | None = None
    n_layers: int | None = None
    dropout: float = 0.2
    decoder: Decoder = "direct"
    gene_offset: bool = False

    def __post_init__(self) -> None:
        for name in ("d_model", "n_heads", "d_hidden", "n_layers"):
            if (value := getattr(self, name)) is not None:
                require_whole(name, value, otherwise="None")
                object.__setattr__(self, name, int(value))  # a number of numpy cannot be saved
        if self.dropout != 0:
            require_number("dropout", self.dropout, below=1)
            object.__setattr__(self, "dropout", float(self.dropout))
        require_flag("gene_offset", self.gene_offset)
        if self.decoder not in get_args(Decoder):
            msg = f"decoder={self.decoder!r} should be one of: {listing(get_args(Decoder))}."
            raise UnknownNameError(msg)
        if self.d_model is not None and self.n_heads is not None and self.d_model % self.n_heads:
            msg = f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}: choose another n_heads."
            raise DataError(msg)

    def sizes(self) -> dict[str, Any]:
        """Return what is not left open, as fields of a :class:`NetworkConfig`."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def further(model: ScGenePT) -> ScGenePT:
    """Return a copy of a fine-tuned model, to train further without changing the one that was given."""
    network = copy.deepcopy(model.network)
    return ScGenePT(network, model.vocabulary, model.card, genes=model.genes, control_mean=model.control_mean)


def from_pretrained(
    model: ScGenePT,
    variant: Variant,
    texts: Mapping[str, np.ndarray],
    architecture: Architecture,
    *,
    card: Card,
    seed: int,
) -> ScGenePT:
    """Return a new model of a variant whose pretrained parts are copies of those of ``model``.

    Parameters
    ----------
    model
        Pretrained, with its vocabulary.
    variant
        What the network sees, and which parts are taken.
    texts
        Text embeddings of every token by name of their source, tokens x width, float32.
    architecture
        What the weights leave open.
    card, seed
        Of the new model, and of what starts fresh.

    Raises
    ------
    DataError
        The architecture asks for other sizes than the pretrained weights have.
    """
    given, sizes = model.network.config, architecture.sizes()
    fixed = {name: getattr(given, name) for name in ("d_model", "n_heads", "d_hidden", "n_layers")}
    other = [f"{name}={sizes[name]} ({fixed[name]})" for name in fixed if sizes.get(name, fixed[name]) != fixed[name]]
    if other:
        msg = f"{model.name} has other sizes than asked for: {listing(other)}. Leave them out, or start with init=None."
        raise DataError(msg)
    has = {"tokens": variant.tokens, "counts": variant.counts, "transformer": True}
    wanted = tuple(prefix for part in variant.pretrained if has[part] for prefix in _PARTS[part])
    state = model.network.state_dict()
    pretrained = {name: tensor.clone() for name, tensor in state.items() if name.startswith(wanted)}
    config = _config(variant, model.vocabulary, texts, {**sizes, **fixed})
    return _build(config, model.vocabulary, texts, pretrained, card=card, seed=seed)


def from_nothing(
    vocabulary: Vocabulary,
    variant: Variant,
    texts: Mapping[str, np.ndarray],
    architecture: Architecture,
    *,
    card: Card,
    seed: int,
) -> ScGenePT:
    """Return a new model with fresh weights; parameters as :func:`from_pretrained`."""
    config = _config(variant, vocabulary, texts, architecture.sizes())
    return _build(config, vocabulary, texts, {}, card=card, seed=seed)


def _config(
    variant: Variant, vocabulary: Vocabulary, texts: Mapping[str, np.ndarray], sizes: dict[str, Any]
) -> NetworkConfig:
    config = variant.config(n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, **sizes)
    return replace(config, languages=tuple(LanguageSource(name, table.shape[1]) for name, table in texts.items()))


def _build(
    config: NetworkConfig,
    vocabulary: Vocabulary,
    texts: Mapping[str, np.ndarray],
    pretrained: dict[str, Tensor],
    *,
    card: Card,
    seed: int,
) -> ScGenePT:
    fresh = Network.initialised(replace(config, n_tokens=1, pad_id=0), seed).state_dict()
    tensors = {name: tensor for name, tensor in fresh.items() if not name.endswith("table.weight")}
    generator = torch.Generator().manual_seed(seed)
    if config.tokens:
        shape = (config.n_tokens, config.d_model)
        tensors["genes.token_table.weight"] = torch.rand(shape, generator=generator) * 0.2 - 0.1
    if config.gene_offset:
        tensors["genes.offset_table.weight"] = torch.zeros(config.n_tokens, 1)
    if config.gene_offset or config.decoder == "residual":
        # Start from exactly the offset, or exactly the control cell.
        for name in ("weight", "bias"):
            tensors[f"body.decoder.value.4.{name}"].zero_()
    for name, table in texts.items():
        tensors[f"genes.languages.{name}.table.weight"] = torch.from_numpy(table)
    network = build_network(config, tensors | pretrained, source=card.name)
    return ScGenePT(network, vocabulary, card)


def set_gene_offset(model: ScGenePT, genes: Sequence[str], level: np.ndarray) -> None:
    """Start the learned level of each gene at a value, (genes,), log1p of counts per 1e4."""
    table = model.network.genes.offset_table
    if table is None:
        return
    ids = model.gene_set(genes).token_ids
    known = ids != model.vocabulary.pad_id
    with torch.no_grad():
        table.weight[torch.from_numpy(ids[known])] = torch.from_numpy(level[known]).float().unsqueeze(-1)
