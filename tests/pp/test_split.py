"""pp.split: what each scheme promises, what is written, and what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError, UnknownNameError
from tests.data.splits.gears import parts_of, with_cells
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

Options = sgp.pp.SplitOptions
GENES = [f"G{i:02d}" for i in range(12)]
SINGLES = [f"{gene}+ctrl" for gene in GENES]
COMBOS = [f"{a}+{b}" for i, a in enumerate(GENES) for b in GENES[i + 1 : i + 4]]
LABELS = ["ctrl", *SINGLES, *COMBOS]
DRAWN = ["single", "combo_seen0", "combo_seen1", "combo_seen2", "no_test"]


def targets(perturbation: str) -> set[str]:
    return set(perturbation.split("+")) - {"ctrl"}


def split_of(labels: list[str], **options: Any) -> dict[str, str]:
    """Label -> part, without controls."""
    adata = with_cells(labels)
    sgp.pp.split(adata, **options)
    table = adata.obs[adata.obs["condition"] != "ctrl"].drop_duplicates("condition")
    return {
        label: part for label, part in zip(table["condition"], table["split"], strict=True) if isinstance(part, str)
    }


def test_what_is_written() -> None:
    adata = with_cells(LABELS)
    assert sgp.pp.split(adata, seed=3) is None
    assert list(adata.obs["split"].cat.categories) == ["train", "val", "test"]
    assert set(adata.obs.loc[adata.obs["is_control"], "split"]) == {"train"}
    judged = adata.obs["split"].isin(["val", "test"])
    assert adata.obs["split_subgroup"].notna().equals(judged)
    record = adata.uns["scgenept"]["split"]
    assert {key: record[key] for key in ("key", "scheme", "seed", "reproduce")} == {
        "key": "split",
        "scheme": "simulation",
        "seed": 3,
        "reproduce": "",
    }
    table = sgp.get.split_table(adata)
    assert {part: record[f"n_{part}"] for part in ("train", "val", "test")} == table["split"].value_counts().to_dict()
    assert all(isinstance(value, (bool, int, float, str)) for value in record.values())


@pytest.mark.parametrize("scheme", ["simulation", "simulation_single", *DRAWN, "kfold"])
@pytest.mark.parametrize("seed", range(3))
def test_every_perturbation_is_in_one_part_whatever_the_order(scheme: str, seed: int) -> None:
    shuffled = ["ctrl", *np.random.default_rng(seed).permutation(LABELS[1:]).tolist()]
    assert split_of(LABELS, scheme=scheme, seed=seed) == split_of(shuffled, scheme=scheme, seed=seed)


@pytest.mark.parametrize("seed", range(8))
def test_promises(seed: int) -> None:
    def parts(scheme: str) -> tuple[set[str], set[str], set[str]]:
        split = split_of(LABELS, scheme=scheme, seed=seed)
        train, val, test = ({name for name, part in split.items() if part == its} for its in ("train", "val", "test"))
        return {gene for name in train for gene in targets(name)}, test, set(LABELS[1:]) - train - val - test

    seen, test, held_out = parts("single")
    assert test <= set(SINGLES)
    assert not seen & {gene for name in test for gene in targets(name)}
    assert held_out <= set(COMBOS)
    seen, test, held_out = parts("combo_seen0")
    assert test & set(COMBOS)
    assert not seen & {gene for name in test for gene in targets(name)}
    assert held_out <= set(COMBOS)
    seen, test, held_out = parts("combo_seen1")
    assert test & set(COMBOS)
    assert all(len(targets(name) & seen) <= 1 for name in test)
    assert not held_out
    seen, test, held_out = parts("combo_seen2")
    assert test
    assert test <= set(COMBOS)
    assert all(targets(name) <= seen for name in test)
    assert len(test) == int(len(COMBOS) * 0.1)
    _, test, held_out = parts("no_test")
    assert not test
    assert not held_out


@pytest.mark.parametrize("scheme", ["combo_seen0", "combo_seen1", "combo_seen2"])
def test_few_pairs_are_enough_for_any_seed(scheme: str) -> None:
    labels = ["ctrl", *SINGLES, "G00+G01", "G02+G03"]
    for seed in range(10):
        split = split_of(labels, scheme=scheme, seed=seed)
        assert {"G00+G01", "G02+G03"} & {name for name, part in split.items() if part == "test"}


@pytest.mark.parametrize("n_folds", [2, 5, 7])
def test_folds_cover_everything_once(n_folds: int) -> None:
    tests, numbers = [], []
    for fold in range(n_folds):
        split = split_of(LABELS, scheme="kfold", n_folds=n_folds, fold=fold)
        tests += [name for name, part in split.items() if part == "test"]
        numbers.append(sum(part == "test" and name in SINGLES for name, part in split.items()))
        assert "val" in split.values()
    assert sorted(tests) == sorted(LABELS[1:])
    assert max(numbers) - min(numbers) <= 1


def test_no_test_can_train_on_everything() -> None:
    assert set(split_of(LABELS, scheme="no_test", options=Options(val_fraction=0)).values()) == {"train"}


def test_no_split_is_all_test() -> None:
    adata = with_cells(LABELS)
    sgp.pp.split(adata, scheme="no_split")
    assert parts_of(adata) == {"test": set(LABELS)}


def test_simulation_single_leaves_pairs_out() -> None:
    split = split_of(LABELS, scheme="simulation_single", seed=2)
    assert set(split) == set(SINGLES)
    assert split == split_of(["ctrl", *SINGLES], scheme="simulation", seed=2)


# Lists and columns


@pytest.mark.filterwarnings("ignore:.*have targets that no training:UserWarning")
def test_lists() -> None:
    split = split_of(["ctrl", "A+ctrl", "ctrl+B", "B+A", "C"], scheme="custom", test=["A+B", ["C"]], val="B")
    assert split == {"A+ctrl": "train", "ctrl+B": "val", "B+A": "test", "C": "test"}
    split = split_of(["ctrl", "A+ctrl", "ctrl+A", "B", "C"], scheme="custom", test=["B"], train=["A", "ctrl"])
    assert split == {"A+ctrl": "train", "ctrl+A": "train", "B": "test"}


def test_targets_never_seen_are_named() -> None:
    adata = with_cells(["ctrl", "A", "B", "A+C", "A+B"])
    with pytest.warns(UserWarning, match=r"1 of 2 test perturbations have targets that no training .* \(C\)"):
        sgp.pp.split(adata, scheme="custom", test=["A+C", "A+B"])
    table = sgp.get.split_table(adata).set_index("perturbation")
    assert table.loc["A+C", ["subgroup", "n_targets", "n_targets_seen"]].tolist() == ["combo_seen1", 2, 1]
    assert table.loc["A+B", "subgroup"] == "combo_seen2"


def test_a_single_that_was_seen_in_a_pair_is_no_unseen_single() -> None:
    adata = with_cells(["ctrl", "A", "B", "A+B"])
    sgp.pp.split(adata, scheme="custom", test=["A"])
    assert sgp.get.split_table(adata).set_index("perturbation").loc["A", "subgroup"] == "seen_single"


@pytest.mark.parametrize("kind", ["object", "category"])
def test_a_column(kind: str) -> None:
    adata = with_cells(["ctrl", "A", "A+B", "C", "B"])
    words = {"ctrl": "test", "A": "Train", "A+B": "validation", "C": None, "B": "test "}
    adata.obs["mine"] = pd.Series(adata.obs["condition"].map(words), dtype=kind)
    with pytest.warns(UserWarning, match=r"\(B\)"):
        sgp.pp.split(adata, scheme="from_column", column="mine")
    assert parts_of(adata) == {"train": {"ctrl", "A"}, "val": {"A+B"}, "test": {"B"}}
    assert adata.uns["scgenept"]["split"]["n_held_out"] == 1
    assert sgp.get.split_table(adata)["split"].isna().sum() == 1


def test_a_column_that_tears_perturbations() -> None:
    adata = with_cells(["ctrl", "A", "B", "A+B", "B+A"])
    adata.obs["mine"] = ["train", "train", "train", "test", "train"] + ["train"] * 5
    with unchanged(adata), pytest.raises(DataError, match=r"1 of 3 .*A\+B \(test, train\)\. .*keep_together=True"):
        sgp.pp.split(adata, scheme="from_column", column="mine")
    sgp.pp.split(adata, scheme="from_column", column="mine", options=Options(keep_together=True))
    assert parts_of(adata)["test"] == {"A+B", "B+A"}


# Labels of one perturbation

BOTH_WAYS = ["ctrl", *SINGLES, *(f"{b}+{a}" for a, b in (combo.split("+") for combo in COMBOS)), *COMBOS]


def test_labels_of_one_pair_may_part_as_in_gears() -> None:
    adata = with_cells(BOTH_WAYS)
    with pytest.warns(UserWarning, match="perturbations are in two parts.*keep_together=True"):
        sgp.pp.split(adata)
    torn = adata.uns["scgenept"]["split"]["torn"].split(", ")
    table = sgp.get.split_table(adata)
    assert sorted(torn) == sorted(table.loc[table["perturbation"].duplicated(), "perturbation"])
    parts = table[table["perturbation"].isin(torn)].groupby("perturbation")["split"].apply(set)
    sgp.pp.split(adata, options=Options(keep_together=True))
    together = sgp.get.split_table(adata).set_index("perturbation")["split"]
    assert together.index.is_unique
    assert all(together[name] == ("test" if "test" in found else "val") for name, found in parts.items())
    others = table[~table["perturbation"].isin(torn)].set_index("perturbation")["split"]
    assert together[others.index].equals(others)


def test_guides_are_no_conditions() -> None:
    labels = ["ctrl", *(f"{combo}_{i}" for combo in (*GENES, "G00+G01", "G02+G03", "G04+G05") for i in (1, 2))]
    adata = with_cells(["ctrl", "A"])
    adata = ad.AnnData(np.ones((2 * len(labels), 1), dtype=np.float32))
    adata.obs["condition"] = labels * 2
    sgp.pp.setup_perturbations(adata, key="condition", guide_suffix=r"_\d+")
    for seed in range(5):
        sgp.pp.split(adata, seed=seed)  # a warning would be an error
        assert sgp.get.split_table(adata)["perturbation"].is_unique
    assert sgp.get.split_table(adata).set_index("perturbation").loc["G00+G01", "labels"] == "G00+G01_1, G00+G01_2"


@settings(max_examples=40)
@given(
    st.lists(
        st.sets(st.sampled_from("ABCDEFGH"), min_size=1, max_size=3), min_size=4, max_size=25, unique_by=frozenset
    ),
    st.integers(0, 2**32 - 1),
)
def test_any_combinations(sets: list[set[str]], seed: int) -> None:
    adata = with_cells(["ctrl", *("+".join(sorted(genes)) for genes in sets)])
    refused = None
    try:
        sgp.pp.split(adata, seed=seed)
    except DataError as error:
        refused = str(error)
    if refused is not None:
        assert re.search("tests none|leaves none", refused)
        return
    table = sgp.get.split_table(adata)
    assert sorted(table["perturbation"]) == sorted("+".join(sorted(genes)) for genes in sets)
    train = {gene for name in table.loc[table["split"] == "train", "perturbation"] for gene in name.split("+")}
    for row in table.itertuples():
        seen = sum(gene in train for gene in row.perturbation.split("+"))
        assert row.n_targets_seen == seen
        if row.split == "test" and row.subgroup in {"unseen_single", "combo_seen0"}:
            assert seen == 0


# Keys and files


def test_a_column_of_the_user_is_never_overwritten() -> None:
    adata = with_cells(LABELS)
    adata.obs["split"] = "mine"
    with unchanged(adata), pytest.raises(KeyTakenError, match=r"'split' holds.*key_added=.*overwrite=True"):
        sgp.pp.split(adata)
    sgp.pp.split(adata, key_added="fold")
    assert set(adata.obs["split"]) == {"mine"}
    assert {"fold", "fold_subgroup"} <= set(adata.obs)
    assert len(sgp.get.split_table(adata)) == len(LABELS) - 1
    sgp.pp.split(adata, overwrite=True, scheme="kfold")
    sgp.pp.split(adata)  # ours, by now
    assert set(adata.obs["split"]) == {"train", "val", "test"}


def test_a_column_can_be_read_into_itself() -> None:
    adata = with_cells(LABELS)
    sgp.pp.split(adata)
    parts = parts_of(adata)
    del adata.uns["scgenept"]["split"], adata.obs["split_subgroup"]
    with pytest.warns(UserWarning, match="look at each subgroup"):
        sgp.pp.split(adata, scheme="from_column", column="split")
    assert parts_of(adata) == parts


def test_copy_leaves_the_input_alone() -> None:
    adata = with_cells(LABELS)
    for given_data in (adata, adata[: len(LABELS) * 2]):
        with unchanged(given_data):
            copied = sgp.pp.split(given_data, copy=True)
        assert copied is not None
        assert "split" in copied.obs


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning:anndata")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("scheme", ["simulation", "no_test", "single", "no_split"])
def test_it_survives_writing(scheme: str, suffix: str, tmp_path: Path) -> None:
    adata = with_cells(LABELS)
    sgp.pp.split(adata, scheme=scheme, options=Options(val_fraction=0, test_genes=("G01",)))
    getattr(adata, f"write_{suffix}")(tmp_path / f"a.{suffix}")
    back = getattr(ad, f"read_{suffix}")(tmp_path / f"a.{suffix}")
    pd.testing.assert_frame_equal(sgp.get.split_table(back), sgp.get.split_table(adata))
    for key in ("split", "split_subgroup"):
        assert list(back.obs[key].cat.categories) == list(adata.obs[key].cat.categories)
    sgp.pp.split(back, scheme="kfold")


def test_backed_data(tmp_path: Path) -> None:
    with_cells(LABELS).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    sgp.pp.split(backed)
    assert backed.isbacked
    assert len(parts_of(backed)) == 3
    backed.file.close()


# Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scheme": "simulations"}, UnknownNameError, "Nearest known names: simulation"),
        ({"reproduce": "v2"}, UnknownNameError, "'v1', or None"),
        ({"seed": -1}, DataError, r"seed=-1 should be a whole number from 0 to 2\*\*32 - 1: seed=1"),
        ({"seed": 2**32}, DataError, "seed=4294967296 should be"),
        ({"scheme": "kfold", "n_folds": 99}, DataError, "n_folds=99 of 42 perturbations: choose 2 to 42"),
        ({"scheme": "kfold", "fold": 5}, DataError, "fold=5 of n_folds=5: choose 0 to 4"),
        ({"scheme": "custom"}, DataError, "needs test="),
        (
            {"scheme": "custom", "test": ["G01", "X9", "G0"]},
            DataError,
            r"2 of the listed .*: X9, G0\..* Those there are",
        ),
        (
            {"scheme": "custom", "test": ["G01"], "val": ["G01+ctrl", "G02"]},
            DataError,
            "1 perturbations are in two lists: G01",
        ),
        ({"scheme": "custom", "test": ["ctrl"]}, DataError, "always belong to training"),
        ({"scheme": "custom", "test": ["G01"], "train": []}, DataError, "leaves none of 42 perturbations for training"),
        ({"test": ["G01"]}, DataError, "goes with scheme='custom'"),
        ({"column": "condition"}, DataError, "goes with no other scheme"),
        ({"scheme": "from_column"}, DataError, "names the column"),
        ({"scheme": "from_column", "column": "conditions"}, DataError, "Nearest known names: condition"),
        (
            {"scheme": "from_column", "column": "condition"},
            DataError,
            "holds 'G00.ctrl'; the parts are train, val, test",
        ),
        ({"key_added": "a/b"}, DataError, "key_added='a/b'"),
        ({"options": Options(test_genes=("G01", "X9"))}, DataError, "1 of test_genes are the target of no .*: X9"),
        ({"options": Options(test_genes=tuple(GENES[:9]))}, DataError, "too many to leave 75% for training"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    adata = with_cells(LABELS)
    with unchanged(adata), pytest.raises(error, match=message):
        sgp.pp.split(adata, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_gene_set_size": 1.0}, r"train_gene_set_size=1.0 is no share in \(0, 1\)"),
        ({"combo_seen2_train_frac": 1.1}, r"in \[0, 1\]"),
        ({"val_fraction": 1}, r"in \[0, 1\)"),
        ({"val_fraction": float("nan")}, "val_fraction=nan"),
        ({"test_genes": "G01"}, "collection of gene names"),
        ({"only_test_genes": True}, "test_genes="),
    ],
)
def test_wrong_sizes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Options(**options)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["ctrl", "A"], {}, r"tests none of 1 perturbations|leaves none of 1"),
        (["ctrl", "A", "B", "C"], {"scheme": "combo_seen2"}, "of 3 perturbations 0 are of several genes"),
        (["ctrl", "A", "B+C", "D"], {"scheme": "combo_seen2"}, "each perturbed alone too; of 3 .* 1 are of several"),
        (["ctrl", "A", "B", "C"], {"scheme": "combo_seen0"}, "Use scheme='simulation' or 'single'"),
    ],
)
def test_data_that_do_not_serve(labels: list[str], options: dict[str, Any], message: str) -> None:
    adata = with_cells(labels)
    with unchanged(adata), pytest.raises(DataError, match=message):
        sgp.pp.split(adata, **options)


def test_perturbations_of_one_cell() -> None:
    adata = with_cells(["ctrl", "A", "B", "C", "A+B"])[:-2].copy()
    with (
        unchanged(adata),
        pytest.raises(DataError, match=r"2 of 4 perturbations have one cell only: C, A\+B") as caught,
    ):
        sgp.pp.split(adata)
    remedy = str(caught.value).split("Leave them out: ")[1].rstrip(".")
    space = {"adata": adata}
    exec(remedy, space)
    assert set(space["adata"].obs["perturbation"]) == {"ctrl", "A", "B"}


def test_controls_only() -> None:
    adata = with_cells(["ctrl", "A"])
    adata = adata[adata.obs["is_control"]].copy()
    with unchanged(adata), pytest.raises(DataError, match="all 2 cells are controls"):
        sgp.pp.split(adata)


def test_without_setup() -> None:
    adata = sgp.datasets.toy()
    with pytest.raises(DataError, match="not set up"):
        sgp.pp.split(adata)


def test_a_view_is_refused() -> None:
    adata = with_cells(LABELS)
    with pytest.raises(DataError, match=r"adata\.copy\(\)"):
        sgp.pp.split(adata[:30])
