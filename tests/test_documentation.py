"""The examples of the pages run and give what they show."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGES = ("evaluation.md", "knowledge.md")


@pytest.mark.parametrize("page", PAGES)
def test_examples(page: str) -> None:
    path = Path(__file__).parents[1] / "docs" / page
    done = doctest.testfile(str(path), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0
    assert done.failed == 0
