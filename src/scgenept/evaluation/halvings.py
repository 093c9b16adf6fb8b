"""The cells of every label cut in two, again and again: drawn once, so that all who are scored meet the same halves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from .references import Draw

if TYPE_CHECKING:
    from .._types import RNGLike
    from .experiment import Experiment
    from .pseudobulk import Pseudobulk

BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Halvings:
    """Random halves of the cells of an experiment.

    Attributes
    ----------
    draw
        The labelled cells.
    in_first
        Halvings x labelled cells: which are in the first half. The others are in the second.
    """

    draw: Draw
    in_first: BoolArray

    def __len__(self) -> int:
        return len(self.in_first)

    def both(self, halving: int) -> tuple[Pseudobulk, Pseudobulk]:
        """Sum up the first and the second half."""
        chosen = self.in_first[halving]
        return self.draw.pseudobulk(chosen), self.draw.pseudobulk(~chosen)

    def first_of(self, rows: npt.NDArray[np.intp]) -> BoolArray:
        """Say of labelled cells, given by their position in adata, whether they are in the first half.

        Parameters
        ----------
        rows
            Positions of labelled cells.

        Returns
        -------
        Halvings x rows.
        """
        return self.in_first[:, np.searchsorted(self.draw.rows, rows)]


def draw_halvings(experiment: Experiment, n: int, rng: RNGLike) -> Halvings:
    """Cut the cells of every label in two, ``n`` times.

    Parameters
    ----------
    experiment
        The cells.
    n
        How often.
    rng
        Seed or generator.
    """
    draw = Draw(experiment.adata, layer=experiment.layer, by=experiment.key, rng=rng)
    drawn = [draw.first_half() for _ in range(n)]
    return Halvings(draw, np.array(drawn, dtype=bool).reshape(n, len(draw.codes)))
