"""The Python of the documentation's pages, and the files and the server that it finds when the tests run it."""

from __future__ import annotations

import doctest
import gzip
import io
import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anndata as ad
import numpy as np
import pandas as pd
import torch

from scgenept.nn import VARIANTS, Network
from scgenept.weights.adapters import to_original
from tests.registry.server import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
FENCE: Final = re.compile(
    r"^````.*?^````$"
    r"|(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n)?^(?P<indent> *)```python *\n(?P<code>.*?)^(?P=indent)```$",
    re.M | re.S,
)
"""A block of Python, and the remark before it that says why it is not run; or a block that shows how to write one."""

SINGLES: Final = ("BAK1", "CEBPA", "CEBPB", "DUSP9", "ETS2", "FOSB", "KLF1", "MAP2K6", "MAPK1", "TGFBR2")
PAIRS: Final = ("CEBPA+CEBPB", "CEBPB+FOSB", "DUSP9+ETS2", "ETS2+MAPK1", "KLF1+MAP2K6", "MAPK1+TGFBR2")
GENES: Final = (*SINGLES, *(f"GENE{i}" for i in range(30)))
TOKENS: Final = (*GENES, "HBG2", "<pad>", "<cls>", "<eoc>")
SIZES: Final = {"d_model": 16, "n_heads": 8, "d_hidden": 16, "n_layers": 2}


@dataclass(frozen=True)
class Block:
    """One block of Python on a page.

    Attributes
    ----------
    name
        Page and line, as an editor opens it.
    code
        Without the indentation of the block.
    reason
        Why it is not run; ``None`` where it is.
    """

    name: str
    code: str
    reason: str | None

    def run(self, namespace: dict[str, Any]) -> None:
        """Execute it; a block with prompts also has to print what it shows."""
        if not self.code.startswith(">>>"):
            exec(compile(self.code, self.name, "exec"), namespace)
            return
        examples = doctest.DocTestParser().get_doctest(self.code, {}, self.name, self.name, 0)
        examples.globs = namespace
        said = io.StringIO()
        options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        outcome = doctest.DocTestRunner(optionflags=options).run(examples, out=said.write, clear_globs=False)
        assert outcome.attempted > 0
        assert outcome.failed == 0, said.getvalue()


def pages() -> list[Path]:
    """README and every page that Sphinx reads from a file of its own."""
    found = (path for path in (ROOT / "docs").rglob("*.md") if not {"_build", "generated"} & set(path.parts))
    return [ROOT / "README.md", *sorted(found)]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of Python in their order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["code"] is None:
            continue
        line = text.count("\n", 0, found.start("code"))
        code = re.sub(rf"^{found['indent']}", "", found["code"], flags=re.M)
        yield Block(f"{page.relative_to(ROOT)}:{line}", code, found["reason"])


def counts(n_cells: int = 12) -> ad.AnnData:
    """A screen as it comes: raw counts, labels in the spelling of GEARS, two batches."""
    labels = ["ctrl"] * n_cells * 6 + [f"{gene}+ctrl" for gene in SINGLES for _ in range(n_cells)]
    labels += [pair for pair in PAIRS for _ in range(n_cells)]
    rng = np.random.default_rng(0)
    effects = {gene: rng.lognormal(0, 0.4, len(GENES)) for gene in SINGLES}
    rates = np.tile(np.geomspace(0.5, 20, len(GENES)), (len(labels), 1))
    for cell, label in enumerate(labels):
        for gene in set(label.split("+")) - {"ctrl"}:
            rates[cell] *= effects[gene]
    obs = {"condition": pd.Categorical(labels), "batch": pd.Categorical(np.resize(["a", "b"], len(labels)))}
    adata = ad.AnnData(rng.poisson(rates).astype(np.float32), obs=pd.DataFrame(obs, index=_names(len(labels))))
    adata.var_names = list(GENES)
    return adata


