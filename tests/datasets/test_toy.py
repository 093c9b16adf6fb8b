"""datasets.toy: the same sixty cells everywhere."""

from __future__ import annotations

import hashlib

import numpy as np

from scgenept.data.checks import detect_scale
from scgenept.data.expression import log_normalise
from scgenept.datasets._toy import CELLS, EFFECTS, GENES, toy


def test_contents() -> None:
    adata = toy()
    assert adata.shape == (60, 40)
    assert list(adata.var_names) == list(GENES)
    assert adata.obs["condition"].value_counts().to_dict() == CELLS
    assert adata.obs["simulated"].all()
    assert (detect_scale(adata.X), detect_scale(adata.layers["counts"])) == ("log1p", "counts")
    assert adata.X.dtype == adata.layers["counts"].dtype == np.float32
    np.testing.assert_allclose(log_normalise(adata.layers["counts"]).toarray(), adata.X.toarray(), rtol=1e-6)


def test_it_is_deterministic() -> None:
    counts = toy().layers["counts"].toarray().astype(np.int64)
    digest = hashlib.sha256(np.ascontiguousarray(counts, dtype="<i8").tobytes()).hexdigest()
    assert digest == "838937666beebf2ee320d5c6201e7f6b6b5a3ce8207b215d28fda99aabf7ae6a"
    np.testing.assert_array_equal(toy(rng=np.random.default_rng(0)).X.toarray(), toy().X.toarray())
    assert (toy(rng=1).X != toy().X).nnz


def test_targets_respond() -> None:
    adata = toy()
    cells = {label: adata[adata.obs["condition"] == label].X.mean(axis=0).A1 for label in CELLS}
    for target, label in {"KLF1": "KLF1+ctrl", "MAP2K6": "ctrl+MAP2K6"}.items():
        strongest = GENES[int((cells[label] - cells["ctrl"]).argmax())]
        assert strongest == target
        assert EFFECTS[target][target] == 8
