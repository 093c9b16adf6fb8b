"""The map of genes, asserted on its artists."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import scgenept as sgp
from scgenept._errors import DataError, UnknownGeneError, UnknownNameError
from scgenept.knowledge import KnowledgeSource
from scgenept.pl import _style
from tests.pl.figures import bare, caption_of, require_room

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

N = 60
NAMES = [f"G{i}" for i in range(N)]


@pytest.fixture
def source() -> KnowledgeSource:
    return KnowledgeSource("toy", NAMES, np.random.default_rng(0).normal(size=(N, 8)) * [5, 3, 1, 1, 1, 1, 1, 1])


def test_places_are_principal_components(source: KnowledgeSource) -> None:
    axes = sgp.pl.knowledge_map(source, ax=bare())
    (grey,) = axes.collections
    centred = source.vectors - source.vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred.astype(float), full_matrices=False)
    np.testing.assert_allclose(np.abs(grey.get_offsets()), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)
    share = sizes**2 / (sizes**2).sum()
    assert axes.get_xlabel() == f"PC 1 ({share[0]:.0%} of variance)"
    assert axes.get_legend().get_texts() == []
    assert axes.get_legend().get_title().get_text() == "toy, 60 genes"
    assert "8 numbers per gene, first two principal components" in caption_of(axes)


def test_largest_categories_have_a_colour(source: KnowledgeSource) -> None:
    color = {name: f"c{min(i // 5, 9)}" for i, name in enumerate(NAMES[:55])}
    color["ABSENT"] = "c0"
    axes = sgp.pl.knowledge_map(source, color=pd.Series(color), ax=bare())
    grey, *coloured = axes.collections
    assert [len(points.get_offsets()) for points in coloured] == [10, *[5] * 7]
    assert len(grey.get_offsets()) == 15
    assert [points.get_label() for points in coloured] == ["c9", *(f"c{i}" for i in range(7))]
    assert len({to_hex(points.get_facecolor()[0]) for points in coloured}) == 8
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "other"


def test_named_genes(source: KnowledgeSource) -> None:
    axes = sgp.pl.knowledge_map(source, label=["G3", "G7"], ax=bare())
    everything = axes.collections[0].get_offsets()
    assert named(axes) == ["G3", "G7"]
    np.testing.assert_allclose(axes.collections[1].get_offsets(), everything[[3, 7]], err_msg="rings")
    assert "No room" not in caption_of(axes)


def named(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts if text.get_gid() == "name"]


@pytest.mark.parametrize("width", [50, 175])
def test_names_do_not_overlap_and_the_caption_says_which_are_left_out(width: int) -> None:
    names = [f"ENSG00000{i:06d}.12" for i in range(N)]
    vectors = np.random.default_rng(0).normal(size=(N, 2))
    vectors[:16] = [[0.01 * i, 0.0] for i in range(16)]
    source = KnowledgeSource("a crowd of names, and a name of more than one line for the crowd", names, vectors)
    axes = sgp.pl.knowledge_map(source, label=names[:16], figsize=(width * _style.MM, 50 * _style.MM))
    require_room(axes)
    missing = [name for name in names[:16] if name not in named(axes)]
    assert len(missing) > 3 if width == 50 else len(missing) < 3
    assert ("No room for the names of" in caption_of(axes)) == bool(missing)
    assert all(name in caption_of(axes) for name in missing[:5])


def test_long_categories_leave_the_map_its_width(source: KnowledgeSource) -> None:
    long = "DNA-binding transcription factor activity, RNA polymerase II-specific, and a few words more than fit"
    axes = sgp.pl.knowledge_map(source, color=dict.fromkeys(NAMES[:9], long))
    require_room(axes)
    assert axes.get_window_extent().width > 0.8 * axes.figure.bbox.width
    assert "9 genes have one of the 1 categories shown" in caption_of(axes)


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
    axes = sgp.pl.knowledge_map(source, method="umap", ax=bare())
    sgp.pl.knowledge_map(source, method="umap", ax=bare())
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
    with pytest.raises(DataError, match="All 60 genes of same have the same numbers"):
        sgp.pl.knowledge_map(KnowledgeSource("same", NAMES, np.ones((N, 4))))
    assert plt.get_fignums() == []


def test_rounding_errors_are_no_component() -> None:
    line = KnowledgeSource("line", NAMES, np.outer(np.arange(N), [1.0, 2.0]))
    (points,) = sgp.pl.knowledge_map(line, ax=bare()).collections
    assert np.ptp(points.get_offsets()[:, 0]) > 10
    assert not points.get_offsets()[:, 1].any()
