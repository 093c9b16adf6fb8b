"""Every block of Python in README and docs runs, page by page, and prints what the page shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import scgenept as sgp
from tests.pages import ROOT, blocks, official_files, pages, write_files
from tests.registry.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_RUN: Final[dict[str, list[str]]] = {}
"""Page -> why a block of it is not run; everything else is."""

OTHER_PYTHON: Final = re.compile(r"^ *[`:]{3,} *(py\b|python3|ipython|pycon|\{code-(block|cell)\}|\{doctest\})", re.M)
"""Ways to write Python that would not be found."""

PAGES: Final = [page for page in pages() if any(True for _ in blocks(page))]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a server that has small files under the official names."""
    with serving() as server:
        server.answers = dict(official_files())
        yield server.url


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all pages."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def _stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str, downloaded: Path) -> Iterator[None]:
    """A folder with the files that pages read, and official names that lead to small models."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in {"base_url": bucket, "mirrors": (), "offline": False, "cache_dir": downloaded}.items():
        monkeypatch.setattr(sgp.settings, name, value)
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
    assert [page.name for page in pages() if OTHER_PYTHON.search(page.read_text(encoding="utf-8"))] == []
