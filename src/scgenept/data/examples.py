"""From an AnnData that is set up and split to the examples that a model is trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from .. import _keys
from .._errors import DataError, listing
from .contexts import context_codes
from .control_cells import resolve_controls
from .pairs import DRAWN, csr_expression, pairs_from_adata
from .records import read_record, split_key
from .select import control_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import scipy.sparse as sp
    from anndata import AnnData

    from .pairs import Pairs
    from .setup import Setup

_ROWS: Final = 4096


@dataclass(frozen=True, eq=False)
class Examples:
    """What a data set gives to a fine-tuning.

    Attributes
    ----------
    train, validation
        Examples to learn from, and to choose the epoch by (``None`` where the split has none).
    parts
        Perturbations by part of the split: ``train``, ``val``, ``test``.
    control_mean
        Mean over the control cells, (genes,), log1p of counts per 1e4, float64.
    training_mean
        Mean over training perturbations of their mean cell, (genes,), likewise.
    training_change
        Mean over training perturbations of the change over the mean control cell of each context, (genes,), likewise.
    digest
        SHA-256 over genes, values, labels, split, control cells, contexts and pairs: what a run must agree on to be
        resumed. The same for any storage of the values.
    """

    train: Pairs
    validation: Pairs | None
    parts: dict[str, list[str]]
    control_mean: np.ndarray
    training_mean: np.ndarray
    training_change: np.ndarray
    digest: str


def examples_from_adata(
    adata: AnnData, setup: Setup, *, layer: str | None, with_controls: bool, paired: bool
) -> Examples:
    """Collect the examples of every part of the split.

    Parameters
    ----------
    adata
        Set up and split, cells x genes, log1p of counts per 1e4, in memory.
    setup
        Of ``adata``.
    layer
        The layer that holds the expression; ``X`` by default.
    with_controls
        Make every control cell an example of training too.
    paired
        Take the control cells that :func:`scgenept.pp.pair_controls` chose, where it has run.

    Raises
    ------
    DataError
        There is no split, nobody is in its training part, control cells are missing or not known, or cells are paired
        with others than control cells.
    """
    split = _split_column(adata)
    values = csr_expression(adata, layer)
    pairing = read_record(adata, _keys.PAIRS)
    by = [name for name in str((pairing or {}).get("by", "")).split("|") if name]
    contexts = context_codes(adata, by or None)[0]
    labels = adata.obs[setup.perturbation_key].astype(str).to_numpy()
    is_control = control_mask(adata, setup)
    partners = _partners(adata, is_control) if paired and pairing is not None else None
    parts = {part: sorted(set(labels[(split == part) & ~is_control])) for part in ("train", "val", "test")}

    def pairs(part: str, *, with_controls: bool = False) -> Pairs:
        return pairs_from_adata(
            adata,
            setup,
            cells=split == part,
            contexts=contexts,
            partners=partners,
            with_controls=with_controls,
            values=values,
        )

    train = pairs("train", with_controls=with_controls)
    rows = [np.flatnonzero((labels == name) & (split == "train")) for name in parts["train"]]
    means = np.stack([_mean(values, cells) for cells in rows])
    own_controls = _control_means(values, is_control, contexts, rows)
    return Examples(
        train=train,
        validation=pairs("val") if parts["val"] else None,
        parts=parts,
        control_mean=_mean(values, np.flatnonzero(is_control)),
        training_mean=means.mean(axis=0),
        training_change=(means - own_controls).mean(axis=0),
        digest=_digest(values, [adata.var_names, labels, split], [is_control, contexts, partners]),
    )


def _split_column(adata: AnnData) -> np.ndarray:
    key = split_key(adata)
    if key not in adata.obs:
        msg = (
            f"obs has no column {key!r}: run scgenept.pp.split(adata) first, or write adata.obs[{key!r}] = 'train' to "
            "train on everything and keep the last epoch."
        )
        raise DataError(msg)
    split: np.ndarray = adata.obs[key].astype(str).to_numpy()
    if not (split == "train").any():
        msg = f"obs[{key!r}] names no cell 'train'; it holds: {listing(sorted(set(split)))}."
        raise DataError(msg)
    return split


def _partners(adata: AnnData, is_control: np.ndarray) -> np.ndarray:
    """Return the control that each cell is paired with, (cells,); refuse pairs of an earlier setup."""
    partners = resolve_controls(adata)
    named = partners[partners != DRAWN]
    if len(odd := np.unique(named[~is_control[named]])):
        msg = (
            f"{len(odd):,} cells that obs[{_keys.CONTROL_CELL!r}] names are no control cells: "
            f"{listing(adata.obs_names[odd])}. Pair anew: scgenept.pp.pair_controls(adata)."
        )
        raise DataError(msg)
    return partners


def _mean(values: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """Return the mean of some cells, (genes,), float64, some thousand cells at a time."""
    total = np.zeros(values.shape[1])
    for start in range(0, len(rows), _ROWS):
        # scipy adds up float32 in float32, whatever dtype its mean is asked for.
        block = values[rows[start : start + _ROWS]].astype(np.float64)
        total += np.asarray(block.sum(axis=0)).ravel()
    return total / len(rows)


def _control_means(
    values: sp.csr_matrix, is_control: np.ndarray, contexts: np.ndarray, rows: list[np.ndarray]
) -> np.ndarray:
    """Return the mean control cell for each group of cells, in the proportions of its contexts, groups x genes."""
    used = np.unique(contexts[np.concatenate(rows)])
    means = np.stack([_mean(values, np.flatnonzero(is_control & (contexts == code))) for code in used])
    shares = np.stack([(contexts[cells][:, None] == used).mean(axis=0) for cells in rows])
    weighted: np.ndarray = shares @ means
    return weighted


def _digest(values: sp.csr_matrix, names: Sequence[Iterable[str]], codes: Sequence[np.ndarray | None]) -> str:
    digest = hashlib.sha256()
    for column in names:
        digest.update("\n".join(map(str, column)).encode())
    for numbers in codes:
        digest.update(b"none" if numbers is None else numbers.astype(np.int64).tobytes())
    for start in range(0, values.shape[0], _ROWS):
        block = values[start : start + _ROWS].copy()
        block.eliminate_zeros()
        for array in (block.indptr.astype(np.int64), block.indices.astype(np.int64), block.data):
            digest.update(array.tobytes())
    return digest.hexdigest()
