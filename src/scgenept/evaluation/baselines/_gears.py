"""GEARS as a peer: the published graph neural network, trained on the same cells. Needs the extra ``gears``."""

from __future__ import annotations

import importlib
import io
import tempfile
import warnings
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self
from unittest import mock

import numpy as np
import pandas as pd
from scipy import sparse

from ... import _keys
from ..._errors import DataError, MissingExtraError, listing
from ..._random import generator_of
from ...data.records import split_key
from ...data.setup import read_setup
from ...perturbation import Perturbation
from ._base import Baseline, Predicted
from ._training import read_training, training_pseudobulks, training_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from ..._types import RNGLike
    from ._training import Training


@dataclass(eq=False, repr=False)
class GEARS(Baseline):
    """GEARS 0.0.2 (Roohani et al., Nat Biotechnol 2024), trained on the cells of the training split.

    It has a vector for measured genes only, so a perturbation with a target that is not measured, or with more than two
    genes, takes no part in training; asked for one, the measured targets are perturbed, and without any ``m`` is
    predicted (``obs["n_without_embedding"]`` counts the others). The best epoch is chosen on the perturbations of
    ``obs["split"] == "val"``, or on one in ten of the training perturbations where there is none.

    GEARS itself downloads its graph of genes. This does not: the graph is built, by the same rule, from the GO table
    given (edges of Jaccard index over 0.1, the 21 strongest of each gene), so it works with no network and the result
    differs from one with GEARS' own table of 2022 as far as the tables differ.

    Parameters
    ----------
    go
        One row per gene and GO term, columns ``symbol`` and ``go_id`` or ``term``, as
        :func:`scgenept.knowledge.read_go_terms` reads them.
    epochs
        Passes over the training cells.
    batch_size
        Cells per step; the last, smaller batch of an epoch is dropped.
    hidden_size
        Width of the network.
    device
        Where torch computes.
    """

    name: ClassVar[str] = "gears"
    needs_cells: ClassVar[bool] = True
    go: pd.DataFrame | None = None
    epochs: int = 20
    batch_size: int = 32
    hidden_size: int = 64
    device: str = "cpu"

    def fit(self, adata: AnnData, *, rng: RNGLike = 0) -> Self:
        """Train on the cells, as :meth:`Baseline.fit` takes them.

        Raises
        ------
        MissingExtraError
            cell-gears is not installed.
        DataError
            As :meth:`Baseline.fit`; or there is no GO table, or fewer than three perturbations can be trained on.
        """
        generator = generator_of(rng)
        gears = _gears()
        read = read_training(*training_pseudobulks(adata))
        self._seed = int(generator.integers(2**31))
        self._measured = set(map(str, read.genes))
        training, validation = self._conditions(adata, read, generator)
        edges = go_edges(self._go_table(), read.genes)
        cells = _cells(adata, [*training, *validation])
        with tempfile.TemporaryDirectory() as folder, _apart(self._seed):
            self._model = self._train(gears, cells, (training, validation), edges, folder)
        self._training = read
        return self

    def fit_pseudobulks(
        self,
        training: pd.DataFrame,
        control: pd.Series[float],
        *,
        n_cells: pd.Series[int] | None = None,
        rng: RNGLike = 0,
    ) -> Self:
        """Refuse: GEARS is trained on cells."""
        msg = "gears is trained on cells and cannot be fitted to pseudobulks. Call .fit(adata)."
        raise DataError(msg)

    def _conditions(
        self, adata: AnnData, read: Training, generator: np.random.Generator
    ) -> tuple[list[Perturbation], list[Perturbation]]:
        """Choose what to train on and what to choose the epoch on."""
        setup = read_setup(adata)
        usable = [p for p in read.perturbations if self._usable(p)]
        validation: list[Perturbation] = []
        if (key := split_key(adata)) in adata.obs:
            labels = adata.obs.loc[adata.obs[key].astype(object) == "val", setup.perturbation_key]
            validation = [p for p in map(Perturbation.parse, sorted(set(labels))) if self._usable(p)]
        if not validation and len(usable) > 2:
            held = set(generator.choice(len(usable), max(1, len(usable) // 10), replace=False).tolist())
            validation = [p for i, p in enumerate(usable) if i in held]
            usable = [p for i, p in enumerate(usable) if i not in held]
        if len(usable) < 2 or not validation:
            msg = (
                f"GEARS needs three training perturbations of one or two measured genes; of {len(read.perturbations)} "
                f"({listing(read.perturbations)}) {len(usable) + len(validation)} are."
            )
            raise DataError(msg)
        return usable, validation

    def _usable(self, p: Perturbation) -> bool:
        return 1 <= len(p) <= 2 and set(p.genes) <= self._measured

    def _go_table(self) -> pd.DataFrame:
        if self.go is None:
            msg = (
                "GEARS needs a graph of genes: pass go=, a table of GO terms by gene, for example "
                "scgenept.knowledge.read_go_terms(path) of the registry's go_human_terms."
            )
            raise DataError(msg)
        return self.go

    def _train(
        self, gears: Any, cells: AnnData, parts: tuple[list[Perturbation], list[Perturbation]], edges: Any, folder: str
    ) -> Any:
        """Drive GEARS through its own classes, with our split and our graph."""
        torch = importlib.import_module("torch")
        data = gears.PertData(folder)
        data.new_data_process("cells", adata=cells)
        data.split, data.seed, data.subgroup, data.train_gene_set_size = "no_test", self._seed, None, 1.0
        training, validation = ([gears_label(p) for p in part] for part in parts)
        data.set2conditions = {"train": [*training, _keys.CONTROL], "val": validation}
        data.get_dataloader(self.batch_size, 128)
        data.adata.X = _SeriesIndexed(data.adata.X)
        model = gears.GEARS(data, device=self.device)
        position = {gene: i for i, gene in enumerate(data.gene_names)}
        index = [[position[a], position[b]] for a, b in zip(edges["source"], edges["target"], strict=True)]
        model.model_initialize(
            hidden_size=self.hidden_size,
            G_go=torch.tensor(index, dtype=torch.long).reshape(-1, 2).T,
            G_go_weight=torch.tensor(edges["importance"].to_numpy(), dtype=torch.float32),
        )
        with mock.patch.object(importlib.import_module("gears.utils"), "torch", _Torch(torch)):
            model.train(epochs=self.epochs)
        return model

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        profiles = np.tile(training.mean, (len(wanted), 1))
        for row, p in enumerate(wanted):
            if known := [gene for gene in p.genes if gene in self._measured]:
                # Each from the same 300 draws of control cells, whatever else is asked for.
                with _apart(self._seed):
                    profiles[row] = self._model.predict([known])["_".join(known)]
        return Predicted(profiles)

    def _columns(self, wanted: list[Perturbation]) -> dict[str, Any]:
        return {_keys.N_WITHOUT_EMBEDDING: [sum(gene not in self._measured for gene in p.genes) for p in wanted]}


def go_edges(terms: pd.DataFrame, genes: pd.Index[Any], *, least: float = 0.1, strongest: int = 21) -> pd.DataFrame:
    """Connect genes that share GO terms, as GEARS does.

    Parameters
    ----------
    terms
        One row per gene and term, columns ``symbol`` and ``go_id`` or ``term``.
    genes
        The genes to connect.
    least
        Jaccard index of the terms of two genes that an edge must exceed.
    strongest
        Edges kept per ``target``, the gene itself among them.

    Returns
    -------
    DataFrame of edges: ``source``, ``target``, ``importance`` (the Jaccard index).
    """
    column = "go_id" if "go_id" in terms else "term"
    known = terms[terms["symbol"].isin(genes)].drop_duplicates(["symbol", column])
    if known.empty:
        msg = f"The GO table names none of the {len(genes)} genes ({listing(genes)}). Does it hold symbols like these?"
        raise DataError(msg)
    (row, names), (position, _) = (pd.factorize(known[key], sort=True) for key in ("symbol", column))
    has = sparse.csr_matrix((np.ones(len(row)), (row, position)))
    shared = (has @ has.T).tocoo()
    size = np.asarray(has.sum(axis=1)).ravel()
    edges = pd.DataFrame(
        {
            "source": np.asarray(names)[shared.row],
            "target": np.asarray(names)[shared.col],
            "importance": shared.data / (size[shared.row] + size[shared.col] - shared.data),
        }
    )
    edges = edges[edges["importance"] > least].sort_values(
        ["target", "importance", "source"], ascending=[True, False, True]
    )
    return edges.groupby("target", sort=False).head(strongest).reset_index(drop=True)


def gears_label(perturbation: Perturbation) -> str:
    """Write a perturbation as GEARS does: ``A+ctrl`` for a single one."""
    return f"{perturbation}+{_keys.CONTROL}" if len(perturbation) == 1 else str(perturbation)


def _cells(adata: AnnData, perturbations: list[Perturbation]) -> AnnData:
    """Return controls and perturbed cells in the form GEARS reads."""
    from anndata import AnnData

    setup = read_setup(adata)
    controls, _ = training_rows(adata)
    labels = {str(p): gears_label(p) for p in perturbations}
    condition = adata.obs[setup.perturbation_key].astype(object).map(labels).to_numpy(dtype=object, copy=True)
    condition[controls] = _keys.CONTROL
    rows = np.flatnonzero(~pd.isna(condition))
    obs = pd.DataFrame(
        {"condition": pd.Categorical(condition[rows]), "cell_type": "cells"}, index=adata.obs_names[rows].astype(str)
    )
    genes = adata.var_names.astype(str)
    return AnnData(
        X=sparse.csr_matrix(adata[rows].X, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame({"gene_name": genes}, index=genes),
    )


class _SeriesIndexed(sparse.csr_matrix):  # type: ignore[misc]
    """A matrix whose rows can be chosen by a pandas Series, which GEARS does and newer versions of scipy refuse."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key.to_numpy() if isinstance(key, pd.Series) else key)


class _Torch:
    """torch for the loss of GEARS, which adds in place to a leaf that requires a gradient: that works on GPUs only.

    Value and gradient of the loss are the same where the zero it starts from requires none.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)

    def tensor(self, *args: Any, requires_grad: bool = False, **kwargs: Any) -> Any:
        return self._torch.tensor(*args, **kwargs)


def _gears() -> Any:
    """Import GEARS, which seeds torch and silences every warning as it is imported."""
    try:
        with _apart(0):
            return importlib.import_module("gears")
    except ImportError as error:
        raise MissingExtraError(error.name or "cell-gears", "gears") from error


@contextmanager
def _apart(seed: int) -> Iterator[None]:
    """Give GEARS seeded global generators, filters and a stderr of its own, and put everything back."""
    torch = importlib.import_module("torch")
    state = np.random.get_state()  # noqa: NPY002 - GEARS draws from numpy's global generator
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), torch.random.fork_rng():
            warnings.filterwarnings("ignore")
            np.random.set_state(np.random.RandomState(seed).get_state())  # noqa: NPY002
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
