"""registry.yaml against REFERENCE.md and the rules of the table itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scgenept import settings
from scgenept._errors import UnknownNameError
from scgenept.registry import entries, find, registry_table
from scgenept.registry.table import BUCKET, DATAVERSE

if TYPE_CHECKING:
    from scgenept.registry import Entry

VARIANTS = ["scgpt", *(f"scgenept_{source}" for source in ("ncbi", "ncbi+uniprot", "go_f", "go_c", "go_p", "go_all"))]
PICKLES = [
    "NCBI_gene_embeddings-gpt3.5-ada.pickle",
    "NCBI+UniProt_embeddings-gpt3.5-ada.pkl",
    *(f"GO_{aspect}_gene_embeddings-gpt3.5-ada-concat.pickle" for aspect in ("C", "F", "P", "all")),
    *(f"GO_{aspect}_gene_embeddings-gpt3.5-ada-avg.pickle" for aspect in ("C", "F", "P", "all")),
    "GO_P_gene_embedding-gpt3.5-ada-avg.pickle",
]
ANNOTATIONS = [
    "NCBI_summary_of_genes.json",
    "NCBI_UniProt_summary_of_genes.json",
    *(f"gene_ontology_{aspect}.csv" for aspect in "CFP"),
]


def paths() -> set[str]:
    return {path for entry in entries() for path in entry.paths}


@pytest.mark.parametrize("dataset", ["norman", "adamson"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_published_checkpoint(variant: str, dataset: str) -> None:
    entry = find(f"{variant}/{dataset}")
    assert (entry.variant, entry.dataset, entry.kind) == (variant, dataset, "checkpoint")
    assert all(path.startswith(f"models/finetuned/{variant}/{dataset}/best_model") for path in entry.paths)
    without = variant == "scgpt" or (variant in {"scgenept_ncbi", "scgenept_ncbi+uniprot"} and dataset == "norman")
    assert entry.paths[0].endswith("seed_42.pt" if without else "seed_42_concat.pt")
    assert variant == "scgpt" or len(entry.paths) == 2


def test_pretrained_embeddings_and_annotations() -> None:
    expected = {f"models/pretrained/scgpt/{name}" for name in ("best_model.pt", "args.json", "vocab.json")}
    expected |= {f"models/gene_embeddings/{name}" for name in PICKLES}
    expected |= {f"models/gene_embeddings/gene_annotations/{name}" for name in ANNOTATIONS}
    assert expected <= paths()


@pytest.mark.parametrize(("name", "number"), [("norman", 6154020), ("adamson", 6154417), ("dixit", 6154416)])
def test_dataverse(name: str, number: int) -> None:
    assert find(f"{name}.zip").urls() == (f"{DATAVERSE}/datafile/{number}",)


def test_norman_subset_is_pinned() -> None:
    entry = find("norman_subset.h5ad")
    assert entry.sha256 == "220998f5630c813228c8661c86dd52244b9ac87127511289af90e0d900d8429b"
    assert entry.size == 1_142_678
    assert entry.urls()[0].endswith("/src/perturbench/data/resources/devel.h5ad")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_entry_is_in_order(entry: Entry) -> None:
    assert bool(entry.paths) != bool(entry.recipe), "a file is fetched or built"
    assert entry.citation
    assert entry.description
    assert entry.base in ({"built"} if entry.recipe else {"bucket", "dataverse"}) or entry.base.startswith("https://")
    assert (entry.kind == "embedding") == bool(entry.embedder) == bool(entry.width)
    assert entry.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert entry.size is None or entry.about is None
    assert not Path(entry.file_name).is_absolute()
    assert ".." not in entry.file_name
    known = {".csv", ".gz", ".h5ad", ".json", ".obo", ".pickle", ".pkl", ".pt", ".safetensors", ".zip"}
    assert Path(entry.file_name).suffix in known


def test_names_and_cached_files_are_distinct() -> None:
    names = [entry.file_name.casefold() for entry in entries()]
    assert len(set(names)) == len(names)


def test_addresses_follow_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "models/pretrained/scgpt/vocab.json"
    assert find("scgpt/vocab.json").urls() == (f"{BUCKET}/{path}",)
    monkeypatch.setattr(settings, "base_url", "http://here/")
    monkeypatch.setattr(settings, "mirrors", ("http://there",))
    assert find("scgpt/vocab.json").urls() == (f"http://here/{path}", f"http://there/{path}")
    assert find("norman.zip").urls() == (f"{DATAVERSE}/datafile/6154020", "http://there/datafile/6154020")


def test_cache_folder_may_be_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "cache_dir", "~/somewhere")
    assert find("norman.zip").path == Path.home() / "somewhere" / "norman.zip"


def test_table() -> None:
    table = registry_table().set_index("name")
    assert len(table) == len(entries())
    assert table.loc["norman_subset.h5ad", "hashed"]
    assert table.loc["scgenept_go_c/norman", "size"] == "about 954 MB"
    assert table.loc["norman.zip", "licence"] == "not stated"
    assert not table["cached"].any()


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"Nearest known names: .*scgenept_go_c/norman"):
        find("scgenept_go_c/norma")
