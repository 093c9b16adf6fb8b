"""GEARS trained and asked through our interface; what needs no GEARS is tested everywhere."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept._errors import DataError, MissingExtraError
from scgenept.evaluation.baselines import GEARS
from scgenept.evaluation.baselines._gears import gears_label, go_edges

INSTALLED = importlib.util.find_spec("gears") is not None
TERMS = pd.DataFrame(
    [("KLF1", 1), ("KLF1", 2), ("KLF1", 2), ("GATA1", 1), ("GATA1", 3), ("JUN", 4), ("FOS", 4), ("ELSEWHERE", 1)],
    columns=["symbol", "term"],
)


@pytest.fixture
def adata():
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    return adata


def test_edges_equal_a_loop() -> None:
    rng = np.random.default_rng(0)
    terms = pd.DataFrame({"symbol": rng.choice(list("ABCDEFGH"), 60), "term": rng.integers(0, 15, 60)})
    genes = list("ABCDEFG")
    of = {gene: set(terms.loc[terms["symbol"] == gene, "term"]) for gene in genes}
    expected = set()
    for target in genes:
        scored = sorted(
            ((len(of[s] & of[target]) / len(of[s] | of[target]), s) for s in genes), key=lambda x: (-x[0], x[1])
        )
        expected |= {(s, target, round(score, 12)) for score, s in scored[:4] if score > 0.2}
    edges = go_edges(terms, pd.Index(genes), least=0.2, strongest=4)
    assert {(s, t, round(i, 12)) for s, t, i in edges.itertuples(index=False)} == expected


def test_labels_and_bad_input(adata) -> None:
    labels = [gears_label(sgp.Perturbation.parse(name)) for name in ("KLF1", "KLF1+JUN")]
    assert labels == ["KLF1+ctrl", "JUN+KLF1"]
    with pytest.raises(DataError, match="trained on cells"):
        GEARS(go=TERMS).fit_pseudobulks(pd.DataFrame(), pd.Series(dtype=float))
    with pytest.raises(DataError, match="names none of the 1 genes"):
        go_edges(TERMS, pd.Index(["ENSG1"]))


@pytest.mark.skipif(INSTALLED, reason='the extra "gears" is installed')
def test_without_the_extra(adata) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'scgenept\[gears\]'"):
        GEARS(go=TERMS).fit(adata)


@pytest.mark.skipif(not INSTALLED, reason='the extra "gears" is not installed')
def test_trains_and_predicts(adata) -> None:
    with pytest.raises(DataError, match="pass go="):
        GEARS().fit(adata)
    with pytest.raises(DataError, match="needs three training perturbations"):
        GEARS(go=TERMS).fit(adata[adata.obs["perturbation"] != "KLF1"].copy())
    before = adata.copy()
    predictions = []
    for seed in (0, 0, 1):
        filters = list(warnings.filters)
        fitted = GEARS(go=TERMS, epochs=1, hidden_size=8, batch_size=8).fit(adata, rng=seed)
        predictions.append(fitted.predict(["KLF1", "KLF1+MAP2K6", "ELSEWHERE", "JUN+ELSEWHERE", "JUN", "ctrl"]))
    assert filters == list(warnings.filters)
    first, again, other = predictions
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    assert np.isfinite(first.X).all()
    assert first.obs["n_without_embedding"].tolist() == [0, 0, 1, 1, 0, 0]
    np.testing.assert_array_equal(first.X[3], first.X[4])
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert adata.uns == before.uns
