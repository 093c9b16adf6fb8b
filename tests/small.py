"""A model small enough to build in a test, over the genes of the toy data."""

from __future__ import annotations

import numpy as np

from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT

GENES = [f"GENE{i:02d}" for i in range(40)]
OUTSIDE = ["OUTA", "OUTB"]


def small_model(genes: list[str] | None = None, *, dropout: float = 0.2, **card: object) -> ScGenePT:
    """A seeded network that knows ``genes`` and two more that are measured nowhere."""
    names = list(genes or GENES)
    vocabulary = Vocabulary([*names, *OUTSIDE, "<pad>", "<cls>", "<eoc>"])
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=len(vocabulary),
        pad_id=vocabulary.pad_id,
        language_width=6,
        d_model=16,
        n_heads=2,
        d_hidden=16,
        n_layers=2,
        dropout=dropout,
    )
    facts = {"modality": "CRISPRa", "cell_type": "K562", "dataset": "toy", "token_mapping": "alias", **card}
    return ScGenePT(Network.initialised(config).eval(), vocabulary, Card("small", **facts), genes=names)  # type: ignore[arg-type]


def log_cells(n_cells: int = 30, n_genes: int = 40, seed: int = 0) -> np.ndarray:
    """log1p of counts per 1e4, cells x genes, float32, about a third non-zero."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.geomspace(0.1, 8, n_genes), size=(n_cells, n_genes)).astype(float)
    counts[:, 0] += 1
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
