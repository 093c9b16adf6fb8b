"""Bars for what takes long, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scgenept import _progress
from scgenept._settings import settings


@pytest.mark.parametrize(("delay", "switch", "shown"), [(0.0, True, True), (60.0, True, False), (0.0, False, False)])
def test_a_bar_appears_after_the_delay_where_bars_are_on(
    delay: float, switch: bool, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_progress, "DELAY", delay)
    monkeypatch.setattr(settings, "progress", switch)
    assert list(_progress.progress(range(3), "counting")) == [0, 1, 2]
    assert ("counting" in capsys.readouterr().err) is shown


def test_pipes_stay_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_progress, "DELAY", 0.0)
    monkeypatch.setattr(settings, "progress", None)
    assert list(_progress.progress({"a": 1}.items(), "counting")) == [("a", 1)]
    assert capsys.readouterr().err == ""


NOTEBOOK = """
import sys, types
class ZMQInteractiveShell: pass
sys.modules["ipywidgets"] = None
sys.modules["ipykernel"] = sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel")
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython"].get_ipython = ZMQInteractiveShell
from scgenept._progress import bar
with bar(2, "counting") as shown:
    shown.update(2)
"""


def test_a_notebook_without_ipywidgets_gets_the_text_bar_and_no_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"SCGENEPT_PROGRESS": "1"},
    )
    assert "counting: 100%" in done.stderr
    assert "IProgress" not in done.stderr
