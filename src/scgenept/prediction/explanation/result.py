"""An explanation as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from ..._errors import listing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .attribution import Attributions
    from .sources import InputSource

Cells: TypeAlias = Literal["mean", "each"]

TOLERANCE: Final = 0.05
"""Largest gap that is not warned of, as a share of what was to be attributed."""
MEAN_TOLERANCE: Final = 0.2
"""The same for the response of the mean cell, as a share of the mean response of the cells."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model predicted what it did; :func:`scgenept.tl.explain` makes it.

    All values are in log1p of counts per 1e4.

    Attributes
    ----------
    perturbation, model, weight_hash, baseline, cells
        What was explained, and how.
    n_cells, n_steps
        Control cells, and points of the path from the reference to the input.
    responses
        One row per responding gene: ``gene``, ``is_target``, ``delta`` (predicted minus control, mean over the cells),
        ``response`` (the same of what is explained: of the mean cell with ``cells="mean"``, else equal), ``reference``
        (the same where no source tells genes apart and nothing is perturbed), ``attributed`` (the sum of all
        attributions, which should be ``response`` minus ``reference``), ``gap`` (what is missing) and ``relative_gap``
        (as a share of that difference, or of the largest source where that is larger).
    by_source
        One row per responding gene and source: ``gene``, ``kind`` (``"tokens"``, the learned vectors; ``"language"``, a
        text; ``"counts"``, the expression of the control cells; ``"perturbation"``, the flag; ``"gene_offset"``, the
        learned level), ``source`` (name of the text, else the kind), ``attribution`` and its parts ``of_itself`` (what
        the source says of the responding gene), ``of_targets`` and ``of_others``.
    by_input
        One row per responding gene, source and input gene that it says something of, the strongest first: ``gene``,
        ``kind``, ``source``, ``input_gene``, ``is_target``, ``attribution``. They sum to ``by_source``.
    """

    perturbation: str
    model: str
    weight_hash: str
    baseline: str
    cells: Cells
    n_cells: int
    n_steps: int
    responses: pd.DataFrame
    by_source: pd.DataFrame
    by_input: pd.DataFrame

    def top(self, n: int = 5) -> pd.DataFrame:
        """Return the rows of ``by_input`` of the strongest input genes.

        Parameters
        ----------
        n
            How many of each responding gene and source.
        """
        return self.by_input.groupby(["gene", "kind", "source"], sort=False).head(n).reset_index(drop=True)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to warn of, in words."""
        table, words = self.responses, []
        wide = table[table["relative_gap"] > TOLERANCE]
        if len(wide):
            words.append(
                f"Attributions of {len(wide)} of {len(table)} genes miss their sum by more than {TOLERANCE:.0%}, at "
                f"most by {wide['relative_gap'].max():.0%}: {listing(wide['gene'])}. Pass more steps: "
                f"n_steps={4 * self.n_steps}."
            )
        away, size = (float(np.linalg.norm(values)) for values in (table["response"] - table["delta"], table["delta"]))
        if away > MEAN_TOLERANCE * size:
            words.append(
                f"The mean control cell responds otherwise than the {self.n_cells} cells do on average, by "
                f"{away / size if size else np.inf:.0%}. Explain the cells: cells='each', n_cells=16."
            )
        return tuple(words)

    def __str__(self) -> str:
        """Return the sources of each response as plain text."""
        named = self.by_source.assign(source=self.by_source["source"].astype(object))
        wide = named.pivot_table(index="gene", columns="source", values="attribution", aggfunc="sum", sort=False)
        table = self.responses[["gene", "response", "reference"]].join(wide, on="gene")
        head = (
            f"{self.perturbation} by {self.model}: response = reference + what each source gives, log1p units; "
            f"{self.cells} of {self.n_cells} control cells, baseline {self.baseline}, {self.n_steps} steps"
        )
        return f"{head}\n{table.round(4).to_string(index=False)}"


def tabulate(
    found: Attributions,
    sources: Sequence[InputSource],
    names: Sequence[str],
    responding: Sequence[int],
    targets: Collection[int],
    delta: np.ndarray,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lay attributions out as the tables ``responses``, ``by_source`` and ``by_input`` of an :class:`Explanation`.

    Parameters
    ----------
    found
        Responding genes x sources x genes.
    sources, names
        Of its axes.
    responding, targets
        Positions among the genes.
    delta
        Predicted minus control of the responding genes, mean over cells.
    """
    of_source = found.values.sum(axis=2)
    attributed = of_source.sum(axis=1)
    due = found.response - found.reference
    scale = np.maximum(np.abs(due), np.abs(of_source).max(axis=1))
    gap = due - attributed
    genes = np.array(names, dtype=object)
    kinds = np.array([source.kind for source in sources], dtype=object)
    labels = np.array([source.name for source in sources], dtype=object)
    is_target = np.isin(np.arange(len(names)), sorted(targets))
    answering = np.array(responding)
    responses = pd.DataFrame(
        {
            "gene": genes[answering],
            "is_target": is_target[answering],
            "delta": delta,
            "response": found.response,
            "reference": found.reference,
            "attributed": attributed,
            "gap": gap,
            "relative_gap": np.divide(np.abs(gap), scale, out=np.zeros_like(gap), where=scale > 0),
        }
    )
    of_itself = found.values[np.arange(len(answering)), :, answering]
    of_targets = found.values[:, :, is_target].sum(axis=2) - of_itself * is_target[answering][:, None]
    row, column = (axis.ravel() for axis in np.indices(of_source.shape))
    by_source = pd.DataFrame(
        {
            "gene": genes[answering][row],
            "kind": kinds[column],
            "source": labels[column],
            "attribution": of_source.ravel(),
            "of_itself": of_itself.ravel(),
            "of_targets": of_targets.ravel(),
            "of_others": (of_source - of_itself - of_targets).ravel(),
        }
    )
    order = np.argsort(-np.abs(found.values), axis=2, kind="stable")
    row, column, _ = (axis.ravel() for axis in np.indices(order.shape))
    value = np.take_along_axis(found.values, order, axis=2).ravel()
    said = value != 0
    row, column, inputs, value = row[said], column[said], order.ravel()[said], value[said]
    by_input = pd.DataFrame(
        {
            "gene": genes[answering][row],
            "kind": kinds[column],
            "source": labels[column],
            "input_gene": genes[inputs],
            "is_target": is_target[inputs],
            "attribution": value,
        }
    )
    return responses, by_source, by_input