def write_files(folder: Path) -> None:
    """Write what the pages read, under the names that they give to it."""
    screen = counts()
    screen.write_h5ad(folder / "counts.h5ad")
    screen.write_h5ad(folder / "screen.h5ad")
    messy = screen.copy()
    messy.obs["guide"] = pd.Categorical([_guide(str(label)) for label in screen.obs["condition"]])
    messy.layers["raw"] = messy.X.copy()
    messy.X = (messy.X - messy.X.mean(axis=0)) / messy.X.std(axis=0)
    messy.write_h5ad(folder / "messy.h5ad")
    texts = {"symbol": list(GENES), "summary": [f"{gene} codes for a protein of group {len(gene)}." for gene in GENES]}
    pd.DataFrame(texts).to_csv(folder / "summaries.csv", index=False)
    torch.save(_state("scgenept_go_c"), folder / "my_model.pt")
    (folder / "vocab.json").write_text(json.dumps(_vocabulary()))


def write_ontology(folder: Path) -> None:
    """Write annotations and terms of the Gene Ontology: every gene in one of two complexes and two processes."""
    folder.mkdir(parents=True)
    spaces = {"C": "cellular_component", "P": "biological_process"}
    terms = [("C", "left complex"), ("C", "right complex"), ("P", "cell division"), ("P", "translation")]
    lines, rows = ["format-version: 1.2", ""], ["!gaf-version: 2.2"]
    for number, (aspect, name) in enumerate(terms):
        lines += ["[Term]", f"id: GO:000000{number}", f"name: {name}", f"namespace: {spaces[aspect]}"]
        lines += ["subset: goslim_generic", ""]
    for position, gene in enumerate(["HBA1", *GENES[:23]]):
        for number in (position % 2, 2 + position // 12):
            facts = [gene, "located_in", f"GO:000000{number}", "PMID:1", "IDA", "", terms[number][0], f"protein {gene}"]
            row = ["UniProtKB", "P1", *facts, "", "protein", "taxon:9606", "20240101", "GO_Central", "", ""]
            rows.append("\t".join(row))
    (folder / "go-basic.obo").write_text("\n".join(lines))
    (folder / "goa_human.gaf.gz").write_bytes(gzip.compress("\n".join(rows).encode()))


def official_files() -> Mapping[str, Answer]:
    """What a server laid out as the bucket of scGenePT answers, all of it small and untrained."""
    pretrained = {name: tensor for name, tensor in _state("scgpt").items() if not name.startswith(("pert_enc", "ln."))}
    rng = np.random.default_rng(0)
    vectors = {gene: rng.normal(size=6).tolist() for gene in GENES}
    scgpt = "/models/pretrained/scgpt"
    go_c = "/models/finetuned/scgenept_go_c/norman/best_model_gpt3.5_ada_rnd_seed_42_concat.pt"
    return {
        f"{scgpt}/best_model.pt": Answer(_saved(pretrained)),
        f"{scgpt}/vocab.json": Answer(json.dumps(_vocabulary()).encode()),
        f"{scgpt}/args.json": Answer(json.dumps({"nheads": SIZES["n_heads"]}).encode()),
        go_c: Answer(_saved(_state("scgenept_go_c"))),
        "/models/gene_embeddings/GO_C_gene_embeddings-gpt3.5-ada-concat.pickle": Answer(pickle.dumps(vectors)),
    }


def _names(number: int) -> list[str]:
    return [f"cell{i}" for i in range(number)]


def _guide(label: str) -> str:
    """Return the label of a library with numbered guides."""
    genes = [gene for gene in label.split("+") if gene != "ctrl"]
    return "|".join(f"{gene}_sg2" for gene in genes) or "NegCtrl0"


def _vocabulary() -> dict[str, int]:
    return {token: i for i, token in enumerate(TOKENS)}


def _state(variant: str) -> dict[str, torch.Tensor]:
    """Weights in the names of the original's files."""
    width = {"language_width": 6} if VARIANTS[variant].languages else {}
    config = VARIANTS[variant].config(n_tokens=len(TOKENS), pad_id=TOKENS.index("<pad>"), **width, **SIZES)
    state: dict[str, torch.Tensor] = to_original(Network.initialised(config, 5).state_dict(), config, "flash")
    return state


def _saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
