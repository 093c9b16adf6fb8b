"""What the network takes for one pass over the genes, on its device.

Shape suffixes: b batch, g genes of the pass, e extra tokens of unmeasured targets, d width of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..nn import Body

if TYPE_CHECKING:
    from torch import Tensor

    from ..weights.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Inputs:
    """Genes of one pass: those that are asked for come first, then those that are only seen.

    Attributes
    ----------
    columns
        Which measured genes they are, (g,), int64; ``None`` for all of them in their order.
    embedding
        Of the genes, then of extra tokens, (g + e) x d_model.
    flags
        1 where a gene is perturbed, (g + e,), int64.
    offset
        Learned level of the genes asked for, log1p; ``None`` where the network has none.
    n_asked
        How many of the genes are asked for.
    """

    columns: np.ndarray | None
    embedding: Tensor
    flags: Tensor
    offset: Tensor | None
    n_asked: int

    def values(self, cells_bg: np.ndarray) -> Tensor:
        """Return the cells over the genes of this pass, b x (g + e), on the device; extra tokens have value 0."""
        chosen = cells_bg if self.columns is None else cells_bg[:, self.columns]
        host = torch.from_numpy(np.ascontiguousarray(chosen))
        device = self.flags.device
        if device.type == "cuda":
            host = host.pin_memory()
        values = host.to(device, non_blocking=True)
        n_extra = len(self.flags) - values.shape[1]
        return torch.nn.functional.pad(values, (0, n_extra)) if n_extra else values


def whole(tokens: Tokens, device: torch.device) -> Inputs:
    """Return one pass over all measured genes."""
    offset = tokens.genes.offset
    return Inputs(
        columns=None,
        embedding=tokens.embedding.to(device),
        flags=tokens.flags.to(device),
        offset=None if offset is None else offset.to(device),
        n_asked=tokens.n_measured,
    )


def in_passes(tokens: Tokens, context_genes: int, device: torch.device) -> list[Inputs]:
    """Deal the measured genes at random into passes of ``context_genes`` tokens, the targets being in each.

    Every gene is asked for in exactly one pass. The deal is the same for the same number of genes, so that
    predictions of different perturbations can be compared.
    """
    if len(tokens.flags) <= context_genes:
        return [whole(tokens, device)]
    n_measured, n_extra = tokens.n_measured, len(tokens.flags) - tokens.n_measured
    targets = np.flatnonzero(tokens.flags[:n_measured].numpy() == Body.PERTURBED)
    room = max(1, context_genes - n_extra - len(targets))
    order = np.random.default_rng(n_measured).permutation(n_measured)
    deal = np.array_split(order, -(-n_measured // room))
    extra = np.arange(n_measured, len(tokens.flags))
    passes = []
    for asked in deal:
        columns = np.concatenate([asked, np.setdiff1d(targets, asked)])
        rows = torch.from_numpy(np.concatenate([columns, extra]))
        offset = tokens.genes.offset
        passes.append(
            Inputs(
                columns=columns,
                embedding=tokens.embedding[rows].to(device),
                flags=tokens.flags[rows].to(device),
                offset=None if offset is None else offset[torch.from_numpy(asked)].to(device),
                n_asked=len(asked),
            )
        )
    return passes
