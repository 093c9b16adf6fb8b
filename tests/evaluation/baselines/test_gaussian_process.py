"""The Gaussian process on data with a known answer: it says how far off it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scgenept._errors import DataError
from scgenept.evaluation.baselines import GaussianProcess

N, N_GENES = 150, 50
GENES = [f"G{i:02d}" for i in range(N_GENES)]
NAMES = [f"T{i:03d}" for i in range(N)]
CONTROL = pd.Series(np.full(N_GENES, 2.0), index=GENES)


def curved(noise: float, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    vectors = rng.uniform(-2, 2, (N, 2))
    latent = np.stack([np.sin(vectors[:, 0]), np.cos(vectors[:, 1]), vectors[:, 0] * vectors[:, 1] / 2], axis=1)
    changes = latent @ rng.normal(size=(3, N_GENES)) + rng.normal(0, noise, (N, N_GENES))
    return pd.DataFrame(CONTROL.to_numpy() + changes, index=NAMES, columns=GENES), pd.DataFrame(vectors, index=NAMES)


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_intervals_cover_what_they_say(noise: float) -> None:
    profiles, vectors = curved(noise)
    fitted = GaussianProcess(embedding=vectors, n_components=5).fit_pseudobulks(profiles.iloc[:90], CONTROL)
    result = fitted.predict(NAMES[90:])
    std = result.layers["std"]
    assert (std > 0).all()
    z = np.abs(result.X - profiles.iloc[90:].to_numpy()) / std
    # 60 perturbations x 50 genes; 1.645 and 0.674 are the normal quantiles of 90 and 50 %.
    assert 0.86 < (z < 1.645).mean() < 0.94
    assert 0.43 < (z < 0.674).mean() < 0.57
    assert ((result.X - profiles.iloc[90:]) ** 2).to_numpy().mean() < 1.6 * noise**2


def test_less_sure_far_from_what_it_knows() -> None:
    profiles, vectors = curved(0.1)
    vectors.loc["FAR"] = [30.0, -30.0]
    fitted = GaussianProcess(embedding=vectors, n_components=5).fit_pseudobulks(profiles.iloc[:90], CONTROL)
    std = fitted.predict(["FAR", "T000", "T100", "ctrl"]).layers["std"].mean(axis=1)
    assert std[0] > 3 * max(std[1:3])
    assert np.isnan(std[3])


def test_noise_alone_gives_the_mean_and_its_spread() -> None:
    rng = np.random.default_rng(4)
    vectors = curved(0.1)[1]
    profiles = pd.DataFrame(2 + rng.normal(0, 0.3, (N, N_GENES)), index=NAMES, columns=GENES)
    fitted = GaussianProcess(embedding=vectors, n_components=3).fit_pseudobulks(profiles.iloc[:90], CONTROL)
    result = fitted.predict(NAMES[90:])
    np.testing.assert_allclose(result.X, np.tile(profiles.iloc[:90].mean(), (60, 1)), atol=0.15)
    assert 0.27 < result.layers["std"].mean() < 0.33


def test_needs_three() -> None:
    profiles, vectors = curved(0.1)
    with pytest.raises(DataError, match="There is 2 training perturbation, and gp needs at least 3"):
        GaussianProcess(embedding=vectors).fit_pseudobulks(profiles.iloc[:2], CONTROL)
