"""Whatever a user hands in as a predictor, as the table of its predictions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, UnknownGeneError, UnknownNameError, listing, near_names
from .._progress import progress
from ..data.cell_lines import are_alike
from ..data.select import row_reader
from ..data.setup import read_setup
from ..evaluation.baselines import CATALOG, DEFAULT, Baseline
from ..evaluation.calibration import REPLICATE
from ..evaluation.predictors import FromHalf, Predictor, from_baseline
from ..evaluation.reading import read_table
from ..evaluation.strata import strata
from ..evaluation.summary import MEAN
from ..perturbation import Perturbation
from ..prediction.domain import was_trained_on
from ..prediction.pseudobulks import predict_pseudobulks
from ..weights.model import ScGenePT
from ._predict_perturbation import no_known_gene
from ._remarks import Remark

if TYPE_CHECKING:
    from ..evaluation.experiment import Experiment
    from ..evaluation.halvings import Halvings
    from ..prediction.engine import Engine


class Found(NamedTuple):
    """Predictors, and what reading them had to say."""

    predictors: list[Predictor]
    notes: list[Remark]


@dataclass(frozen=True, eq=False)
class Reader:
    """How predictors are made from what a user hands in.

    Attributes
    ----------
    experiment
        What they are judged by.
    n_control_cells
        How many control cells a network predicts from; ``None`` for all.
    engine
        How a network computes.
    seed
        Of the draw of control cells and of baselines.
    halvings
        The halves that will be scored on, where they are.
    """

    experiment: Experiment
    n_control_cells: int | None
    engine: Engine
    seed: int
    halvings: Halvings | None = None

    def judged(self, given: object) -> tuple[Found, dict[str, object]]:
        """Read what is to be judged, under its own name or those of a mapping; return what was given by name too."""
        sources: Mapping[Any, Any] = given if isinstance(given, Mapping) else {None: given}
        if not sources:
            msg = "There is nothing to judge: the mapping of predictors is empty."
            raise DataError(msg)
        found, named = Found([], []), {}
        for name, source in sources.items():
            predictor, said = self._read(name, source, is_baseline=False)
            _require_free(predictor.name, source)
            named[predictor.name] = source
            found.predictors.append(predictor)
            found.notes.extend(said)
        return found, named

    def baselines(self, given: object, *, judged: Mapping[str, object]) -> Found:
        """Read what to compare with; the mean is always there, and a default that cannot be fitted is left out.

        A baseline that is judged is not compared with itself; anything else under its name is refused.
        """
        is_default = isinstance(given, str) and given == "default"
        sources: dict[Any, Any] = {MEAN: MEAN}
        if isinstance(given, Mapping):
            sources |= given
        elif given is not None:
            names = DEFAULT if is_default else [given] if isinstance(given, str) else list(_iterated(given))
            sources |= {str(name): str(name) for name in names}
        both = [name for name in sources if name in judged]
        if clash := [name for name in both if not (_is_named(name, judged[name]) and _is_named(name, sources[name]))]:
            msg = (
                f"{listing(clash)} names both something to judge and a baseline. Rename what is judged, "
                "{'mine': ...}, or leave the baseline out with baselines=."
            )
            raise DataError(msg)
        found = Found([], [])
        for name, source in progress(sources.items(), "baselines"):
            if name in judged:
                if _has_options(name, judged[name]):
                    found.notes.append(Remark(f"The baseline {name} is left out: {judged[name]!r} has its name."))
                continue
            _require_free(name, source)
            try:
                predictor, said = self._read(name, source, is_baseline=True)
            except DataError as error:
                if not is_default:
                    raise
                found.notes.append(Remark(f"The baseline {name} is left out: {error}"))
                continue
            found.predictors.append(predictor)
            found.notes.extend(said)
        return found

    def _read(self, name: str | None, source: object, *, is_baseline: bool) -> tuple[Predictor, list[Remark]]:
        from anndata import AnnData

        if isinstance(source, (str, os.PathLike)):
            source = _by_name(source)
        if isinstance(source, ScGenePT):
            made, notes = self._from_model(name or source.name, source)
            return replace(made, is_baseline=is_baseline), notes
        if isinstance(source, Baseline):
            with warnings.catch_warnings(record=True) as caught:
                warnings.filterwarnings("always", category=UserWarning)
                made = from_baseline(
                    name or source.name, source, self.experiment, is_baseline=is_baseline, seed=self.seed
                )
            leaked = _leaked(source, self.experiment)
            return made, [
                *(Remark(str(warning.message)) for warning in caught),
                *(Remark(words, made.name) for words in leaked),
            ]
        if isinstance(source, (AnnData, pd.DataFrame)):
            name = name or "predictions"
            table = read_table(source, self.experiment, name=name)
            may_know = frozenset(self.experiment.training)
            made = Predictor(name, table.values, self.experiment.control, is_baseline, may_know=may_know)
            return made, [Remark(note) for note in table.notes]
        msg = (
            f"A {type(source).__name__} cannot be judged. Pass a model, a baseline, a table or AnnData of "
            "perturbations x genes, an AnnData of predicted cells, or a mapping from names to these."
        )
        raise DataError(msg)

    def _from_model(self, name: str, model: ScGenePT) -> tuple[Predictor, list[Remark]]:
        """Predict every test perturbation from the same control cells."""
        adata, test = self.experiment.adata, self.experiment.test
        controls, words = self._controls()
        genes = [str(gene) for gene in self.experiment.genes]
        n_matched = model.gene_set(genes).matches.n_matched
        if not n_matched:
            raise DataError(no_known_gene(model.gene_set(genes), model, name))
        if n_matched < len(genes):
            n = len(genes) - n_matched
            words.append(f"{n:,} of {len(genes):,} genes are unknown to {{who}}, where all such look alike.")
        read = row_reader(adata, controls, self.experiment.layer)
        groups = self._first_halves(controls)
        made = predict_pseudobulks(model, genes, read, len(controls), test, engine=self.engine, groups=groups)
        if len(made.unknown) == len(test):
            msg = (
                f"{name} knows the targets of none of the {len(test)} test perturbations: {listing(made.unknown)}. "
                "Use human gene symbols in the labels, or test others."
            )
            raise UnknownGeneError(msg)
        if made.unknown:
            n = len(made.unknown)
            words.append(f"{{who}} cannot predict {n} perturbations of unknown targets: {listing(made.unknown)}.")
        if self.halvings is not None and was_trained_on(model, genes, self.experiment.control):
            words.append(
                "{who} {was} trained on these control cells, and on halves baselines know only one half of them: "
                "compare {who} with baselines on all cells, and with the replicate on halves."
            )
        halves = [FromHalf(*half) for half in zip(made.group_values, made.group_controls, strict=True)]
        # a card that lists nothing rules nothing out
        may_know = frozenset(_trained(model)) or frozenset(self.experiment.training)
        predictor = Predictor(name, made.values, made.control, is_baseline=False, from_halves=halves, may_know=may_know)
        return predictor, [Remark(text, name) for text in (*words, *_of_the_card(model, self.experiment))]

    def _first_halves(self, controls: np.ndarray) -> np.ndarray | None:
        """Say which control cells are in each first half; a half without one predicts from all."""
        approximation = self.engine.approximation
        if self.halvings is None or (approximation is not None and approximation.mean_control):
            return None
        first = self.halvings.first_of(controls)
        first[~first.any(axis=1)] = True
        return first

    def _controls(self) -> tuple[np.ndarray, list[str]]:
        """Return the rows of the control cells that a network predicts from."""
        labels = self.experiment.adata.obs[self.experiment.key].astype(object)
        controls = np.flatnonzero((labels == _keys.CONTROL).to_numpy())
        n = self.n_control_cells
        if n is None or n >= len(controls):
            return controls, []
        note = f"{{who}} predict{{s}} from {n} of {len(controls):,} control cells (n_control_cells=)."
        return np.sort(np.random.default_rng(self.seed).choice(controls, n, replace=False)), [note]


def _require_free(name: str, source: object) -> None:
    if name == REPLICATE or (name == MEAN and not _is_named(name, source)):
        msg = f"{name!r} is the name of a reference of every report: choose another."
        raise DataError(msg)


def _iterated(given: object) -> Iterable[Any]:
    if not isinstance(given, Iterable):
        msg = f"baselines should be names or a mapping from names to predictors, not {type(given).__name__}."
        raise DataError(msg)
    return given


def _is_named(name: str, source: object) -> bool:
    """Say whether this is the baseline of that name."""
    return name in CATALOG and (source == name if isinstance(source, str) else isinstance(source, CATALOG[name].kind))


def _has_options(name: str, source: object) -> bool:
    """Say whether a baseline differs from the one that its name alone stands for."""
    return isinstance(source, Baseline) and (source.is_fitted or repr(source) != repr(CATALOG[name].kind()))


def _by_name(source: str | os.PathLike[str]) -> object:
    from ..models import load

    if isinstance(source, str) and source in CATALOG:
        return CATALOG[source].kind()
    try:
        return load(source)
    except UnknownNameError as error:
        msg = f"{error}{near_names(str(source), CATALOG)} Baselines: {', '.join(CATALOG)}."
        raise UnknownNameError(msg) from error


def _leaked(baseline: Baseline, experiment: Experiment) -> list[str]:
    """Say which test perturbations a baseline was fitted to before it was handed in."""
    seen = [p for p in experiment.test if p in set(baseline.fitted_to)]
    if not seen:
        return []
    word = (
        f"{{who}} {{was}} fitted to {len(seen)} of the test perturbations: {listing(seen)}. Passed unfitted, a "
        "baseline is fitted to the training perturbations only."
    )
    return [word]


def _trained(model: ScGenePT) -> set[str]:
    """Return the canonical names of the perturbations that the card lists for training."""
    return {str(Perturbation.parse(label)) for label in model.card.trained_on}


def _of_the_card(model: ScGenePT, experiment: Experiment) -> list[str]:
    """Say what the card knows against these scores: seen test perturbations, other modality, caveats of strata."""
    words = []
    trained = _trained(model)
    if seen := [p for p in experiment.test if p in trained]:
        words.append(
            f"{{who}} {{was}} trained on {len(seen)} of the test perturbations, says {{its}} card: {listing(seen)}."
        )
    setup = read_setup(experiment.adata)
    card = model.card
    for of, here, there, is_same in (
        ("modality", setup.modality, card.modality, card.covers(setup.modality)),
        ("cell type", setup.cell_type, card.cell_type, are_alike(setup.cell_type, card.cell_type)),
    ):
        if not is_same:
            words.append(f"{{who}} {{was}} trained on another {of}: {there}, and adata is {here}.")
    kinds = set(strata(experiment.test, experiment.training)["kind"])
    words += [f"Card of {{who}}: {caveat}" for caveat in model.card.caveats if any(kind in caveat for kind in kinds)]
    return words
