"""From a device name to a device that exists, and what it says when its memory runs out."""

from __future__ import annotations

import torch

from ._errors import DeviceError
from ._settings import settings


def resolve_device(name: str | None = None) -> torch.device:
    """Return the device of a name; ``"auto"`` is CUDA, then MPS, then the CPU.

    Parameters
    ----------
    name
        A torch device name or ``"auto"``; ``None`` takes ``settings.device``.

    Raises
    ------
    DeviceError
        There is no such device.
    """
    name = name or settings.device or "auto"
    given: object = name
    if not isinstance(given, str):
        msg = f"device={name!r} is no device name. Here there is: {', '.join(available_devices())}."
        raise DeviceError(msg)
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        msg = f"device={name!r} is no device name. Here there is: {', '.join(available_devices())}."
        raise DeviceError(msg) from error
    if str(device) == "cuda":
        device = torch.device("cuda", 0)
    if str(device) not in available_devices():
        msg = f"device={name!r} does not exist on this machine. Here there is: {', '.join(available_devices())}."
        raise DeviceError(msg)
    return device


def available_devices() -> tuple[str, ...]:
    """Return the names of all devices of this machine."""
    cuda = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    return (*cuda, *(("mps",) if _has_mps() else ()), "cpu")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on an accelerator or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _has_mps() -> bool:
    available: bool = torch.backends.mps.is_available()
    return available
