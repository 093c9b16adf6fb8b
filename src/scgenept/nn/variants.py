"""Every published variant and ablation, as data: which encoders, which texts, which pretrained parts.

The names of the original code are in ``docs/names.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from .config import LanguageSource, NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

Part: TypeAlias = Literal["tokens", "counts", "transformer"]
"""A part of the network that pretrained scGPT weights can fill."""

TEXTS: Final = ("ncbi", "ncbi+uniprot")
ONTOLOGIES: Final = ("go_f", "go_c", "go_p", "go_all")


@dataclass(frozen=True)
class Variant:
    """A recipe for the input of the network.

    Attributes
    ----------
    name
        Public name, such as ``"scgenept_go_c"``.
    tokens, counts, languages
        What is summed at the input, as in :class:`NetworkConfig`; texts by name of their source.
    pretrained
        The parts taken from scGPT; the rest starts fresh.
    """

    name: str
    tokens: bool = True
    counts: bool = True
    languages: tuple[str, ...] = ()
    pretrained: tuple[Part, ...] = ("tokens", "counts", "transformer")

    def config(self, *, n_tokens: int, pad_id: int, language_width: int = 1536, **sizes: float) -> NetworkConfig:
        """Return the network config of this variant at the given sizes (published sizes by default)."""
        base = NetworkConfig(
            n_tokens=n_tokens,
            pad_id=pad_id,
            tokens=self.tokens,
            counts=self.counts,
            languages=tuple(LanguageSource(name, language_width) for name in self.languages),
        )
        return replace(base, **sizes)  # type: ignore[arg-type]


def _all_variants() -> tuple[Variant, ...]:
    sources = (*TEXTS, *ONTOLOGIES)
    alone = {source: f"genept_{source}" if source in TEXTS else source for source in sources}
    trained = (
        Variant("scgpt"),
        Variant("scgpt_counts", tokens=False),
        *(Variant(f"scgenept_{source}", languages=(source,)) for source in sources),
        *(Variant(f"scgenept_{text}_{go}", languages=(text, go)) for text in TEXTS for go in ONTOLOGIES),
        *(Variant(alone[source], tokens=False, counts=False, languages=(source,)) for source in sources),
        *(Variant(f"{alone[source]}_counts", tokens=False, languages=(source,)) for source in sources),
    )
    no_attention = (
        replace(variant, name=f"{variant.name}_no_attention", pretrained=("tokens", "counts")) for variant in trained
    )
    # A control: it sees which position is perturbed and neither genes nor cells.
    flag_only = Variant("flag_only", tokens=False, counts=False, pretrained=("transformer",))
    return (*trained, *no_attention, flag_only)


VARIANTS: Final[Mapping[str, Variant]] = {variant.name: variant for variant in _all_variants()}
"""Public name -> recipe. ``*_no_attention`` differs only in what is taken from scGPT."""
