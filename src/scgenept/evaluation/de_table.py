"""The most differentially expressed genes of every perturbation, in the three kinds that GEARS knows, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import _keys
from .._progress import progress
from .de import rank_genes
from .pseudobulk import rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .de import IntArray
    from .pseudobulk import Pseudobulk

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Against: TypeAlias = Literal["control", "rest"]
Kind: TypeAlias = Literal["top", "non_dropout", "non_zero"]
KINDS: Final = ("top", "non_dropout", "non_zero")
"""Which genes may be among the top: all, those not lost in the perturbed cells, those seen in them."""


def de_table(bulks: Mapping[str, Pseudobulk], *, against: Against = "control", n_top: int = 20) -> pd.DataFrame:
    """Rank the genes of every perturbation and keep those that are among the top of one of the kinds.

    Parameters
    ----------
    bulks
        Context -> pseudobulks with a row for the control, log1p of counts per 1e4; genes the same in all.
    against
        ``"control"``, or ``"rest"``: all other perturbed cells of the context.
    n_top
        Genes of each kind; all that qualify where they are fewer.

    Returns
    -------
    One row per gene kept, by context, perturbation and rank: ``perturbation``, ``context``, ``gene`` (categorical),
    ``rank`` (1 is the strongest of all genes) and the columns of :func:`~scgenept.evaluation.de.rank_genes`, then one
    boolean per kind:

    ``top``
        Among the ``n_top`` of all genes.
    ``non_dropout``
        Among the ``n_top`` of the genes that are seen in the perturbed cells, or in neither these nor the others.
    ``non_zero``
        Among the ``n_top`` of the genes that are seen in the perturbed cells.
    """
    tables = []
    for context, bulk in bulks.items():
        others = rest(bulk) if against == "rest" else None
        names = [name for name in bulk.mean.index if name != _keys.CONTROL]
        for name in progress(names, f"rank genes {context}".strip()):
            reference, row = (bulk, _keys.CONTROL) if others is None else (others, name)
            table = rank_genes(
                bulk.mean.loc[name], bulk.std.loc[name], int(bulk.n[name]),
                reference.mean.loc[row].to_numpy(), reference.std.loc[row].to_numpy(), int(reference.n[row]),
                genes=range(bulk.mean.shape[1]),
            )  # fmt: skip
            seen = bulk.mean.loc[name].to_numpy() != 0
            lost = ~seen & (reference.mean.loc[row].to_numpy() != 0)
            kinds = _kinds(table["gene"].to_numpy(), seen=seen, lost=lost, n_top=n_top)
            kept = np.flatnonzero(np.any(list(kinds.values()), axis=0))
            labels = {_keys.PERTURBATION: name, "context": context, "rank": kept + 1}
            figures = table.iloc[kept].reset_index(drop=True)
            chosen = {kind: fits[kept] for kind, fits in kinds.items()}
            tables.append(pd.concat([pd.DataFrame(labels), figures, pd.DataFrame(chosen)], axis=1))
    whole = pd.concat(tables, ignore_index=True)
    genes = next(iter(bulks.values())).mean.columns
    whole["gene"] = _categorical(genes[whole["gene"].to_numpy()])
    for column in (_keys.PERTURBATION, "context"):
        whole[column] = _categorical(whole[column])
    return whole


def _kinds(order: IntArray, *, seen: BoolArray, lost: BoolArray, n_top: int) -> dict[str, BoolArray]:
    """Return, for genes in order of rank, which are among the top of each kind."""
    qualified = {"top": np.ones(len(order), dtype=bool), "non_dropout": ~lost[order], "non_zero": seen[order]}
    return {kind: fits & (np.cumsum(fits) <= n_top) for kind, fits in qualified.items()}


def _categorical(values: Iterable[object]) -> pd.Categorical:
    """Return names as every supported anndata can write them: categories of dtype object, sorted."""
    names = pd.Series([str(value) for value in values], dtype=object)
    return pd.Categorical(names, categories=pd.Index(sorted(set(names)), dtype=object))
