"""What was observed, and a guess at it: the two things that every score compares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import _keys
from ..genes.matching import measured_as
from ..perturbation import Perturbation
from .de import against_rest, non_additive_genes, significant_genes, top_gene_indices
from .scores.tables import movement

if TYPE_CHECKING:
    from .pseudobulk import Pseudobulk

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
N_TOP = 20


@dataclass(frozen=True, eq=False)
class Guess:
    """A prediction with the control cells it is a change from.

    Attributes
    ----------
    values
        Test perturbations x genes, log1p of counts per 1e4; a row that was not predicted is NaN.
    control
        Mean of the control cells that the predictor knew, one value per gene, same unit.
    pairs
        Pairs x genes: their ``values``, guessed from no more of their singles than ``additive`` is the sum of.
    additive
        Pairs x genes: the sum of the single changes over ``control``; NaN where the guess knew more of them.
    """

    values: FloatArray
    control: FloatArray
    pairs: FloatArray
    additive: FloatArray

    def over(self, control: FloatArray) -> FloatArray:
        """Return the predicted change put on top of another control, test perturbations x genes.

        A replicate has controls of its own. Were its change counted from the controls of the truth, their noise would
        stand on both sides of the comparison and correlate with itself.
        """
        # rounding left in the change would be a change where the other control is near zero
        return self.values if control is self.control else control + movement(self.values, self.control)


@dataclass(frozen=True, eq=False)
class Observation:
    """Cells summed up, all of them or one half, and what scores derive from them.

    Attributes
    ----------
    bulk
        Pseudobulks of all labels under canonical names, the control among them.
    test
        The perturbations to be scored, in this order.
    reference_mean
        ``m``, mean over the training perturbations of their pseudobulks, one value per gene.
    """

    bulk: Pseudobulk
    test: tuple[str, ...]
    reference_mean: FloatArray

    @cached_property
    def mean(self) -> FloatArray:
        """``y``, test perturbations x genes."""
        return self.bulk.mean.loc[list(self.test)].to_numpy()

    @cached_property
    def control(self) -> FloatArray:
        """``c``, one value per gene."""
        return self.bulk.mean.loc[_keys.CONTROL].to_numpy()

    @cached_property
    def statistic(self) -> FloatArray:
        """Welch's t against all other perturbed cells, test perturbations x genes."""
        return against_rest(self.bulk, perturbations=self.test)[0].to_numpy()

    @cached_property
    def significant(self) -> BoolArray:
        """Genes moved over control at a false discovery rate of 5 %, test perturbations x genes."""
        return significant_genes(self.bulk, perturbations=self.test).to_numpy()

    @cached_property
    def top(self) -> npt.NDArray[np.intp]:
        """Columns of the 20 genes moved most surely, test perturbations x 20."""
        return top_gene_indices(self.bulk, perturbations=self.test, n_top=N_TOP)

    @cached_property
    def targets(self) -> BoolArray:
        """Genes that are a target of a test perturbation; all False where that would be every gene."""
        named = {gene for name in self.test for gene in Perturbation.parse(name).genes}
        found: BoolArray = self.bulk.mean.columns.isin(measured_as(named, self.bulk.mean.columns).values())
        return found & ~found.all()

    @cached_property
    def pairs(self) -> npt.NDArray[np.intp]:
        """Rows of the test pairs of which both genes were also observed alone."""
        known = set(self.bulk.mean.index)
        parsed = [Perturbation.parse(name) for name in self.test]
        return np.array([i for i, p in enumerate(parsed) if len(p) == 2 and known.issuperset(p.genes)], dtype=np.intp)

    @cached_property
    def genes_of_pairs(self) -> list[tuple[str, ...]]:
        """The two genes of each of these pairs, which are also the names of its singles."""
        return [Perturbation.parse(self.test[i]).genes for i in self.pairs]

    @cached_property
    def additive(self) -> FloatArray:
        """``c + d_a + d_b`` from the observed singles, pairs x genes."""
        first, second = (self.bulk.mean.loc[[p[side] for p in self.genes_of_pairs]].to_numpy() for side in (0, 1))
        both: FloatArray = first + second - self.control
        return both

    @cached_property
    def non_additive(self) -> BoolArray:
        """Genes that respond to a pair other than additively, pairs x genes."""
        return non_additive_genes(self.bulk, pairs=[self.test[i] for i in self.pairs]).to_numpy()

    def guess(self, values: FloatArray) -> Guess:
        """Return values as a guess that knew these controls and these singles."""
        return Guess(values, self.control, values[self.pairs], self.additive)
