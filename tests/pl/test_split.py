"""The figure of a split, asserted on its artists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import sparse

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.pl import _style
from tests.pl.figures import caption_of, require_room

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scgenept.pl import Panels

STATES = ("all targets perturbed in training", "some of them", "none of them", "control cells")


def screen(n_cells: Mapping[str, int]) -> ad.AnnData:
    """Cells of perturbations and controls, set up."""
    labels = np.repeat(list(n_cells), list(n_cells.values()))
    obs = pd.DataFrame({"condition": labels}, index=[f"cell{i}" for i in range(len(labels))])
    adata = ad.AnnData(sparse.csr_matrix((len(labels), 1), dtype=np.float32), obs=obs)
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality="CRISPRi")
    return adata


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    """A screen of 30 genes and 57 pairs in the split of GEARS."""
    rng = np.random.default_rng(0)
    genes = [f"G{i:02d}" for i in range(30)]
    pairs = sorted({"+".join(sorted(rng.choice(genes, 2, replace=False))) for _ in range(60)})
    numbers = rng.integers(2, 90, len(genes) + len(pairs))
    made = screen({"control": 150, **dict(zip([*genes, *pairs], numbers.tolist(), strict=True))})
    sgp.pp.split(made, seed=3)
    return made


@pytest.fixture(scope="module")
def panels(adata: ad.AnnData) -> Panels:
    return sgp.pl.split(adata)


def row_names(panels: Panels) -> list[tuple[str, str]]:
    """Part and group of each row, read off the names at the left, from top to bottom."""
    names = sorted(
        (text for text in panels.figure.texts if text.get_va() == "center_baseline"),
        key=lambda text: (-round(text.get_position()[1], 6), text.get_position()[0]),
    )
    rows, part = [], ""
    for text in names:
        if text.get_fontweight() == "bold":
            part = text.get_text()
        else:
            rows.append((part, text.get_text()))
    return rows


def lengths(ax, n_rows: int) -> dict[str, list[float]]:
    """Lengths of the bars by colour, one per row."""
    found = {container.get_label(): [bar.get_width() for bar in container] for container in ax.containers}
    assert all(len(bars) == n_rows for bars in found.values())
    return found


def expected(adata: ad.AnnData) -> dict[tuple[str, str, str], list[int]]:
    """Part, group and state -> number of cells of each perturbation, by an independent loop over cells."""
    obs = adata.obs
    trained = {
        gene
        for name, part in zip(obs["perturbation"], obs["split"], strict=True)
        if part == "train" and name != "ctrl"
        for gene in str(name).split("+")
    }
    found: dict[tuple[str, str, str], list[int]] = {}
    for name, cells in obs.groupby("perturbation", observed=True):
        part = cells["split"].iloc[0]
        if name == "ctrl":
            found["train", "control cells", STATES[3]] = [len(cells)]
            continue
        genes = str(name).split("+")
        group = {1: "singles", 2: "pairs"}[len(genes)] if part == "train" else str(cells["split_subgroup"].iloc[0])
        n_seen = sum(gene in trained for gene in genes)
        state = STATES[0] if n_seen == len(genes) else STATES[1] if n_seen else STATES[2]
        found.setdefault((str(part), group, state), []).append(len(cells))
    return found


def test_bars_are_counted_by_an_independent_loop(adata: ad.AnnData, panels: Panels) -> None:
    rows = row_names(panels)
    counts = expected(adata)
    assert set(rows) == {(part, group) for part, group, _ in counts}
    drawn = {name: lengths(ax, len(rows)) for name, ax in panels.axes.items()}
    for i, row in enumerate(rows):
        for state in STATES:
            cells = counts.get((*row, state), [])
            n = 0 if row[1] == "control cells" else len(cells)
            assert drawn["perturbations"].get(state, [0] * len(rows))[i] == n
            assert drawn["cells"].get(state, [0] * len(rows))[i] == sum(cells)


def test_gears_and_truth_may_differ_within_a_group(adata: ad.AnnData) -> None:
    counts = expected(adata)
    states = {state for part, group, state in counts if (part, group) == ("test", "combo_seen2")}
    assert len(states) > 1, "the fixture has the case that two colours are for"


def test_numbers_stand_behind_the_bars(adata: ad.AnnData, panels: Panels) -> None:
    rows = row_names(panels)
    for name, ax in panels.axes.items():
        total = np.sum(list(lengths(ax, len(rows)).values()), axis=0)
        written = {text.xy[1]: (text.xy[0], text.get_text()) for text in ax.texts}
        assert written == {i: (n, f"{int(n):,}") for i, n in enumerate(total) if n}
        assert name in {text.get_text() for text in panels.figure.texts}


def test_bars_are_stacked_and_start_at_zero(panels: Panels) -> None:
    for ax in panels.axes.values():
        ends = np.zeros(len(ax.containers[0]))
        for container in ax.containers:
            np.testing.assert_allclose([bar.get_x() for bar in container], ends)
            ends += [bar.get_width() for bar in container]
        assert ax.get_xlim()[0] == 0
        assert ax.get_xlim()[1] > ends.max()


def test_rows_run_from_training_to_test(panels: Panels) -> None:
    parts = [part for part, _ in row_names(panels)]
    order = [part for i, part in enumerate(parts) if i == 0 or parts[i - 1] != part]
    assert order == ["train", "val", "test"]
    groups = [group for part, group in row_names(panels) if part == "test"]
    assert groups == ["unseen_single", "combo_seen0", "combo_seen1", "combo_seen2"]


def test_colours_are_told_apart_without_colour(panels: Panels) -> None:
    containers = {container.get_label(): container[0] for container in panels.axes["cells"].containers}
    colours = [to_hex(bar.get_facecolor()).upper() for bar in containers.values()]
    assert len(set(colours)) == 4
    assert colours[-1] == _style.CONTROL
    assert [bool(bar.get_hatch()) for bar in containers.values()] == [False, False, True, False]
    assert [text.get_text() for text in panels.figure.legends[0].get_texts()] == list(STATES)


def test_the_caption_says_which_split_and_how_large(adata: ad.AnnData, panels: Panels) -> None:
    table = sgp.get.split_table(adata)
    n = table["n_cells"]
    assert (
        f"Split 'simulation', seed 3: {len(table)} perturbations, {n.sum():,} perturbed cells; {n.median():.0f} cells "
        f"per perturbation (median; {n.min()} to {n.max()})."
    ) in caption_of(panels.figure)


def test_what_is_in_no_part_is_shown_too() -> None:
    adata = screen({"control": 5, **dict.fromkeys(["A", "B", "C", "A+B", "A+C", "A+B+C"], 3)})
    sgp.pp.split(adata, scheme="custom", train=["A", "B"], test=["A+B"])
    panels = sgp.pl.split(adata)
    assert row_names(panels) == [
        ("train", "singles"),
        ("train", "control cells"),
        ("test", "combo_seen2"),
        ("in no part", "singles"),
        ("in no part", "pairs"),
        ("in no part", "three genes or more"),
    ]
    require_room(panels.figure)


def test_controls_that_are_tested_and_labels_in_two_parts() -> None:
    adata = screen({"control": 5, "A": 3, "B": 4})
    sgp.pp.split(adata, scheme="no_split")
    assert row_names(sgp.pl.split(adata)) == [("test", "unseen_single"), ("test", "control cells")]
    adata.obs["split"] = adata.obs["split"].cat.set_categories(["train", "val", "test"])
    adata.obs.iloc[5, adata.obs.columns.get_loc("split")] = "train"
    assert "1 of them is in two parts, because of their labels: a leak." in caption_of(sgp.pl.split(adata).figure)


@pytest.mark.parametrize("width", [85, 175])
def test_text_never_overlaps(adata: ad.AnnData, width: int) -> None:
    panels = sgp.pl.split(adata, figsize=(width / 25.4, None))
    require_room(panels.figure)
    assert panels.figure.get_figwidth() == pytest.approx(width / 25.4)


@pytest.mark.parametrize("width", [85, 175])
def test_text_never_overlaps_with_large_numbers(width: int) -> None:
    adata = screen({"control": 12_345, "A": 23_456, "B": 2, "C": 9, "A+B": 9_999})
    sgp.pp.split(adata, scheme="custom", test=["A+B"], val=["C"])
    require_room(sgp.pl.split(adata, figsize=(width / 25.4, None)).figure)


def test_wishes_reach_the_bars(adata: ad.AnnData) -> None:
    panels = sgp.pl.split(adata, alpha=0.5)
    assert {bar.get_alpha() for ax in panels.axes.values() for bars in ax.containers for bar in bars} == {0.5}


def test_wrong_input(adata: ad.AnnData) -> None:
    plain = screen({"control": 5, "A": 3})
    with pytest.raises(DataError, match="not split. Run scgenept.pp.split"):
        sgp.pl.split(plain)
    controls = adata[adata.obs["is_control"]].copy()
    with pytest.raises(DataError, match="No cell is perturbed"):
        sgp.pl.split(controls)
    bare = plain.copy()
    del bare.uns["scgenept"]
    with pytest.raises(DataError, match="setup_perturbations"):
        sgp.pl.split(bare)


def test_rows_that_do_not_fit_say_how_wide() -> None:
    adata = screen({"control": 3, "A": 3, "B": 2, "C": 2, "A+B+C": 3, "A+B": 2})
    sgp.pp.split(adata, scheme="custom", test=["A+B"])
    with pytest.raises(DataError, match=r"need a figsize of a width of \d\.\d\d inches") as refused:
        sgp.pl.split(adata, figsize=(2.4, None))
    needed = float(str(refused.value).split()[-2])
    require_room(sgp.pl.split(adata, figsize=(needed, None), show=False).figure)
