"""Perturbed cells and the control cells they are compared with: positions in one matrix, no graph per cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from .. import _keys
from .._errors import DataError
from ..perturbation import Perturbation
from .expression import as_float32, expression
from .select import control_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from .setup import Setup

DRAWN = -1
"""Stands for a control cell that is drawn anew in every epoch."""


@dataclass(frozen=True, eq=False)
class ControlPool:
    """Control cells by context, to draw from.

    Attributes
    ----------
    rows
        Positions of the control cells, sorted by context, int64.
    starts
        Where each context begins in ``rows``, and where the last one ends, (contexts + 1,), int64.
    """

    rows: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, is_control: np.ndarray, contexts: np.ndarray) -> ControlPool:
        """Collect the control cells of each context code."""
        rows = np.flatnonzero(is_control)
        rows = rows[np.argsort(contexts[rows], kind="stable")]
        n_contexts = int(contexts.max(initial=0)) + 1
        return cls(rows, np.searchsorted(contexts[rows], np.arange(n_contexts + 1)))

    def draw(self, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw one control cell for each context code, (n,) -> positions (n,)."""
        low, high = self.starts[contexts], self.starts[contexts + 1]
        drawn: np.ndarray = self.rows[low + (rng.random(len(contexts)) * (high - low)).astype(np.int64)]
        return drawn


