"""What a network is made of, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class LanguageSource:
    """One table of text embeddings that is projected and added to the gene embedding.

    Attributes
    ----------
    name
        Source of the text, such as ``"go_c"``. Names the tensors in a saved model.
    width
        Length of one text embedding (1,536 for the published models).
    """

    name: str
    width: int


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that determines the shapes and the arithmetic of a :class:`Network`.

    Attributes
    ----------
    n_tokens
        Rows of every gene table.
    pad_id
        Row of ``<pad>``; it never gets a gradient.
    d_model, n_heads, d_hidden, n_layers
        Width of the gene states, attention heads, width of the feed-forward layer, and depth.
    dropout
        Used in training only: on counts, attention weights and both residual branches.
    tokens, counts
        Whether learned gene tokens and expression values are part of the input sum.
    languages
        Text embeddings that are part of the input sum, in the order in which they are added.
    norm_sum
        LayerNorm over the input sum. scGenePT has it, scGPT's own generator does not.
    decoder
        ``"direct"`` predicts the value, ``"affine"`` a slope and an offset on the input value
        (scGPT's own generator), ``"residual"`` the change of the input value.
    gene_offset
        One learned number per gene is added to what the decoder says: started at the mean of the training
        controls, it leaves the network to learn changes only.
    """

    n_tokens: int
    pad_id: int
    d_model: int = 512
    n_heads: int = 8
    d_hidden: int = 512
    n_layers: int = 12
    dropout: float = 0.2
    tokens: bool = True
    counts: bool = True
    languages: tuple[LanguageSource, ...] = ()
    norm_sum: bool = True
    decoder: Literal["direct", "affine", "residual"] = "direct"
    gene_offset: bool = False

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            msg = f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}: choose another n_heads."
            raise ValueError(msg)
        if not 0 <= self.pad_id < self.n_tokens:
            msg = f"pad_id={self.pad_id} is not a row of a table of {self.n_tokens} tokens."
            raise ValueError(msg)
        names = [source.name for source in self.languages]
        if len(set(names)) < len(names):
            msg = f"Each language source can be used once, got {', '.join(names)}."
            raise ValueError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return plain, JSON-able values; :meth:`from_dict` is the way back."""
        return asdict(self) | {"languages": [asdict(source) for source in self.languages]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Build a config from what :meth:`to_dict` returned."""
        languages = tuple(LanguageSource(**source) for source in values["languages"])
        return cls(**{**values, "languages": languages})
