"""The default way in: pretrained scGPT and published text, from a server laid out as the original's bucket."""

from __future__ import annotations

import io
import json
import pickle
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
import torch

import scgenept as sgp
from scgenept._errors import DownloadError
from scgenept.nn import VARIANTS, Network
from scgenept.weights.adapters import to_original
from tests.registry.server import Answer, serving
from tests.small import log_cells

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.registry.server import Server

GENES = [f"GENE{i:03d}" for i in range(60)]
TOKENS = [*GENES[:55], "OUTSIDE", "<pad>", "<cls>", "<eoc>"]


def scgpt_state() -> dict[str, torch.Tensor]:
    """Weights in the names of scGPT's pretrained file: no flags, heads that fine-tuning drops."""
    config = VARIANTS["scgpt"].config(
        n_tokens=len(TOKENS), pad_id=TOKENS.index("<pad>"), d_model=8, n_heads=2, d_hidden=8, n_layers=2
    )
    state = to_original(Network.initialised(config, 5).state_dict(), config, "flash")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith(("pert_encoder", "ln."))}
    return kept | {"mvc_decoder.gene2query.weight": torch.ones(8, 8), "flag_encoder.weight": torch.ones(2, 8)}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    buffer = io.BytesIO()
    torch.save(scgpt_state(), buffer)
    rng = np.random.default_rng(0)
    vectors = {gene: rng.normal(size=6).tolist() for gene in [*GENES[:40], "OUTSIDE"]}
    with serving() as running:
        folder = "/models/pretrained/scgpt"
        running.answers = {
            f"{folder}/best_model.pt": Answer(buffer.getvalue()),
            f"{folder}/vocab.json": Answer(json.dumps({name: i for i, name in enumerate(TOKENS)}).encode()),
            f"{folder}/args.json": Answer(json.dumps({"nheads": 2}).encode()),
            "/models/gene_embeddings/GO_C_gene_embeddings-gpt3.5-ada-concat.pickle": Answer(pickle.dumps(vectors)),
        }
        monkeypatch.setattr(sgp.settings, "base_url", running.url)
        monkeypatch.setattr(sgp.settings, "mirrors", ())
        monkeypatch.setattr(sgp.settings, "offline", False)
        monkeypatch.setattr(sgp.settings, "timeout", 2.0)
        monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path / "cache")
        yield running


def cells() -> ad.AnnData:
    adata = ad.AnnData(log_cells(60, 60))
    adata.var_names = GENES
    adata.obs["condition"] = np.repeat(["ctrl", "GENE003+ctrl", "GENE004+OUTSIDE"], 20)
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRi", cell_type="K562")
    adata.obs["split"] = np.where(np.arange(60) % 5 == 0, "val", "train")
    return adata


def test_scgpt_with_go_text(server: Server, tmp_path: Path) -> None:
    adata = cells()
    plan = sgp.tl.TrainingPlan(epochs=2, batch_size=8, genes_per_step=30)
    model = sgp.tl.finetune(adata, plan=plan, out=tmp_path / "run")
    assert model.card.variant == "scgenept_go_c"
    assert model.vocabulary.tokens == tuple(TOKENS)
    assert [(source.name, source.width) for source in model.network.config.languages] == [("go_c", 6)]
    assert model.gene_set(GENES).matches.n_matched == 55
    loaded = sgp.models.load(tmp_path / "run")
    assert loaded.weight_hash == model.weight_hash
    controls = adata[adata.obs["is_control"]].copy()
    with pytest.warns(UserWarning, match="5 of 60 genes are unknown"):
        sgp.tl.predict_perturbation(controls, "GENE004+OUTSIDE", model=loaded)
    assert np.isfinite(controls.layers["GENE004+OUTSIDE"]).all()
    assert sgp.get.record(controls, "GENE004+OUTSIDE")["unmeasured_targets"] == "OUTSIDE"
    asked = len(server.asked)
    sgp.tl.finetune(adata, plan=plan, rng=1)
    assert len(server.asked) == asked, "everything is in the cache"


def test_without_a_network(server: Server, tmp_path: Path) -> None:
    server.answers.clear()
    with pytest.raises(DownloadError, match=r"scgpt/best_model\.pt"):
        sgp.tl.finetune(cells(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
