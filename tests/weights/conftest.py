"""A small model and its original checkpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT
from tests.golden_files import COPIES, read_archive, tensors

if TYPE_CHECKING:
    from pathlib import Path

TINY = {"d_model": 16, "n_heads": 2, "d_hidden": 24, "n_layers": 2}


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary([*(f"GENE{i:03d}" for i in range(57)), "<pad>", "<cls>", "<eoc>"])


@pytest.fixture
def model(vocabulary: Vocabulary) -> ScGenePT:
    config = VARIANTS["scgenept_go_c"].config(
        n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, language_width=12, **TINY
    )
    genes = [f"GENE{i:03d}" for i in range(5, 40)] + ["UNKNOWN"]
    mean = np.random.default_rng(0).random(len(genes))
    return ScGenePT(
        Network.initialised(config).eval(),
        vocabulary,
        Card("tiny", variant="scgenept_go_c", modality="CRISPRa", cell_type="K562", caveats=("small",)),
        genes=genes,
        control_mean=dict(zip(genes, mean.tolist(), strict=True)),
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint as the original saves it, and its vocabulary file without ``<eoc>``."""
    archive = read_archive(COPIES / "forward" / "scgenept_go_c_gpt_concat.npz")
    torch.save(tensors(archive, "sd/"), tmp_path / "best_model.pt")
    names = {f"GENE{i:03d}": i for i in range(24)} | {"<pad>": 24}
    names |= {f"GENE{i:03d}": i + 1 for i in range(24, 57)} | {"<cls>": 58}
    (tmp_path / "vocab.json").write_text(json.dumps(names))
    return tmp_path / "best_model.pt", tmp_path / "vocab.json"
