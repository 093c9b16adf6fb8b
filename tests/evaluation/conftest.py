"""The original's numbers, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the numbers that the original code produced."""
    folder = Path(os.environ.get("SCGENEPT_SHARED", Path(__file__).parents[3] / "shared")) / "golden"
    if not folder.is_dir():
        pytest.skip("the original's numbers (../shared/golden) are not at hand")
    return folder
