"""Dropout whose masks cost little on the CPU, where torch draws them ten times slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

_LEVELS: Final = 1 << 16
"""16 random bits decide about one number."""


class Masks:
    """Random masks, the same sequence for the same seed.

    Parameters
    ----------
    dropout
        Probability of a 0, above 0 and below 1; rounded to a multiple of 1/65,536.
    seed
        Of the sequence.

    Attributes
    ----------
    scale
        What the numbers that are kept have to be multiplied with.
    """

    def __init__(self, dropout: float, seed: int) -> None:
        self._dropped = min(round(dropout * _LEVELS), _LEVELS - 1)
        self._bits = np.random.SFC64(seed)
        self.scale = _LEVELS / (_LEVELS - self._dropped)

    def draw(self, like: Tensor) -> Tensor:
        """Return 1 for what is kept and 0 for the others, in shape and type of ``like``."""
        words = self._bits.random_raw(-(-like.numel() // 4)).view(np.int16)[: like.numel()]
        # Written as numbers at once: a product with booleans would first convert them, at three times the cost.
        keep = torch.empty(like.shape, dtype=like.dtype)
        return torch.ge(torch.from_numpy(words).view(like.shape), self._dropped - _LEVELS // 2, out=keep)


def new_seed() -> int:
    """Return a seed that depends on torch's RNG alone."""
    return int(torch.randint(2**62, ()))


def draws_itself(tensor: Tensor, dropout: float) -> bool:
    """Return whether masks for a tensor are drawn here and not by torch: on the CPU, and not in compiled code."""
    return tensor.device.type == "cpu" and 0 < dropout < 1 and not torch.compiler.is_compiling()


class Dropout(nn.Dropout):
    """:class:`torch.nn.Dropout` with masks from :class:`Masks` on the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and draws_itself(input, self.p)):
            return super().forward(input)
        masks = Masks(self.p, new_seed())
        return input * masks.draw(input).mul_(masks.scale)
