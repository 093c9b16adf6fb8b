"""How to train, as one frozen value that is saved with the model."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingPlan:
    """The recipe of a fine-tuning; the defaults are those of scGenePT v1.0.

    Attributes
    ----------
    learning_rate
        Of Adam, at the start.
    decay
        Factor on the learning rate after every epoch.
    epochs
        Passes over the perturbed cells, at most.
    batch_size
        Pairs of cells per step.
    genes_per_step
        Genes that one step looks at, drawn anew each time; perturbed genes are always among them.
    clip
        Largest norm of the gradient.
    patience
        Stop after so many epochs without a better validation loss.
    averaging
        Decay of an exponential moving average of the weights, which is then what is validated and kept;
        ``None`` keeps the weights themselves, as v1.0 does.
    seed
        Of order, pairs, genes and dropout: each batch is a function of seed, epoch and step.
    """

    learning_rate: float = 1e-4
    decay: float = 0.9
    epochs: int = 20
    batch_size: int = 64
    genes_per_step: int = 1536
    clip: float = 1.0
    patience: int = 10
    averaging: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        positive = ("learning_rate", "decay", "epochs", "batch_size", "genes_per_step", "clip", "patience")
        for name in positive:
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                msg = f"{name}={value!r} should be a positive number."
                raise ValueError(msg)
        if self.averaging is not None and not 0 < self.averaging < 1:
            msg = f"averaging={self.averaging!r} should lie between 0 and 1, or be None."
            raise ValueError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return plain, JSON-able values."""
        return asdict(self)
