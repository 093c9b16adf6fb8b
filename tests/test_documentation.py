"""Every block of Python in README and docs runs, page by page, and prints what the page shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import scgenept as sgp
from scgenept.knowledge.embedders import HashingEmbedder, _by_name
from scgenept.tl import TrainingPlan
from tests.pages import ROOT, blocks, official_files, pages, write_files, write_ontology
from tests.registry.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_RUN: Final = {
    "docs/finetuning.md": ["needs four GPUs"],
    "docs/how_to/slurm.md": ["needs four GPUs under SLURM"],
}
"""Page -> why a block of it is not run; everything else is."""

OTHER_PYTHON: Final = re.compile(r"^ *[`:]{3,} *(py\b|python3|ipython|pycon|\{code-(block|cell)\}|\{doctest\})", re.M)
"""Ways to write Python that would not be found."""

RUN_BY_SPHINX: Final = {"file_format: mystnb", "  execution_mode: force", "  execution_raise_on_error: true"}
"""Lines at the head of a page whose blocks run, and may not fail, whenever the pages are built."""

PAGES: Final = [page for page in pages() if any(True for _ in blocks(page))]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a server that has small files under the official names."""
    with serving() as server:
        server.answers = dict(official_files())
        yield server.url


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all pages, with a small Gene Ontology in it as if placed there by hand."""
    cache = tmp_path_factory.mktemp("cache")
    write_ontology(cache / "go" / "2024-03-28")
    return cache


@pytest.fixture
def _stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str, downloaded: Path) -> Iterator[None]:
    """A folder with the files that pages read, and official names that lead to small models."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    # Where a page leaves the number of epochs open, two will do.
    monkeypatch.setattr(
        TrainingPlan.__init__, "__defaults__", tuple({**TrainingPlan().to_dict(), "epochs": 2}.values())
    )
    for name, value in {"base_url": bucket, "mirrors": (), "offline": False, "cache_dir": downloaded}.items():
        monkeypatch.setattr(sgp.settings, name, value)
    # The extra "text" is large, and the tests do without it: a plain count of words stands in for its embedder.
    monkeypatch.setitem(_by_name._PLAIN, "minilm", HashingEmbedder)
    with mpl.rc_context():
        yield
    plt.close("all")


@pytest.mark.usefixtures("_stage")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.reason is None:
            block.run(namespace)


def test_blocks_that_are_not_run_are_few_and_known() -> None:
    found = {str(page.relative_to(ROOT)): [b.reason for b in blocks(page) if b.reason is not None] for page in PAGES}
    assert {page: reasons for page, reasons in found.items() if reasons} == NOT_RUN


def test_no_python_is_hidden_from_these_tests() -> None:
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages()}
    hidden = {name for name, text in texts.items() if OTHER_PYTHON.search(text)}
    assert hidden == {name for name, text in texts.items() if RUN_BY_SPHINX.issubset(text.split("\n"))}
