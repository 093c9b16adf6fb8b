"""On what to train: devices, number types, parts of batches. Of the recipe it changes only the masks of dropout."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch

from .._arguments import require_flag, require_whole
from .._errors import UnknownNameError, listing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lightning.pytorch.strategies import Strategy

PrecisionName: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Hardware:
    """How to compute a training; the recipe is :class:`TrainingPlan`.

    Batches are the same on any hardware. Dropout is not: each device and each part of a batch draws masks of its own,
    so that with other ``devices`` or another ``micro_batch`` the weights differ by more than rounding, unless
    ``Architecture(dropout=0.0)``. ``card.training["micro_batch"]`` says what it was in the end.

    Attributes
    ----------
    device
        ``None`` takes ``settings.device``.
    devices, num_nodes, strategy
        As :class:`lightning.Trainer` takes them: ``devices=4, strategy="ddp"`` in a script, or under ``torchrun`` or
        SLURM. ``batch_size`` of the plan is that of all devices together.
    precision
        Number type of the products; weights, sums and the optimiser are float32. ``"auto"``: bfloat16 or, where there
        is none, float16 on CUDA; float32 elsewhere.
    micro_batch
        Cells that go through at a time; the gradients of a batch are added up. ``None``: the whole batch. Halved when
        memory runs out.
    compiled
        Translate the network with ``torch.compile`` first: minutes at the start, for faster steps on an accelerator.
    """

    device: str | None = None
    devices: int | list[int] | Literal["auto"] = 1
    num_nodes: int = 1
    strategy: str | Strategy = "auto"
    precision: PrecisionName = "auto"
    micro_batch: int | None = None
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in get_args(PrecisionName):
            msg = f"precision={self.precision!r} should be one of: {listing(get_args(PrecisionName))}."
            raise UnknownNameError(msg)
        if self.micro_batch is not None:
            require_whole("micro_batch", self.micro_batch, otherwise="None for the whole batch")
        require_flag("compiled", self.compiled)


@dataclass(frozen=True)
class Precision:
    """A number type on a kind of device.

    Attributes
    ----------
    device_type
        ``"cpu"``, ``"cuda"`` or ``"mps"``.
    dtype
        Of the products.
    """

    device_type: str
    dtype: torch.dtype

    @property
    def scaled(self) -> bool:
        """Whether gradients would underflow unscaled."""
        return self.dtype == torch.float16

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which products are computed in this type."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)


def resolve_precision(name: PrecisionName, device: torch.device, *, v1: bool = False) -> Precision:
    """Return the number type of a name; ``v1`` takes float16 on CUDA as the original did."""
    if name != "auto":
        return Precision(device.type, {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name, torch.float32))
    if device.type != "cuda":
        return Precision(device.type, torch.float32)
    half = torch.float16 if v1 or not torch.cuda.is_bf16_supported() else torch.bfloat16
    return Precision(device.type, half)
