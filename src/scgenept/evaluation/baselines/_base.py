"""The one interface of every baseline: fit to cells or to pseudobulks, predict pseudobulks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self, cast

import numpy as np
import pandas as pd

from ... import _keys
from ..._arguments import require_number, require_whole
from ..._errors import DataError, listing
from ..._random import generator_of, require_rng
from ._training import parse, read_training, training_pseudobulks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

    from ..._types import RNGLike
    from ...perturbation import Perturbation, PerturbationLike
    from ._training import FloatArray, Training


_WHOLE: Final = frozenset({"batch_size", "epochs", "hidden_size", "n_components", "n_neighbours", "n_trees"})
"""Options of baselines that are whole numbers."""


class Predicted(NamedTuple):
    """Rows that a baseline predicts: profiles, and their standard deviations where it has them."""

    profiles: FloatArray
    std: FloatArray | None = None


class Baseline(ABC):
    """A prediction that needs no network, fitted to the training perturbations of one data set.

    Notation: ``c`` is the mean of the control cells, ``d_p`` the change that training perturbation ``p`` causes over
    ``c``, ``m`` the mean over training perturbations of their pseudobulks; all in log1p of counts per 1e4. Control is
    no perturbation: asked for it, every baseline answers ``c``.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> baseline = sgp.models.baselines.load("additive").fit(adata)
    >>> baseline.predict(["KLF1", "MAP2K6+KLF1"]).obs_names.tolist()
    ['KLF1', 'KLF1+MAP2K6']
    """

    name: ClassVar[str]
    needs_cells: ClassVar[bool] = False
    """Whether only :meth:`fit` will do, since pseudobulks are not enough."""
    _least: ClassVar[int] = 1
    """Fewest training perturbations to be fitted to."""
    _training: Training | None = None

    def __post_init__(self) -> None:
        for name in _WHOLE & {field.name for field in fields(cast("Any", self))}:
            require_whole(name, getattr(self, name))
        if getattr(self, "penalty", None) not in {None, 0}:
            require_number("penalty", self.penalty)  # type: ignore[attr-defined]

    @property
    def is_fitted(self) -> bool:
        """Whether it can predict."""
        return self._training is not None

    @property
    def fitted_to(self) -> tuple[str, ...]:
        """Canonical names of the training perturbations, sorted; none before it is fitted."""
        return () if self._training is None else tuple(map(str, self._training.perturbations))

    def fit(self, adata: AnnData, *, rng: RNGLike = 0) -> Self:
        """Fit to the cells of the training split.

        Parameters
        ----------
        adata
            Cells x genes, ``X`` in log1p of counts per 1e4, set up by :func:`scgenept.pp.setup_perturbations`. With
            ``obs["split"]`` only cells of ``"train"`` are looked at, otherwise all; controls likewise, or all
            controls where the split names none of them.
        rng
            Seed or generator of what is drawn at random.

        Returns
        -------
        The baseline itself.

        Raises
        ------
        DataError
            There is no setup, no control cell, no training perturbation, or ``X`` is not log1p of counts.
        """
        require_rng(rng)
        training, control, n_cells = training_pseudobulks(adata)
        return self.fit_pseudobulks(training, control, n_cells=n_cells, rng=rng)

    def fit_pseudobulks(
        self,
        training: pd.DataFrame,
        control: pd.Series[float],
        *,
        n_cells: pd.Series[int] | None = None,
        rng: RNGLike = 0,
    ) -> Self:
        """Fit to pseudobulks, which several baselines can share.

        Parameters
        ----------
        training
            Training perturbations x genes, log1p of counts per 1e4; a row for the control is left out.
        control
            Mean of the control cells, one value per gene, same unit.
        n_cells
            Number of cells of each training perturbation; only ``mean_cells`` asks for it.
        rng
            Seed or generator of what is drawn at random.

        Returns
        -------
        The baseline itself.

        Raises
        ------
        DataError
            There are too few training perturbations, genes of the inputs differ, a label occurs twice, or a value is
            NaN.
        """
        generator = generator_of(rng)
        read = read_training(training, control, n_cells)
        if len(read.perturbations) < self._least:
            found = len(read.perturbations) or "no"
            msg = (
                f"There is {found} training perturbation, and {self.name} needs at least {self._least}. "
                "Is the split set, and are perturbations in its training part?"
            )
            raise DataError(msg)
        self._fit(read, generator)
        self._training = read
        return self

    def predict(self, perturbations: Iterable[PerturbationLike]) -> AnnData:
        """Predict pseudobulks.

        Parameters
        ----------
        perturbations
            What to predict, each once: labels, or genes perturbed together.

        Returns
        -------
        AnnData of perturbations x genes: ``X`` in log1p of counts per 1e4, ``obs_names`` the canonical names,
        ``layers["std"]`` the standard deviation where the baseline has one, and ``obs["n_without_embedding"]`` the
        number of targets that had to do with the mean embedding where it uses embeddings.

        Raises
        ------
        DataError
            The baseline is not fitted, or a perturbation is asked for twice.
        """
        from anndata import AnnData

        wanted = parse(perturbations)
        names = _names(wanted)
        if repeated := sorted(set(names[names.duplicated()])):
            msg = f"{len(repeated)} perturbations are asked for more than once: {listing(repeated)}. Name each once."
            raise DataError(msg)
        predicted = self._rows(wanted)
        genes = self._fitted().genes
        return AnnData(
            X=predicted.profiles,
            obs=pd.DataFrame(self._columns(wanted), index=names),
            var=pd.DataFrame(index=genes.astype(str)),
            layers={} if predicted.std is None else {_keys.STD: predicted.std},
            uns={_keys.UNS: {_keys.BASELINE: self.name}},
        )

    def predict_pseudobulks(self, perturbations: Iterable[PerturbationLike]) -> pd.DataFrame:
        """Predict pseudobulks as a plain table.

        Parameters
        ----------
        perturbations
            What to predict, in this order.

        Returns
        -------
        Perturbations x genes, log1p of counts per 1e4; rows carry canonical names.

        Raises
        ------
        DataError
            The baseline is not fitted.
        """
        wanted = parse(perturbations)
        return pd.DataFrame(self._rows(wanted).profiles, index=_names(wanted), columns=self._fitted().genes)

    def _fit(self, training: Training, rng: np.random.Generator) -> None:  # noqa: B027 - the data may be all it needs
        """Learn from checked pseudobulks; nothing to do where they are all that is needed."""

    @abstractmethod
    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        """Predict perturbations of at least one gene, at least one of them."""

    def _columns(self, wanted: list[Perturbation]) -> dict[str, Any]:
        """Return columns of ``obs`` that say how a row came about."""
        return {}

    def __repr__(self) -> str:
        options = ", ".join(f"{field.name}={_short(getattr(self, field.name))}" for field in fields(cast("Any", self)))
        return f"{type(self).__name__}({options})"

    def _fitted(self) -> Training:
        if self._training is None:
            msg = f"{self.name} is not fitted. Call .fit(adata) first."
            raise DataError(msg)
        return self._training

    def _rows(self, wanted: list[Perturbation]) -> Predicted:
        """Predict rows in the order asked for; those of control are the control."""
        training = self._fitted()
        profiles = np.tile(training.control, (len(wanted), 1))
        rows = [i for i, p in enumerate(wanted) if not p.is_control]
        if not rows:
            return Predicted(profiles)
        predicted = self._predict([wanted[i] for i in rows], training)
        profiles[rows] = predicted.profiles
        if predicted.std is None:
            return Predicted(profiles)
        std = np.full_like(profiles, np.nan)
        std[rows] = predicted.std
        return Predicted(profiles, std)


def _short(option: object) -> str:
    """Write an option, a table by its size."""
    shape = getattr(option, "shape", None)
    return repr(option) if shape is None else f"<{type(option).__name__} {' x '.join(map(str, shape))}>"


def _names(wanted: list[Perturbation]) -> pd.Index[str]:
    return pd.Index([str(p) for p in wanted], name=_keys.PERTURBATION, dtype=object)
