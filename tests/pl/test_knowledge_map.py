"""The map of genes, asserted on its artists."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.text import Text

import scgenept as sgp
from scgenept._errors import DataError, UnknownGeneError, UnknownNameError
from scgenept.knowledge import KnowledgeSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N = 60
NAMES = [f"G{i}" for i in range(N)]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def source() -> KnowledgeSource:
    return KnowledgeSource("toy", NAMES, np.random.default_rng(0).normal(size=(N, 8)) * [5, 3, 1, 1, 1, 1, 1, 1])


def test_places_are_principal_components(source: KnowledgeSource) -> None:
    axes = sgp.pl.knowledge_map(source)
    (grey,) = axes.collections
    centred = source.vectors - source.vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred.astype(float), full_matrices=False)
    np.testing.assert_allclose(np.abs(grey.get_offsets()), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)
    share = sizes**2 / (sizes**2).sum()
    assert axes.get_xlabel() == f"PC 1 ({share[0]:.0%} of variance)"
    assert axes.get_legend() is None


def test_largest_categories_have_a_colour(source: KnowledgeSource) -> None:
    color = {name: f"c{min(i // 5, 9)}" for i, name in enumerate(NAMES[:55])}
    color["ABSENT"] = "c0"
    axes = sgp.pl.knowledge_map(source, color=pd.Series(color))
    grey, *coloured = axes.collections
    assert [len(points.get_offsets()) for points in coloured] == [10, *[5] * 7]
    assert len(grey.get_offsets()) == 15
    assert [points.get_label() for points in coloured] == ["c9", *(f"c{i}" for i in range(7))]
    assert len({to_hex(points.get_facecolor()[0]) for points in coloured}) == 8
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "other"


def test_named_genes(source: KnowledgeSource) -> None:
    axes = sgp.pl.knowledge_map(source, label=["G3", "G7"])
    everything = axes.collections[0].get_offsets()
    assert [text.get_text() for text in axes.texts] == ["G3", "G7"]
    np.testing.assert_allclose([text.xy for text in axes.texts], everything[[3, 7]])


def test_names_do_not_overlap() -> None:
    vectors = np.random.default_rng(0).normal(size=(N, 2))
    vectors[:6] = [[0.01 * i, 0.0] for i in range(6)]
    axes = sgp.pl.knowledge_map(KnowledgeSource("crowd", NAMES, vectors), label=NAMES[:6])
    axes.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without their lines
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            width = min(one.x1, other.x1) - max(one.x0, other.x0)
            height = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert min(width, height) <= 1, "at most a pixel of the frames"


def test_long_names_leave_the_map_its_width(source: KnowledgeSource) -> None:
    long = "DNA-binding transcription factor activity, RNA polymerase II-specific, and a few words more than fit"
    axes = sgp.pl.knowledge_map(source, color=dict.fromkeys(NAMES[:9], long))
    axes.figure.canvas.draw()
    box = axes.get_window_extent()
    assert box.width > 0.8 * axes.figure.bbox.width
    assert axes.get_legend().get_window_extent().x1 <= axes.figure.bbox.x1


def test_umap(source: KnowledgeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    class UMAP:
        def __init__(self, **options: Any) -> None:
            made.append(options)

        def fit_transform(self, components: np.ndarray) -> np.ndarray:
            assert components.shape == (N, 8)
            return components[:, :2].astype(np.float32)

    module: Any = ModuleType("umap")
    module.UMAP = UMAP
    monkeypatch.setitem(sys.modules, "umap", module)
    axes = sgp.pl.knowledge_map(source, method="umap")
    sgp.pl.knowledge_map(source, method="umap")
    assert axes.get_xlabel() == "UMAP 1"
    assert made[0] == made[1]
    assert made[0]["metric"] == "cosine"


def test_given_axes_and_saving(source: KnowledgeSource, tmp_path: Path) -> None:
    ax = plt.figure().add_subplot()
    assert sgp.pl.knowledge_map(source, ax=ax, save=tmp_path / "a.png") is ax
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert sgp.pl.knowledge_map(source, figsize=(3, 2)).figure.get_size_inches().tolist() == [3, 2]
    assert len(sgp.pl.knowledge_map(source, s=4, alpha=0.5).collections[0].get_sizes()) == 1
    with pytest.raises(TypeError, match="figsize"):
        sgp.pl.knowledge_map(source, ax=ax, figsize=(3, 2))


def test_bad_input(source: KnowledgeSource) -> None:
    with pytest.raises(UnknownGeneError, match="'G99'"):
        sgp.pl.knowledge_map(source, label=["G99"])
    with pytest.raises(UnknownNameError, match="'tsne'"):
        sgp.pl.knowledge_map(source, method="tsne")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="No gene of toy has a category"):
        sgp.pl.knowledge_map(source, color={"X": "a"})
    with pytest.raises(DataError, match="three genes"):
        sgp.pl.knowledge_map(KnowledgeSource("two", ["A", "B"], np.eye(2)))
    assert plt.get_fignums() == []
