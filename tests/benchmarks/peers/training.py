"""One step of the original's training loop on the network of torch modules.

Whole tables are trained, those of the texts in float64; float16 autocast and gradient scaling on an accelerator,
float32 on the CPU, where that autocast does nothing; the loss is read after each step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .network import Peer


def original_step(peer: Peer, device: torch.device, learning_rate: float = 1e-4) -> Callable[..., float]:
    """Return the step as a function of tokens (g,), values, flags and target, batch x genes."""
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.Adam(peer.parameters(), lr=learning_rate)
    scaler = torch.amp.GradScaler(device.type, enabled=on_gpu)

    def step(tokens: Tensor, values: Tensor, flags: Tensor, target: Tensor) -> float:
        with torch.autocast(device.type, torch.float16, enabled=on_gpu):
            predicted = peer(tokens.repeat(len(values), 1), values, flags)
            loss = F.mse_loss(predicted.float(), target)
        peer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    return step