@dataclass(frozen=True, eq=False)
class Pairs:
    """What a model is trained on: examples of a control cell and a perturbed cell.

    Attributes
    ----------
    genes
        Names of the measured genes.
    values
        All cells x genes, log1p of counts per 1e4, float32, csr. Examples are positions in it.
    perturbations
        The perturbations that occur; one without genes stands for control cells that are examples themselves.
    rows
        Per example, the perturbed cell, (n,), int64.
    labels
        Per example, its position in ``perturbations``, (n,), int64.
    contexts
        Per example, the code of the context its control is drawn from, (n,), int64.
    pool
        The control cells of each context.
    partners
        Per example, a control cell that stays the same, or ``DRAWN``, (n,), int64.
    """

    genes: tuple[str, ...]
    values: sp.csr_matrix
    perturbations: tuple[Perturbation, ...]
    rows: np.ndarray
    labels: np.ndarray
    contexts: np.ndarray
    pool: ControlPool
    partners: np.ndarray

    @classmethod
    def from_arrays(
        cls,
        genes: Sequence[str],
        controls: sp.csr_matrix,
        cells: sp.csr_matrix,
        perturbations: Sequence[Perturbation],
        labels: np.ndarray,
    ) -> Pairs:
        """Join control cells and perturbed cells that share one context."""
        n_controls, n_cells = controls.shape[0], cells.shape[0]
        is_control = np.arange(n_controls + n_cells) < n_controls
        return cls(
            genes=tuple(genes),
            values=sp.vstack([controls, cells], format="csr", dtype=np.float32),
            perturbations=tuple(perturbations),
            rows=np.arange(n_controls, n_controls + n_cells),
            labels=np.asarray(labels, dtype=np.int64),
            contexts=np.zeros(n_cells, dtype=np.int64),
            pool=ControlPool.of(is_control, np.zeros(len(is_control), dtype=np.int64)),
            partners=np.full(n_cells, DRAWN),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, examples: np.ndarray) -> Pairs:
        """Return some of the examples, with all controls."""
        chosen = {name: getattr(self, name)[examples] for name in ("rows", "labels", "contexts", "partners")}
        return replace(self, **chosen)

    def draw_controls(self, examples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the control cell of each example, drawn where none is fixed, (k,) -> positions (k,)."""
        drawn = self.pool.draw(self.contexts[examples], rng)
        fixed = self.partners[examples]
        return np.where(fixed == DRAWN, drawn, fixed)

    def freeze(self, rng: np.random.Generator) -> Pairs:
        """Return the same examples, each with one control cell drawn for good."""
        return replace(self, partners=self.draw_controls(np.arange(len(self)), rng))

    def with_mean_controls(self) -> Pairs:
        """Return the same examples, each compared with the mean control cell of its context."""
        occupied = np.unique(self.contexts)
        groups = [self.pool.rows[self.pool.starts[i] : self.pool.starts[i + 1]] for i in occupied]
        values, first = _with_means(self.values, groups)
        own = first + np.searchsorted(occupied, self.contexts)
        is_control = np.array([perturbation.is_control for perturbation in self.perturbations])[self.labels]
        return replace(self, values=values, partners=np.where(is_control, self.partners, own))

    def with_mean_targets(self) -> Pairs:
        """Return the same examples, each aimed at the mean over the cells of its perturbation and context."""
        groups, which = np.unique(np.stack([self.labels, self.contexts]), axis=1, return_inverse=True)
        which = np.ravel(which)
        members = [self.rows[which == i] for i in range(groups.shape[1])]
        values, first = _with_means(self.values, members)
        return replace(self, values=values, rows=first + which)


def pairs_from_adata(
    adata: AnnData,
    setup: Setup,
    *,
    cells: np.ndarray | None = None,
    contexts: np.ndarray | None = None,
    partners: np.ndarray | None = None,
    with_controls: bool = False,
    values: sp.csr_matrix | None = None,
) -> Pairs:
    """Collect control cells and some perturbed cells; the matrix is shared, not copied.

    Parameters
    ----------
    adata
        Set up, cells x genes, log1p of counts per 1e4, in memory.
    setup
        Of ``adata``.
    cells
        Which cells to learn from, booleans; control cells among them are left out. All by default.
    contexts
        Code per cell of what a pair has in common, (cells,), int64; one for all by default.
    partners
        Per cell, the position of the control it is paired with for good, or ``DRAWN``, (cells,), int64.
    with_controls
        Make every control cell an example too: nothing is perturbed and nothing changes.
    values
        The expression where it is not ``X``, cells x genes, float32, csr.

    Raises
    ------
    DataError
        There are no control cells or no perturbed cells, or a context has no control cell.
    """
    labels = adata.obs[setup.perturbation_key].astype(str).to_numpy()
    is_control = control_mask(adata, setup)
    rows = np.flatnonzero(~is_control if cells is None else cells & ~is_control)
    wanted, own = np.unique(labels[rows], return_inverse=True)
    if not len(rows) or not is_control.any():
        msg = (
            f"Training needs control cells and perturbed cells; found {is_control.sum():,} and {len(rows):,}. Look at "
            "adata.obs.groupby(['split', 'is_control']).size(): keep the controls when you subset."
        )
        raise DataError(msg)
    codes = np.zeros(adata.n_obs, dtype=np.int64) if contexts is None else contexts
    pool = ControlPool.of(is_control, codes)
    _require_controls(pool, codes, rows)
    paired = np.full(len(rows), DRAWN) if partners is None else partners[rows]
    parsed = [Perturbation.parse(str(name)) for name in wanted]
    if with_controls:
        themselves = np.flatnonzero(is_control)
        rows = np.concatenate([rows, themselves])
        own = np.concatenate([own, np.full(len(themselves), len(wanted))])
        paired = np.concatenate([paired, themselves])
        parsed.append(Perturbation.parse(_keys.CONTROL))
    if values is None:
        values = csr_expression(adata)
    return Pairs(
        genes=tuple(str(name) for name in adata.var_names),
        values=values,
        perturbations=tuple(parsed),
        rows=rows,
        labels=own.astype(np.int64),
        contexts=codes[rows],
        pool=pool,
        partners=paired,
    )


def csr_expression(adata: AnnData, layer: str | None = None) -> sp.csr_matrix:
    """Return ``X`` or a layer as float32 csr in memory; no copy where it is that already."""
    return sp.csr_matrix(as_float32(expression(adata, layer)))


def _require_controls(pool: ControlPool, contexts: np.ndarray, rows: np.ndarray) -> None:
    needed = np.unique(contexts[rows])
    empty = needed[np.diff(pool.starts)[needed] == 0]
    if len(empty):
        n_cells = int(np.isin(contexts[rows], empty).sum())
        msg = (
            f"{n_cells:,} perturbed cells are in {len(empty)} contexts without a control cell. "
            "Pair within larger groups: scgenept.pp.pair_controls(adata, by=...)."
        )
        raise DataError(msg)


def _with_means(values: sp.csr_matrix, groups: Sequence[np.ndarray]) -> tuple[sp.csr_matrix, int]:
    """Append the mean of each group of rows; return the matrix and the position of the first mean."""
    sizes = np.array([len(group) for group in groups])
    average = sp.csr_matrix(
        (np.repeat(1.0 / sizes, sizes), (np.repeat(np.arange(len(groups)), sizes), np.concatenate(groups))),
        shape=(len(groups), values.shape[0]),
    )
    means = (average @ values).astype(np.float32)
    return sp.vstack([values, means], format="csr"), values.shape[0]
