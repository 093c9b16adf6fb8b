"""What makes guesses: a table, a network on the controls of each half, or a baseline fitted anew to them."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import listing
from ..data.expression import expression
from ..data.records import split_key
from .baselines import CATALOG, DEFAULT
from .experiment import TRAINING
from .observation import Guess
from .reading import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from anndata import AnnData

    from .baselines import Baseline
    from .experiment import Experiment
    from .observation import FloatArray, Observation

_QUICK: Final = tuple(CATALOG[name].kind for name in DEFAULT)
"""Baselines that are fitted again for each half; the others would take minutes."""


class FromHalf(NamedTuple):
    """What a network predicts from the control cells of a first half.

    Attributes
    ----------
    values
        Test perturbations x genes, log1p of counts per 1e4.
    control
        Mean of those control cells, one value per gene.
    """

    values: FloatArray
    control: FloatArray


@dataclass(frozen=True, eq=False)
class Predictor:
    """A name and the guesses made under it.

    Attributes
    ----------
    name
        In the tables.
    values
        Test perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells that the values were predicted from, one value per gene.
    is_baseline
        Whether it is there to compare with, and not what was handed in to be judged.
    from_halves
        What a network predicts from the controls of each first half; nothing where that is not known.
    refit
        The baseline, where it is fitted anew to other controls.
    seed
        With which it is fitted.
    may_know
        Perturbations of which it may have seen all cells, though it is scored on halves of them.
    """

    name: str
    values: FloatArray
    control: FloatArray
    is_baseline: bool
    from_halves: Sequence[FromHalf] = ()
    refit: Baseline | None = None
    seed: int = 0
    may_know: frozenset[str] = frozenset()

    @property
    def is_fixed(self) -> bool:
        """Whether nobody knows what it would predict from half of the control cells."""
        return self.refit is None and not self.from_halves

    def guess(self, knew: Observation, experiment: Experiment, *, halving: int | None = None) -> Guess:
        """Guess as someone who saw these controls and singles, and all cells of the training perturbations.

        A table, of which nobody knows how it follows from the controls, keeps its change over all of them. On halves,
        what a pair does beyond its singles is counted from the singles of the second half, so whoever is asked for it
        must not have seen those: a baseline is fitted once more, with the singles of the first half only, and
        others have no guess where they may have seen all cells.

        Parameters
        ----------
        knew
            All cells, or those of a first half.
        experiment
            What is judged by.
        halving
            Of which halving the first half is; ``None`` for all cells.
        """
        if halving is not None and self.refit is not None:
            return self._guess_anew(self.refit, knew, experiment)
        is_half = halving is not None and bool(self.from_halves)
        values, control = self.from_halves[halving or 0] if is_half else FromHalf(self.values, self.control)
        additive = knew.additive + (control - knew.control)
        if halving is not None:
            additive[self.knows_singles(knew)] = np.nan
        return Guess(values, control, values[knew.pairs], additive)

    def knows_singles(self, seen: Observation) -> npt.NDArray[np.bool_]:
        """Say of each pair whether all cells of one of its singles may have been seen."""
        return np.array([not self.may_know.isdisjoint(genes) for genes in seen.genes_of_pairs], dtype=bool)

    def _guess_anew(self, baseline: Baseline, knew: Observation, experiment: Experiment) -> Guess:
        table = experiment.training_table
        n_cells = experiment.seen.bulk.n.loc[table.index]
        values = self._fitted_anew(baseline, table, n_cells, knew)
        singles = {gene for genes in knew.genes_of_pairs for gene in genes}
        # without a cell in this half there is no sum that the pair is held against
        halved = [name for name in table.index if name in singles and knew.bulk.n[name]]
        if not halved:
            return knew.guess(values)
        table, n_cells = table.copy(), n_cells.copy()
        table.loc[halved], n_cells.loc[halved] = knew.bulk.mean.loc[halved], knew.bulk.n.loc[halved]
        pairs = self._fitted_anew(baseline, table, n_cells, knew)[knew.pairs]
        return Guess(values, knew.control, pairs, knew.additive)

    def _fitted_anew(
        self, baseline: Baseline, table: pd.DataFrame, n_cells: pd.Series[int], knew: Observation
    ) -> FloatArray:
        control = pd.Series(knew.control, index=table.columns)
        with warnings.catch_warnings():
            # What there is to say was said when it was fitted the first time.
            warnings.filterwarnings("ignore", category=UserWarning)
            fitted = copy.copy(baseline).fit_pseudobulks(table, control, n_cells=n_cells, rng=self.seed)
        return fitted.predict_pseudobulks(knew.test).to_numpy()


def notes_on_pairs(predictors: Iterable[Predictor], seen: Observation) -> list[str]:
    """Say who has no score of what pairs do beyond their singles on halves, and why."""
    unscored: dict[int, list[str]] = {}
    for predictor in predictors:
        unscored.setdefault(int(predictor.knows_singles(seen).sum()), []).append(predictor.name)
    return [
        f"On halves {listing(names)} {'has' if len(names) == 1 else 'have'} no score of what {n} of {len(seen.pairs)} "
        f"pairs do beyond their singles: all cells of these singles may have been seen, and half of them are in the "
        f"truth. Compare on all cells."
        for n, names in unscored.items()
        if n
    ]


def from_baseline(name: str, baseline: Baseline, experiment: Experiment, *, is_baseline: bool, seed: int) -> Predictor:
    """Fit a baseline to the training perturbations, or take it as it is where it is fitted already.

    Raises
    ------
    DataError
        It cannot be fitted, or was fitted to other genes.
    """
    was_fitted = baseline.is_fitted
    fitted = baseline if was_fitted else fit(copy.copy(baseline), experiment, seed)
    table = fitted.predict_pseudobulks(experiment.test)
    values = aligned(table, experiment, name=name).values
    if not was_fitted and isinstance(baseline, _QUICK) and not baseline.needs_cells:
        return Predictor(name, values, experiment.control, is_baseline, refit=baseline, seed=seed)
    return Predictor(name, values, experiment.control, is_baseline, may_know=frozenset(fitted.fitted_to))


def fit(baseline: Baseline, experiment: Experiment, seed: int) -> Baseline:
    """Fit to the training perturbations and all control cells."""
    if baseline.needs_cells:
        return baseline.fit(_training_cells(experiment), rng=seed)
    table = experiment.training_table
    control = pd.Series(experiment.control, index=table.columns)
    n_cells = experiment.seen.bulk.n.loc[table.index]
    return baseline.fit_pseudobulks(table, control, n_cells=n_cells, rng=seed)


def _training_cells(experiment: Experiment) -> AnnData:
    """Return control cells and those of the training perturbations as :meth:`Baseline.fit` reads them."""
    keep = experiment.adata.obs[experiment.key].isin([*experiment.training, _keys.CONTROL])
    cells = experiment.adata[keep.to_numpy()].copy()
    cells.X = expression(cells, experiment.layer)
    # training is what is not tested here, whatever the column says
    cells.obs[split_key(cells)] = TRAINING
    return cells
