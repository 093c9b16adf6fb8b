"""Batches as a function of seed, epoch and step: the same ones whoever asks, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..weights.tokens import build_tokens
from .step import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..data.pairs import Pairs
    from ..weights.model import ScGenePT
    from .plan import TrainingPlan
    from .step import GeneRows


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


class PairBatches(torch.utils.data.IterableDataset[Batch]):
    """Shuffled pairs of a control and a perturbed cell.

    Parameters
    ----------
    pairs
        The cells.
    tokens
        Which tokens their genes and targets are.
    rows
        The gene rows in training; token ids are given as its local rows.
    plan
        Batch size, genes per step and seed.

    Attributes
    ----------
    epoch
        Set it before iterating.
    """

    def __init__(self, pairs: Pairs, tokens: TargetTokens, rows: GeneRows, plan: TrainingPlan) -> None:
        self.pairs, self.tokens, self.rows, self.plan = pairs, tokens, rows, plan
        self.epoch = 0
        self._token_ids = rows.local(torch.from_numpy(tokens.gene_ids))
        self._extra_ids = rows.local(torch.from_numpy(tokens.extra_ids))

    def __len__(self) -> int:
        return len(self.pairs) // self.plan.batch_size

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng([self.plan.seed, self.epoch]).permutation(len(self.pairs))
        for step in range(len(self)):
            rng = np.random.default_rng([self.plan.seed, self.epoch, step])
            cells = order[step * self.plan.batch_size : (step + 1) * self.plan.batch_size]
            controls = rng.integers(self.pairs.controls.shape[0], size=len(cells))
            batch = self.batch(cells, controls)
            genes = self._draw_genes(batch, rng)
            yield batch if genes is None else batch.take(genes)

    def batch(self, cells: np.ndarray, controls: np.ndarray) -> Batch:
        """Return the pairs of given perturbed cells and controls over all genes."""
        labels = self.pairs.labels[cells]
        return Batch(
            token_ids=self._token_ids,
            values=torch.from_numpy(self.pairs.controls[controls].toarray()),
            flags=torch.from_numpy(self.tokens.flags[labels]),
            target=torch.from_numpy(self.pairs.cells[cells].toarray()),
            extra_ids=self._extra_ids[labels],
        )

    def _draw_genes(self, batch: Batch, rng: np.random.Generator) -> torch.Tensor | None:
        n_genes = len(batch.token_ids)
        if self.plan.genes_per_step >= n_genes:
            return None
        kept = np.flatnonzero(batch.flags.any(dim=0).numpy())[: self.plan.genes_per_step]
        others = np.setdiff1d(np.arange(n_genes), kept, assume_unique=True)
        drawn = rng.choice(others, self.plan.genes_per_step - len(kept), replace=False)
        return torch.from_numpy(np.concatenate([kept, drawn]))
