"""The tutorials run as they stand, what their text says is true, and what is stored in them is fit to be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER: Final = Path(__file__).parents[1] / "tutorials"
NOTEBOOKS: Final = sorted(FOLDER.glob("*.ipynb"))
MACHINE: Final = re.compile(r"/(home|root|tmp|work|usr|Users)/|ipykernel_\d|\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d")
"""A path, a process or a time of the machine that ran a notebook."""


def claims_of_predict_and_plot(namespace: dict[str, Any]) -> None:
    """What the text says that a reader would take away."""
    delta, midn = namespace["delta"], namespace["midn"]
    assert (delta["additive"] > delta["scgenept-mini"]).all()
    assert (abs(delta["scgenept-mini"] - delta["split-half"]) < 0.05).all()
    assert delta["mean"].round(2).tolist() == [0.92, -0.58]
    pds = {of: namespace["pds"](table).tolist() for of, table in namespace["guesses"](namespace["pairs"]).items()}
    assert pds["additive"] > pds["scgenept-mini"]
    assert pds["mean"] == [pds["scgenept-mini"][0], 0] == [1 - 3 / 32, 0]
    alone = namespace["alone"]
    assert min(alone["KLF1+MAP2K6", "KLF1"], alone["MAPK1+TGFBR2", "MAPK1"]) > 0.95
    assert max(namespace["spread"].values()) < 0.1
    assert midn.loc["scgenept-mini", "mse"] > midn.loc["mean", "mse"] > midn.loc["no change", "mse"]
    assert midn.loc["scgenept-mini", "pearson_delta"] < midn.loc["mean", "pearson_delta"] < 0
    assert [str(entry.message)[:25] for entry in namespace["caught"]] == ["MIDN was never perturbed "]
    assert namespace["change"].corr(namespace["common"]) > 0.8


CLAIMS: Final[dict[str, Callable[[dict[str, Any]], None]]] = {"predict_and_plot": claims_of_predict_and_plot}


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.fixture
def _own_figures() -> Iterator[None]:
    with mpl.rc_context():
        yield
    plt.close("all")


def test_there_are_tutorials_and_each_has_its_claims():
    assert {notebook.stem for notebook in NOTEBOOKS} == set(CLAIMS)


# scanpy 1.11 colours missing values as matplotlib 3.11 no longer wants
@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning:scanpy")
@pytest.mark.usefixtures("_own_figures")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_tutorial_runs_and_says_what_is_true(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(notebook)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), namespace)
    CLAIMS[notebook.stem](namespace)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_stored_outputs_are_complete_and_tell_nothing_of_the_machine(notebook: Path):
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not MACHINE.search(notebook.read_text(encoding="utf-8"))
    assert notebook.stat().st_size < 500_000
