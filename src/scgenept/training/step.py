"""One training step, in torch alone: what Lightning and the benchmark both call.

Shape suffixes: b batch (cells), g measured genes, e extra tokens of unmeasured targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional as F

from ..nn import Body, GeneEmbedding
from ..nn.unfilled import unfilled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

    from ..nn import Network
    from ..nn.encoders import LanguageEncoder


@dataclass(frozen=True)
class Batch:
    """Pairs of a control cell and a perturbed cell, over genes that all of them share.

    Attributes
    ----------
    token_ids
        Vocabulary row per gene, (g,), int64.
    values
        Control cells, log1p of counts per 1e4, (b, g).
    flags
        1 where a gene is perturbed, else 0, (b, g), int64.
    target
        Perturbed cells, log1p of counts per 1e4, (b, g).
    extra_ids
        Tokens of perturbed genes that are not measured, (b, e), padded with -1. They enter with
        value 0 and flag 1 and count in no loss.
    padded
        Whether ``extra_ids`` may hold -1, so that nobody has to look on an accelerator.
    """

    token_ids: Tensor
    values: Tensor
    flags: Tensor
    target: Tensor
    extra_ids: Tensor | None = None
    padded: bool = True

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in ("token_ids", "values", "flags")}
        extra = None if self.extra_ids is None else self.extra_ids.to(device, non_blocking=True)
        return replace(self, **moved, target=self.target.to(device, non_blocking=True), extra_ids=extra)

    def take(self, genes: Tensor) -> Batch:
        """Return the batch restricted to some of its genes, (k,) positions."""
        return replace(
            self,
            token_ids=self.token_ids[genes],
            values=self.values[:, genes],
            flags=self.flags[:, genes],
            target=self.target[:, genes],
        )

    def parts(self, size: int) -> Iterator[Batch]:
        """Return the batch in parts of at most ``size`` cells."""
        for start in range(0, len(self), size):
            own = slice(start, start + size)
            extra = None if self.extra_ids is None else self.extra_ids[own]
            yield replace(
                self, values=self.values[own], flags=self.flags[own], target=self.target[own], extra_ids=extra
            )


def predict(genes: GeneEmbedding, body: Body, batch: Batch) -> Tensor:
    """Return the predicted cells of a batch, (b, g); gene embeddings are evaluated once, not per cell."""
    embedding, values, flags, mask = genes(batch.token_ids), batch.values, batch.flags, None
    if batch.extra_ids is not None and batch.extra_ids.shape[1]:
        padding_be = batch.extra_ids < 0
        shape = (len(values), -1, -1)
        embedding = torch.cat([embedding.expand(*shape), genes(batch.extra_ids.clamp(min=0))], dim=1)
        values = torch.cat([values, values.new_zeros(padding_be.shape)], dim=1)
        extra_flags = torch.where(padding_be, Body.PADDING, Body.PERTURBED)
        flags = torch.cat([flags, extra_flags], dim=1)
        mask = F.pad(padding_be, (batch.values.shape[1], 0)) if batch.padded else None
    n_genes = batch.values.shape[1]
    states = body.encode(embedding, values, flags, mask, n_genes)
    return body.decode(states, batch.values, genes.offset(batch.token_ids))


def loss(genes: GeneEmbedding, body: Body, batch: Batch) -> Tensor:
    """Return the mean squared error over all cells and genes of a batch."""
    return F.mse_loss(predict(genes, body, batch).float(), batch.target)


def accumulate(
    loss_of: Callable[[Batch], Tensor], batch: Batch, size: int, backward: Callable[[Tensor, bool], None]
) -> Tensor:
    """Add up the gradients of a batch in parts, as if it had gone through at once; return its loss, detached.

    Parameters
    ----------
    loss_of
        Mean loss over the cells of a part.
    batch
        The whole batch.
    size
        Most cells of a part.
    backward
        Called with the share of each part in the loss, and whether it is the last part.
    """
    total = torch.zeros((), device=batch.values.device)
    for start, part in zip(range(0, len(batch), size), batch.parts(size), strict=True):
        share = loss_of(part) * (len(part) / len(batch))
        backward(share, start + size >= len(batch))
        total += share.detach()
    return total


def train_step(
    genes: GeneEmbedding, body: Body, batch: Batch, optimizer: torch.optim.Optimizer, *, clip: float | None = 1.0
) -> Tensor:
    """Do one step of gradient descent and return the loss before it, detached.

    Parameters
    ----------
    genes, body
        The two halves of a network.
    batch
        What to learn from.
    optimizer
        Over the parameters of both.
    clip
        Largest norm of the whole gradient; ``None`` for no limit.
    """
    value = loss(genes, body, batch)
    optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        nn.utils.clip_grad_norm_(trainable(genes, body), clip)
    optimizer.step()
    return value.detach()


def trainable(genes: GeneEmbedding, body: Body) -> list[nn.Parameter]:
    """Return every parameter that training changes."""
    return [tensor for part in (genes, body) for tensor in part.parameters() if tensor.requires_grad]


class GeneRows:
    """The rows of a network's gene tables that training uses, and the way back.

    A row whose token never occurs has gradient zero, and Adam without weight decay never moves it. So
    only the rows in use are optimised: the same numbers at a fraction of the memory. Projections and
    norms are the network's own and are shared.

    Parameters
    ----------
    network
        Whose tables to slice. A table that is frozen (``requires_grad=False``) stays frozen.
    token_ids
        Every token that will occur, in any order, with repeats.
    freeze_language
        Leave the tables of text embeddings as they are.

    Attributes
    ----------
    genes
        A gene embedding over the rows in use, to train.
    """

    def __init__(self, network: Network, token_ids: Iterable[int], *, freeze_language: bool = False) -> None:
        pad = network.config.pad_id
        self._network = network
        self._rows = torch.tensor(sorted({pad, *map(int, token_ids)}))
        config = replace(network.config, n_tokens=len(self._rows), pad_id=int(self.local(torch.tensor(pad))))
        with unfilled():
            self.genes = GeneEmbedding(config)
        self.genes.token_norm = network.genes.token_norm
        for name, encoder in network.genes.languages.items():
            self.genes.languages[name].projection = encoder.projection
            self.genes.languages[name].norm = encoder.norm
        texts = [cast("LanguageEncoder", encoder).table for encoder in self.genes.languages.values()]
        for part, whole in self._tables():
            rows = whole.weight.detach()[self._rows].float()
            frozen = freeze_language and part in texts
            part.weight = nn.Parameter(rows, requires_grad=whole.weight.requires_grad and not frozen)

    def local(self, token_ids: Tensor) -> Tensor:
        """Translate vocabulary rows to rows of :attr:`genes`; -1 stays -1."""
        return torch.where(token_ids < 0, token_ids, torch.searchsorted(self._rows, token_ids.clamp(min=0)))

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the trained rows into the network's tables."""
        for part, whole in self._tables():
            whole.weight[self._rows] = part.weight.detach().to(whole.weight)

    def _tables(self) -> list[tuple[nn.Embedding, nn.Embedding]]:
        mine, theirs = self.genes, self._network.genes
        tables = [
            (cast("LanguageEncoder", mine.languages[name]).table, cast("LanguageEncoder", encoder).table)
            for name, encoder in theirs.languages.items()
        ]
        if mine.token_table is not None and theirs.token_table is not None:
            tables.append((mine.token_table, theirs.token_table))
        if mine.offset_table is not None and theirs.offset_table is not None:
            tables.append((mine.offset_table, theirs.offset_table))
        return tables
