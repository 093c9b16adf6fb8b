"""How to train, as one frozen value that is saved with the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from .._arguments import require_flag, require_number, require_whole
from .._errors import UnknownNameError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

Controls = Literal["redrawn", "frozen", "mean"]
Targets = Literal["cells", "mean"]

_V1: Final[Mapping[str, Any]] = {
    "controls": "frozen",
    "control_examples": True,
    "keep_targets": False,
    "train_language": True,
    "validate_all_genes": False,
}
"""What ``reproduce="v1"`` stands for."""


@dataclass(frozen=True)
class TrainingPlan:
    """The recipe of a fine-tuning; numbers are those of scGenePT v1.0, choices are ours.

    ``TrainingPlan(reproduce="v1")`` makes the original's choices instead: controls drawn once, control cells as
    examples, genes drawn without regard to the targets, text tables trained, and a validation loss on drawn genes.

    Attributes
    ----------
    learning_rate
        Of Adam, at the start.
    decay
        Factor on the learning rate after every epoch.
    epochs
        Passes over the perturbed cells, at most.
    batch_size
        Pairs of cells per step, over all devices.
    genes_per_step
        Genes that one step looks at, drawn anew each time.
    clip
        Largest norm of the gradient.
    patience
        Stop after so many epochs without a better validation loss.
    averaging
        Decay of an exponential moving average of the weights, which is then what is validated and kept;
        ``None`` keeps the weights themselves, as v1.0 does.
    controls
        ``"redrawn"``: another control cell of the same context for each perturbed cell in every epoch;
        ``"frozen"``: one drawn for good, or the one of :func:`scgenept.pp.pair_controls`;
        ``"mean"``: the mean control cell of the context.
    targets
        ``"cells"``: the perturbed cell; ``"mean"``: the mean over the cells of its perturbation and context, which is
        what the squared error over random pairs converges to.
    control_examples
        Control cells are examples too: nothing perturbed, nothing changed.
    keep_targets
        Perturbed genes are always among the drawn ones.
    train_language
        Train the tables of text embeddings, not only their projection.
    validate_all_genes
        The validation loss is over all genes and a mean over cells; otherwise on drawn genes and a mean over batches.
    reproduce
        ``"v1"``: the original's choices, whatever the fields above say.
    """

    learning_rate: float = 1e-4
    decay: float = 0.9
    epochs: int = 20
    batch_size: int = 64
    genes_per_step: int = 1536
    clip: float = 1.0
    patience: int = 10
    averaging: float | None = None
    controls: Controls = "redrawn"
    targets: Targets = "cells"
    control_examples: bool = False
    keep_targets: bool = True
    train_language: bool = False
    validate_all_genes: bool = True
    reproduce: Literal["v1"] | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "genes_per_step", "patience"):
            require_whole(name, getattr(self, name))
            object.__setattr__(self, name, int(getattr(self, name)))  # a number of numpy cannot be saved
        for name in ("learning_rate", "decay", "clip"):
            require_number(name, getattr(self, name))
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.averaging is not None:
            require_number("averaging", self.averaging, below=1)
            object.__setattr__(self, "averaging", float(self.averaging))
        for name in ("control_examples", "keep_targets", "train_language", "validate_all_genes"):
            require_flag(name, getattr(self, name))
        for name, allowed in (("controls", get_args(Controls)), ("targets", get_args(Targets))):
            if getattr(self, name) not in allowed:
                msg = f"{name}={getattr(self, name)!r} should be one of: {listing(allowed)}."
                raise UnknownNameError(msg)
        if self.reproduce not in {None, "v1"}:
            msg = f"reproduce={self.reproduce!r} should be 'v1' or None."
            raise UnknownNameError(msg)
        if self.reproduce == "v1":
            for name, choice in _V1.items():
                object.__setattr__(self, name, choice)

    def to_dict(self) -> dict[str, Any]:
        """Return plain, JSON-able values; :meth:`from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingPlan:
        """Build a plan from what :meth:`to_dict` returned."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            msg = f"A plan has no {listing(unknown)}. It has: {listing(sorted(known), first=20)}."
            raise UnknownNameError(msg)
        return cls(**values)
