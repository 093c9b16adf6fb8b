"""What every figure has in common: who knows of it, how it is written, that nothing else changes."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.pl._figures import new_figure, on_axes
from tests.pl.conftest import PAIR
from tests.pl.test_panels import training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData

EACH = [name for name in sgp.pl.__all__ if name != "Panels"]


def on_cells(cells: AnnData) -> Callable[..., Figure]:
    return lambda **options: sgp.pl.top_genes(cells, PAIR, n_top=3, **options).figure


@pytest.mark.parametrize("kind", ["axes", "page"])
def test_pyplot_knows_a_figure_unless_it_is_saved_or_told_not_to(
    cells: AnnData, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = training if kind == "page" else on_cells(cells)
    shown: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()))
    draw(show=False)
    draw(save=tmp_path / "new" / "a.svg")
    draw(save=tmp_path / "new" / "b", show=False)
    assert plt.get_fignums() == shown == []
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.svg", "b.png"]
    assert (tmp_path / "new" / "b.png").read_bytes().startswith(b"\x89PNG")
    figure = draw()
    assert plt.gcf() is figure, "plt.savefig() and plt.show() find it"
    assert shown == []
    figure = draw(show=True)
    assert plt.gcf() is figure
    assert len(shown) == 2


def test_files_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figure.svg"
    training(save=path)
    before = path.read_bytes()
    assert b"<svg" in before

    def fail(figure: Figure, target: Path, **_: object) -> None:
        target.write_bytes(b"half of it")
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(Figure, "savefig", fail)
        with pytest.raises(OSError):  # noqa: PT011
            training(save=path, show=True)
    with pytest.raises(ValueError, match="xyz"):
        training(save=path.with_suffix(".xyz"))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["figure.svg"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", EACH)
def test_a_wrong_object_is_refused_in_words(name: str) -> None:
    perturbation = (PAIR,) if name in {"top_genes", "delta_scatter", "embedding_shift"} else ()
    with pytest.raises(DataError, match=r"(drawn from|draws) .*; got SimpleNamespace"):
        getattr(sgp.pl, name)(SimpleNamespace(), *perturbation)


def test_observed_must_be_an_adata(cells: AnnData) -> None:
    both = type("MuData", (), {})()
    with pytest.raises(DataError, match=r"The observation is drawn from an AnnData; got MuData\. Take one modality"):
        sgp.pl.top_genes(cells, PAIR, observed=both)


def test_what_fails_is_closed() -> None:
    with pytest.raises(ZeroDivisionError), new_figure((2, 2), layout="none", show=None, save=None):
        raise ZeroDivisionError
    assert plt.get_fignums() == []


def test_a_height_of_none_follows() -> None:
    for figsize, size in ((None, [3, 2]), ((4, None), [4, 2]), ((4, 1), [4, 1])):
        with on_axes(None, figsize, (3, 2), show=False, save=None) as ax:
            assert ax.figure.get_size_inches().tolist() == size
    with pytest.raises(TypeError, match="no place to go: figsize"), on_axes(ax, (3, 2), (3, 2), show=None, save=None):
        pass


def test_all_figures_take_the_same_options_in_the_same_words() -> None:
    words: dict[str, set[str]] = {"show": set(), "save": set(), "ax": set()}
    for name in EACH:
        function = getattr(sgp.pl, name)
        taken = inspect.signature(function).parameters
        assert {"figsize", "show", "save", "kwargs"} <= set(taken), name
        doc = inspect.getdoc(function) or ""
        for option in set(words) & set(taken):
            text = doc.split(f"\n{option}\n", 1)[1]
            words[option].add("\n".join(_indented(text)))
        assert "Width and height of a new figure, inches; a height of ``None`` follows." in " ".join(doc.split()), name
    assert all(len(said) == 1 for said in words.values())


def _indented(text: str) -> list[str]:
    lines = text.split("\n")
    end = next(i for i, line in enumerate(lines) if not line.startswith("    "))
    return lines[:end]
