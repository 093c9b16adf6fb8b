"""What is measured. Each case has ``TITLE``, ``plan``, ``run`` (in a process of its own) and ``rows``.

``plan(options, machine)`` returns the settings of each measurement, with ``"label"``, and ``"skip"`` with the reason
where it is left out. A case that needs several processes for one measurement has ``measure`` beside ``run``.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = (
    "startup",
    "predict",
    "train",
    "epoch",
    "checkpoint",
    "data_preparation",
    "de_ranking",
    "training_data",
    "evaluation",
    "baselines",
)
"""Modules of this folder, in the order in which they run."""


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes
    ----------
    quick
        Sizes that take under three minutes in all.
    device
        ``"cpu"`` or ``"cuda"``, for cases that compute.
    repeats
        Of each timing.
    minutes
        A measurement that would take longer is left out, with its expected time.
    """

    quick: bool = False
    device: str = "cpu"
    repeats: int = 3
    minutes: float = 10.0
