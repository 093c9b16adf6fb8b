"""Batches as a function of seed, epoch and step: the same ones whoever asks, on any number of ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from ..weights.tokens import build_tokens
from .step import Batch
from .store import HostCells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..data.pairs import Pairs
    from ..weights.model import ScGenePT
    from .plan import TrainingPlan
    from .step import GeneRows
    from .store import Cells

_VALIDATION: Final = 0x7A11
"""Keeps the draws of validation apart from those of training."""


class TargetTokens:
    """Token ids of measured genes and of the targets of every perturbation.

    Attributes
    ----------
    gene_ids
        Token per measured gene, (genes,), int64.
    flags
        1 where a perturbation targets a measured gene, perturbations x genes, int64.
    extra_ids
        Tokens of unmeasured targets, perturbations x most targets, padded with -1, int64.
    """

    def __init__(self, model: ScGenePT, pairs: Pairs) -> None:
        self.gene_ids = model.gene_set(pairs.genes).token_ids
        built = [build_tokens(model, pairs.genes, perturbation) for perturbation in pairs.perturbations]
        n_genes = len(pairs.genes)
        self.flags = np.stack([tokens.flags[:n_genes].numpy() for tokens in built])
        width = max(len(tokens.unmeasured) for tokens in built)
        self.extra_ids = np.full((len(built), width), -1)
        for i, tokens in enumerate(built):
            if tokens.unmeasured:
                self.extra_ids[i, : len(tokens.unmeasured)] = model.gene_set(tokens.unmeasured).token_ids

    def all_ids(self) -> list[int]:
        """Return every token id that occurs."""
        return [*self.gene_ids.tolist(), *self.extra_ids[self.extra_ids >= 0].tolist()]


@dataclass(frozen=True)
class Share:
    """Which part of every batch is this process's.

    Attributes
    ----------
    rank, world
        This process and how many there are.
    """

    rank: int = 0
    world: int = 1

    def of(self, items: np.ndarray) -> np.ndarray:
        """Return this process's items."""
        return items[self.rank :: self.world]


class PairBatches:
    """Makes batches of pairs of a control and a perturbed cell.

    Parameters
    ----------
    pairs
        The examples.
    tokens
        Which tokens their genes and targets are.
    rows
        The gene rows in training; token ids are given as its local rows.
    plan
        Batch size and genes per step.
    seed
        Of order, controls and genes.
    """

    def __init__(self, pairs: Pairs, tokens: TargetTokens, rows: GeneRows, plan: TrainingPlan, seed: int) -> None:
        self.pairs, self.plan, self.seed = pairs, plan, seed
        self.cells: Cells = HostCells(pairs.values)
        self._flags = tokens.flags
        self._token_ids = rows.local(torch.from_numpy(tokens.gene_ids))
        self._extra_ids = rows.local(torch.from_numpy(tokens.extra_ids)).numpy()

    @property
    def steps_per_epoch(self) -> int:
        """How many whole batches there are; the rest waits for another epoch, which shuffles anew."""
        return len(self.pairs) // self.plan.batch_size

    def training(self, epoch: int, first_step: int, share: Share) -> Iterator[Batch]:
        """Yield this process's part of the batches of an epoch, from a step on."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs))
        for step in range(first_step, self.steps_per_epoch):
            rng = np.random.default_rng([self.seed, epoch, step])
            examples = order[step * self.plan.batch_size : (step + 1) * self.plan.batch_size]
            controls = self.pairs.draw_controls(examples, rng)
            genes = self._draw_genes(examples, rng)
            yield self._batch(share.of(examples), share.of(controls), genes)

    def validation(self, epoch: int, share: Share) -> Iterator[Batch]:
        """Yield every example once, in order, with controls that depend on the seed alone."""
        n_examples, size = len(self.pairs), self.validation_size
        controls = self.pairs.draw_controls(np.arange(n_examples), np.random.default_rng([self.seed, _VALIDATION]))
        rng = np.random.default_rng([self.seed, _VALIDATION, epoch])
        for start in range(0, n_examples, size):
            examples = np.arange(start, min(start + size, n_examples))
            genes = None if self.plan.validate_all_genes else self._draw_genes(examples, rng)
            mine = share.of(examples)
            if len(mine):
                yield self._batch(mine, controls[mine], genes)

    @property
    def validation_size(self) -> int:
        """Cells per batch of validation: about as many values as in a training step."""
        if not self.plan.validate_all_genes:
            return self.plan.batch_size
        n_genes = len(self.pairs.genes)
        return max(1, self.plan.batch_size * min(self.plan.genes_per_step, n_genes) // n_genes)

    def _batch(self, examples: np.ndarray, controls: np.ndarray, genes: np.ndarray | None) -> Batch:
        """Return pairs over some or all genes."""
        labels = self.pairs.labels[examples]
        both = self.cells.take(np.concatenate([controls, self.pairs.rows[examples]]), genes)
        extra = self._extra_ids[labels]
        used = (extra >= 0).sum(axis=1)
        extra = extra[:, : used.max(initial=0)]
        flags = self._flags[labels] if genes is None else self._flags[labels].take(genes, axis=1)
        return Batch(
            token_ids=self._token_ids if genes is None else self._token_ids[torch.from_numpy(genes)],
            values=both[: len(examples)],
            flags=torch.from_numpy(flags),
            target=both[len(examples) :],
            extra_ids=torch.from_numpy(extra),
            padded=bool((extra < 0).any()),
        )

    def _draw_genes(self, examples: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """Draw the genes of a step, those that are perturbed in it first; ``None`` for all."""
        n_genes, n_drawn = len(self.pairs.genes), self.plan.genes_per_step
        if n_drawn >= n_genes:
            return None
        if not self.plan.keep_targets:
            return rng.permutation(n_genes)[:n_drawn]
        is_target = self._flags[self.pairs.labels[examples]].any(axis=0)
        kept = np.flatnonzero(is_target)[:n_drawn]
        return np.concatenate([kept, rng.choice(np.flatnonzero(~is_target), n_drawn - len(kept), replace=False)])


class TrainingEpochs(torch.utils.data.IterableDataset[Batch]):
    """The training batches of the epoch that :attr:`epoch` names, for a DataLoader.

    Attributes
    ----------
    epoch, first_step, share
        Set before iterating.
    """

    def __init__(self, batches: PairBatches) -> None:
        self.batches = batches
        self.epoch, self.first_step, self.share = 0, 0, Share()

    def __len__(self) -> int:
        return self.batches.steps_per_epoch - self.first_step

    def __iter__(self) -> Iterator[Batch]:
        # A generator, so that the attributes are read when the first batch is asked for.
        yield from self.batches.training(self.epoch, self.first_step, self.share)


class ValidationEpochs(torch.utils.data.IterableDataset[Batch]):
    """The validation batches of an epoch, for a DataLoader; attributes as :class:`TrainingEpochs`."""

    def __init__(self, batches: PairBatches) -> None:
        self.batches = batches
        self.epoch, self.share = 0, Share()

    def __iter__(self) -> Iterator[Batch]:
        yield from self.batches.validation(self.epoch, self.share)
