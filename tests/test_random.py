"""Every function that draws takes the same seeds and generators, and refuses the rest in the same words."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import DataError
from scgenept._random import generator_of, require_rng, require_seed, seed_of
from scgenept.evaluation.baselines import CATALOG, go_pca
from scgenept.evaluation.references import halves, interpolated_duplicate, split_half

from .test_public_api import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData


def source() -> sgp.knowledge.KnowledgeSource:
    return sgp.knowledge.KnowledgeSource("toy", ["A", "B", "C"], np.eye(3))


CALLS: dict[str, Callable[[AnnData, Any], object]] = {
    "datasets.k562_mini": lambda _, rng: sgp.datasets.k562_mini(rng=rng),
    "datasets.toy": lambda _, rng: sgp.datasets.toy(rng=rng),
    "knowledge.KnowledgeSource.for_genes": lambda _, rng: source().for_genes(["A"], rng=rng),
    "knowledge.ablate": lambda _, rng: sgp.knowledge.ablate(source(), rng=rng),
    "knowledge.pair_auroc": lambda _, rng: sgp.knowledge.pair_auroc(source(), {"A": ["A", "B"]}, rng=rng),
    "metrics.mmd": lambda adata, rng: sgp.metrics.mmd(adata.X, adata.X, rng=rng),
    "pl.knowledge_map": lambda _, rng: sgp.pl.knowledge_map(source(), rng=rng),
    "pp.pair_controls": lambda adata, rng: sgp.pp.pair_controls(adata, rng=rng),
    "tl.calibrate": lambda adata, rng: sgp.tl.calibrate("scgenept-mini", adata, rng=rng),
    "tl.evaluate": lambda adata, rng: sgp.tl.evaluate(adata, "mean", rng=rng),
    "tl.evaluate_intervals": lambda adata, rng: sgp.tl.evaluate_intervals(adata, model="scgenept-mini", rng=rng),
    "tl.explain": lambda adata, rng: sgp.tl.explain("scgenept-mini", adata, "KLF1", rng=rng),
    "tl.finetune": lambda adata, rng: sgp.tl.finetune(adata, init=None, rng=rng),
    "tl.predict_perturbation": lambda adata, rng: sgp.tl.predict_perturbation(adata, "KLF1", rng=rng),
}
OF_ROOMS: dict[str, Callable[[AnnData, Any], object]] = {
    "mean": lambda adata, rng: CATALOG["mean"].kind().fit(adata, rng=rng),
    "gears": lambda adata, rng: CATALOG["gears"].kind().fit(adata, rng=rng),
    "go_pca": lambda adata, rng: go_pca(adata.obs, rng=rng),
    "split_half": lambda adata, rng: split_half(adata, rng=rng),
    "halves": lambda adata, rng: next(halves(adata, rng=rng)),
    "interpolated_duplicate": lambda adata, rng: next(interpolated_duplicate(adata, rng=rng)),
}
WRONG = {
    "negative": (-1, "rng=-1"),
    "float": (0.5, r"rng=0\.5"),
    "numpy float": (np.float64(0.5), r"rng=0\.5"),
    "text": ("1", "rng='1'"),
    "none": (None, "rng=None"),
    "truth": (True, "rng=True"),
    "too large": (2**63, "rng=9223372036854775808"),
    "legacy": (np.random.RandomState(0), "rng= of type RandomState"),
    "list": ([1, 2], "rng= of type list"),
}


def drawing() -> dict[str, Any]:
    """The public functions and methods with a parameter ``rng``."""
    members = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
    for name, value in PUBLIC.items():
        if inspect.isclass(value):
            members |= {f"{name}.{key}": one for key, one in vars(value).items() if inspect.isfunction(one)}
    return {name: member for name, member in members.items() if "rng" in inspect.signature(member).parameters}


@pytest.fixture
def adata() -> AnnData:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    return adata


def test_every_function_that_draws_is_tried() -> None:
    assert set(CALLS) == set(drawing())


@pytest.mark.parametrize("name", drawing())
def test_the_parameter_is_described_alike(name: str) -> None:
    text = inspect.getdoc(drawing()[name]) or ""
    assert re.search(r"^rng\n    Seed or generator", text, flags=re.MULTILINE)


@pytest.mark.parametrize("call", (CALLS | OF_ROOMS).values(), ids=CALLS | OF_ROOMS)
@pytest.mark.parametrize("given", [-1, np.random.RandomState(0)], ids=["negative", "legacy"])
def test_every_function_names_its_parameter_and_a_remedy(
    call: Callable[[AnnData, Any], object], given: object, adata: AnnData
) -> None:
    with pytest.raises(DataError, match=r"^rng=.* should be a seed.*rng=0, or rng=numpy\.random\.default_rng\(0\)\."):
        call(adata, given)


@pytest.mark.parametrize(("given", "named"), WRONG.values(), ids=WRONG)
def test_what_is_no_seed(given: object, named: str) -> None:
    with pytest.raises(DataError, match=rf"^{named} should be a seed"):
        require_rng(given)
    with pytest.raises(DataError, match=rf"^{named.replace('rng', 'seed')} should be a whole number from 0"):
        require_seed(given)


def test_seeds_of_numpy_are_seeds(adata: AnnData) -> None:
    assert seed_of(np.int64(3)) == 3
    assert generator_of(np.int64(3)).random() == generator_of(3).random() == np.random.default_rng(3).random()
    generator = np.random.default_rng(3)
    assert generator_of(generator) is generator
    assert seed_of(generator) != seed_of(generator)
    sgp.pp.pair_controls(adata, rng=np.int64(3))
    assert adata.uns["scgenept"]["pairs"]["seed"] == "3"


def test_a_prediction_records_its_seed() -> None:
    cells = sgp.datasets.k562_mini()[:2].copy()
    for key, rng, recorded in (("a", np.int64(3), 3), ("b", np.random.default_rng(3), "numpy Generator")):
        sgp.tl.predict_perturbation(cells, "KLF1", model="scgenept-mini", rng=rng, key_added=key)
        assert sgp.get.record(cells, key)["seed"] == recorded
