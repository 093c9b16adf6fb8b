"""What every figure has in common: who knows of it, how it is written, that nothing else changes."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.pl import _style
from scgenept.pl._draws_figure import draws_figure
from scgenept.pl._figures import new_figure, on_axes
from tests.pl.conftest import PAIR
from tests.pl.figures import texts_of
from tests.pl.test_panels import calibration, evaluation, split, training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData

EACH = [name for name in sgp.pl.__all__ if name != "Panels"]


STYLE = {
    "axes.axisbelow": False, "axes.edgecolor": "yellow", "axes.grid": True, "axes.labelpad": 20, "axes.labelsize": 20,
    "axes.labelweight": "bold", "axes.spines.left": False, "axes.spines.right": True, "axes.titlepad": 20,
    "axes.xmargin": 0.3, "errorbar.capsize": 5, "figure.constrained_layout.h_pad": 0.3, "font.size": 18,
    "font.style": "italic", "font.weight": "bold", "grid.color": "red", "hatch.color": "red", "legend.facecolor": "red",
    "legend.fontsize": 20, "legend.frameon": True, "legend.title_fontsize": 20, "lines.linestyle": ":",
    "lines.marker": "x", "markers.fillstyle": "none", "patch.edgecolor": "red", "patch.force_edgecolor": True,
    "path.sketch": (1, 100, 2), "scatter.marker": "x", "text.color": "white", "text.usetex": True,
    "xtick.bottom": False, "xtick.direction": "in", "xtick.labelsize": 20, "xtick.minor.visible": True,
    "xtick.top": True, "ytick.left": False, "ytick.minor.visible": True, "ytick.right": True,
}  # fmt: skip
"""What no figure should show, over the settings of a dark style."""


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


def on_any(cells: AnnData, name: str) -> Callable[..., Any]:
    """A function that draws the figure of this name."""
    pages = {"evaluation": evaluation, "calibration": calibration, "split": split, "training": training}
    if name in pages:
        return pages[name]
    if name == "knowledge_map":
        vectors = np.random.default_rng(0).normal(size=(30, 5))
        source = sgp.knowledge.KnowledgeSource("toy", [f"G{i}" for i in range(30)], vectors)
        return lambda **options: sgp.pl.knowledge_map(source, color={"G1": "a", "G2": "b"}, label="G1", **options)
    if name == "embedding_shift":
        sc.pp.pca(cells, n_comps=3)
    perturbation = () if name == "response_heatmap" else (PAIR,)
    return lambda **options: getattr(sgp.pl, name)(cells, *perturbation, **options)


def pixels(drawn: Any) -> np.ndarray:
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


@pytest.mark.parametrize("name", EACH)
def test_a_figure_is_dark_on_white_whatever_style_the_user_has(cells: AnnData, name: str) -> None:
    draw = on_any(cells, name)
    usual = pixels(draw(show=False))
    with plt.style.context(["dark_background", STYLE]):
        assert np.array_equal(pixels(draw(show=False)), usual)
    assert tuple(usual[0, 0]) == (255, 255, 255, 255)


@pytest.mark.parametrize(
    "name", ["top_genes", "delta_scatter", "response_heatmap", "embedding_shift", "knowledge_map", "training"]
)
def test_axes_that_were_made_in_a_dark_style_are_dark_on_white_too(cells: AnnData, name: str) -> None:
    draw = on_any(cells, name)

    def on_axes_of_the_user() -> list[tuple[object, ...]]:
        ax = plt.figure(figsize=(5, 5), layout="constrained").add_subplot()
        draw(ax=ax)
        figure = ax.figure
        figure.draw_without_rendering()
        seen = [text for text in texts_of(ax) if text.get_visible() and text.get_text().strip()]
        assert {to_hex(text.get_color()) for text in seen} == {_style.INK}
        assert {to_hex(area.get_facecolor()) for area in (figure, ax)} == {"#ffffff"}
        lines = [tick.tick1line for axis in (ax.xaxis, ax.yaxis) for tick in axis.get_major_ticks()]
        return [
            *[(t.get_text(), t.get_fontsize(), t.get_weight(), t.get_style(), t.get_usetex()) for t in seen],
            *[(line.get_visible(), line.get_marker(), line.get_markersize(), line.get_color()) for line in lines],
            *[(name, to_hex(s.get_edgecolor()), s.get_linewidth()) for name, s in ax.spines.items() if s.get_visible()],
        ]

    usual = on_axes_of_the_user()
    with plt.style.context(["dark_background", STYLE]):
        assert on_axes_of_the_user() == usual


def test_a_figure_that_is_not_dark_keeps_its_colour(cells: AnnData) -> None:
    ax = Figure(facecolor="lightyellow").add_subplot()
    on_cells(cells)(ax=ax)
    assert to_hex(ax.figure.get_facecolor()) == to_hex("lightyellow")


def test_the_font_is_the_users() -> None:
    texts = ("iiii", "WWWW")
    before = [_style.text_width(text, _style.SMALL) for text in texts]
    with mpl.rc_context({"font.family": "monospace"}):
        narrow, wide = (_style.text_width(text, _style.SMALL) for text in texts)
        family = {text.get_fontfamily()[0] for text in training(show=False).texts}
    assert narrow > 1.5 * before[0]
    assert wide == pytest.approx(narrow, rel=0.3)
    assert family == {"monospace"}


@pytest.mark.parametrize("dpi", [72, 80, 100, 110, 130, 150, 300])
@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_wrapped_text_keeps_its_width_at_every_resolution(dpi: int, weight: str) -> None:
    text = "interpolated_duplicate_of_something: 95 % intervals, from 1,234 control cells (CRISPRa, K562)"
    figure = Figure(dpi=dpi)
    drawn = figure.text(0, 0, text, fontsize=_style.SMALL, fontweight=weight)
    width = drawn.get_window_extent().width * 72 / dpi
    assert width * _style.HINTING <= _style.text_width(text, _style.SMALL, weight=weight)


def test_what_a_backend_sets_when_it_starts_survives_the_first_figure() -> None:
    @draws_figure("")
    def first() -> float:
        mpl.rcParams["interactive"] = True
        return mpl.rcParams["lines.linewidth"]

    with mpl.rc_context({"interactive": False, "lines.linewidth": 7.0}):
        assert first() == mpl.rcParamsDefault["lines.linewidth"]
        assert mpl.rcParams["interactive"]
        assert mpl.rcParams["lines.linewidth"] == 7.0
