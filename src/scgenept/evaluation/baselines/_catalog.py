"""The baselines that have a name, with where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._constant import Mean, MeanCells, NoChange, Random
from ._gaussian_process import GaussianProcess
from ._gears import GEARS
from ._linear import Linear
from ._regression import NearestNeighbours, RandomForest, Ridge
from ._targets import Additive, MatchingMean, TargetMean

if TYPE_CHECKING:
    from ._base import Baseline


@dataclass(frozen=True)
class Entry:
    """A baseline and what a table says of it.

    Attributes
    ----------
    kind
        The class.
    description
        The prediction in words.
    reference
        Who proposed or used it.
    needs_embedding
        Whether it takes vectors of genes, ``embedding=``.
    has_variance
        Whether predictions have ``layers["std"]``.
    default
        Whether :func:`scgenept.tl.evaluate` shows it unless told otherwise: quick, and one of each kind.
    extra
        What to install beside scgenept; empty for nothing.
    """

    kind: type[Baseline]
    description: str
    reference: str
    needs_embedding: bool = False
    has_variance: bool = False
    default: bool = True
    extra: str = ""

    @property
    def name(self) -> str:
        """Name of the baseline."""
        return self.kind.name


_AHLMANN: Final = "Ahlmann-Eltze et al., Nat Methods 2025"
_SCGENEPT: Final = "Istrate et al., bioRxiv 2024.10.23.619972"
_EMBEDDINGS: Final = "Csendes et al., BMC Genomics 2025"

CATALOG: Final[dict[str, Entry]] = {
    entry.name: entry
    for entry in (
        Entry(NoChange, "the mean of the control cells", _AHLMANN),
        Entry(Mean, "the mean of the training perturbations", _AHLMANN),
        Entry(MeanCells, "the mean of all perturbed training cells", _SCGENEPT, default=False),
        Entry(Random, "a random training perturbation", _SCGENEPT),
        Entry(
            TargetMean,
            "the mean, and at the target the mean effect on a target",
            "a control of ours: what the target alone is worth",
        ),
        Entry(MatchingMean, "the mean of the single perturbations", "Viñas Torné et al., Nat Biotechnol 2025"),
        Entry(Additive, "the changes of the single perturbations, added", _AHLMANN),
        Entry(Linear, "a linear model in the principal components of the training data", _AHLMANN),
        Entry(Ridge, "ridge regression on gene embeddings", _EMBEDDINGS, needs_embedding=True),
        Entry(NearestNeighbours, "the nearest perturbations by gene embeddings", _EMBEDDINGS, needs_embedding=True),
        Entry(RandomForest, "a random forest on gene embeddings", _EMBEDDINGS, needs_embedding=True, default=False),
        Entry(
            GaussianProcess,
            "a Gaussian process on gene embeddings",
            "Rasmussen and Williams, Gaussian Processes for Machine Learning 2006",
            needs_embedding=True,
            has_variance=True,
            default=False,
        ),
        Entry(
            GEARS,
            "GEARS 0.0.2, a graph neural network, trained on the cells",
            "Roohani et al., Nat Biotechnol 2024",
            default=False,
            extra="gears",
        ),
    )
}
"""Name -> entry, the simplest first."""

DEFAULT: Final = tuple(name for name, entry in CATALOG.items() if entry.default)
"""What an evaluation shows unless told otherwise."""
