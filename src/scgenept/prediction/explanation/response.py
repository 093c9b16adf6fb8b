"""The predicted response of a few genes, as a function of every source of knowledge.

Shape suffixes: r rows (cells, or cells at steps of a path), g genes, t responding genes, d width of the model.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from .sources import COUNTS, OFFSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ...nn import Body, Network
    from .sources import SourceKind


@dataclass(frozen=True, eq=False)
class Response:
    """Prediction minus control of some genes, differentiable in the sources.

    Attributes
    ----------
    body
        A copy of the network's, in evaluation mode and without gradients of its own.
    kinds
        Of the sources, in the order in which they are passed.
    positions
        Of the responding genes among the genes.
    """

    body: Body
    kinds: tuple[SourceKind, ...]
    positions: Tensor

    @classmethod
    def of(
        cls, network: Network, kinds: Sequence[SourceKind], positions: Sequence[int], device: torch.device
    ) -> Response:
        """Copy the body of a network to a device."""
        with torch.inference_mode(mode=False):
            body = copy.deepcopy(network.body).to(device).eval().requires_grad_(requires_grad=False)
        return cls(body, tuple(kinds), torch.tensor(list(positions), device=device))

    def only(self, index: int) -> Response:
        """Return the response of one of the genes."""
        return replace(self, positions=self.positions[index : index + 1])

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the response, rows x responding genes, log1p of counts per 1e4.

        Parameters
        ----------
        inputs
            One per kind, each with a row per cell: r x g x d of summands, r x g of counts and level. Where counts are
            no source, one more: the control expression, r x g.
        """
        given = dict(zip(self.kinds, inputs, strict=False))
        values = given.get(COUNTS, inputs[-1])
        vectors = [source for kind, source in zip(self.kinds, inputs, strict=False) if kind not in {COUNTS, OFFSET}]
        offset = given[OFFSET][:, self.positions] if OFFSET in given else None
        # The flags are a source themselves, counted from that of a gene that is not perturbed.
        flags = torch.full_like(values, self.body.NOT_PERTURBED, dtype=torch.int64)
        states = self.body.encode(torch.stack(vectors).sum(dim=0), values, flags)
        control = values[:, self.positions]
        return self.body.decode(states[:, self.positions], control, offset) - control
