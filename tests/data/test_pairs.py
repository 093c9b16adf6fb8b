"""Pairs: who is compared with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from scgenept._errors import DataError
from scgenept.data.pairs import DRAWN, ControlPool, pairs_from_adata
from scgenept.data.setup import read_setup
from scgenept.perturbation import Perturbation
from tests.training.interrupted import cells

if TYPE_CHECKING:
    from scgenept.data.pairs import Pairs


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 5))
def test_controls_are_drawn_within_their_context(cell_list: list[tuple[bool, int]], seed: int) -> None:
    is_control = np.array([control for control, _ in cell_list])
    contexts = np.array([context for _, context in cell_list])
    pool = ControlPool.of(is_control, contexts)
    occupied = [context for context in set(contexts) if (is_control & (contexts == context)).any()]
    asked = np.repeat(np.array(occupied, dtype=np.int64), 3)
    drawn = pool.draw(asked, np.random.default_rng(seed))
    assert is_control[drawn].all()
    assert (contexts[drawn] == asked).all()


def test_every_control_is_drawn_as_often() -> None:
    pool = ControlPool.of(np.ones(5, dtype=bool), np.zeros(5, dtype=np.int64))
    drawn = pool.draw(np.zeros(50_000, dtype=np.int64), np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=5)
    assert abs(counts / 10_000 - 1).max() < 0.05


def with_two_contexts() -> tuple[Pairs, np.ndarray, np.ndarray]:
    adata = cells()
    contexts = np.arange(adata.n_obs) % 2
    pairs = pairs_from_adata(adata, read_setup(adata), contexts=contexts)
    return pairs, adata.X.toarray(), adata.obs["is_control"].to_numpy()


def test_the_matrix_is_shared() -> None:
    adata = cells()
    adata.X = sp.csr_matrix(adata.X, dtype=np.float32)
    pairs = pairs_from_adata(adata, read_setup(adata))
    assert np.shares_memory(pairs.values.data, adata.X.data)


def test_frozen_controls_stay() -> None:
    pairs, _, _ = with_two_contexts()
    frozen = pairs.freeze(np.random.default_rng(0))
    everyone = np.arange(len(pairs))
    first, again = (frozen.draw_controls(everyone, np.random.default_rng(seed)) for seed in (1, 2))
    np.testing.assert_array_equal(first, again)
    redrawn = [pairs.draw_controls(everyone, np.random.default_rng(seed)) for seed in (1, 2)]
    assert (redrawn[0] != redrawn[1]).any()


def test_mean_controls_and_mean_targets_are_means_of_their_context() -> None:
    pairs, values, is_control = with_two_contexts()
    averaged = pairs.with_mean_controls().with_mean_targets()
    assert averaged.values.shape[0] > len(values)
    context_of_cell = np.arange(len(values)) % 2
    controls = averaged.draw_controls(np.arange(len(pairs)), np.random.default_rng(0))
    for example in range(len(pairs)):
        own = context_of_cell == pairs.contexts[example]
        np.testing.assert_allclose(
            averaged.values[controls[example]].toarray()[0], values[is_control & own].mean(axis=0), rtol=1e-5
        )
        same = pairs.rows[(pairs.labels == pairs.labels[example]) & (pairs.contexts == pairs.contexts[example])]
        np.testing.assert_allclose(
            averaged.values[averaged.rows[example]].toarray()[0], values[same].mean(axis=0), rtol=1e-5
        )


def test_control_cells_as_examples_are_their_own_partner() -> None:
    adata = cells()
    pairs = pairs_from_adata(adata, read_setup(adata), with_controls=True)
    assert pairs.perturbations[-1] == Perturbation()
    themselves = pairs.labels == len(pairs.perturbations) - 1
    assert themselves.sum() == adata.obs["is_control"].sum()
    np.testing.assert_array_equal(pairs.partners[themselves], pairs.rows[themselves])
    assert (pairs.partners[~themselves] == DRAWN).all()


def test_a_context_without_controls() -> None:
    adata = cells()
    contexts = np.where(adata.obs["is_control"], 0, 1)
    with pytest.raises(DataError, match=r"36 perturbed cells are in 1 contexts without a control cell. Pair within"):
        pairs_from_adata(adata, read_setup(adata), contexts=contexts)
