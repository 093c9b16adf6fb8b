"""The models that have a name: the embedded one, and the official ones of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..registry import entries
from ..weights.card import Card

if TYPE_CHECKING:
    from ..registry import Entry

MINI: Final = "scgenept-mini"
PRETRAINED: Final = "scgpt"
DATASETS: Final = {
    "norman": ("CRISPRa", "K562"),
    "adamson": ("CRISPRi", "K562"),
}
_CITATION: Final = (
    "Istrate A-M, Li D, Karaletsos T. scGenePT: Is language all you need for modeling single-cell perturbations? "
    "bioRxiv 2024.10.23.619972 (2024). Based on scGPT: Cui H, et al. Nature Methods 21, 1470-1480 (2024)."
)
_CAVEATS: Final = (
    "On both published data sets the mean of the training perturbations has a higher Pearson delta over all genes.",
    "Norman pairs of two unseen genes (combo_seen0): a random training perturbation scores higher (0.77 against 0.66).",
    "Genes that no scGPT token is named for share one embedding (498 of Norman's 5,045).",
)


@dataclass(frozen=True)
class Known:
    """A model with a name.

    Attributes
    ----------
    name, dataset, variant
        As :func:`scgenept.models.load` takes them.
    entry
        Its checkpoint in the registry; ``None`` for the embedded model.
    """

    name: str
    dataset: str
    variant: str
    entry: Entry | None


@cache
def catalog() -> tuple[Known, ...]:
    """Return every named model, the embedded one first."""
    official = [
        Known(entry.variant, entry.dataset, entry.variant, entry)
        for entry in entries()
        if entry.kind == "checkpoint" and entry.variant
    ]
    return (Known(MINI, "norman_subset", "scgenept_go", None), *official)


def mini_folder() -> Path:
    """Return where the embedded model lies in the package."""
    return Path(str(files("scgenept.models") / "data" / "scgenept_mini"))


def official_card(known: Known) -> Card:
    """Return the card of an official model."""
    modality, cell_type = DATASETS[known.dataset]
    entry = known.entry
    return Card(
        name=f"{known.name}:{known.dataset}",
        variant=known.variant,
        dataset=known.dataset,
        modality=modality,
        cell_type=cell_type,
        token_mapping="v1",
        licence="" if entry is None else entry.licence,
        citation=_CITATION,
        intended_use="Research: ranking genes by response to one or two perturbed genes in the trained cells.",
        out_of_scope="Clinical use; other cell types or modalities without evaluation; three or more genes.",
        caveats=_CAVEATS,
        training={"split": "GEARS simulation", "split_seed": 1, "training_seed": 42},
    )
