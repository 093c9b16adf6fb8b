"""Data sets of GEARS, from folders laid out as GEARS lays them out and from GEARS itself."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch

import scgenept as sgp
from scgenept._errors import CheckpointError, DataError, KeyTakenError, UnknownNameError, UnsafePickleError
from tests.datasets.gears_folder import (
    GENES,
    IDS,
    SPLIT,
    STEM,
    SUBGROUPS,
    gears_cells,
    write_folder,
    write_split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "norman")
    return tmp_path / "norman"


def check(adata: ad.AnnData) -> None:
    """What every way of reading the folder gives."""
    expected = gears_cells()
    assert adata.obs_names.tolist() == expected.obs_names.tolist()
    assert adata.obs["condition"].tolist() == expected.obs["condition"].tolist()
    assert adata.var_names.tolist() == GENES
    assert adata.var["gene_id"].tolist() == IDS
    np.testing.assert_array_equal(adata.X.toarray(), expected.X.toarray())
    counts = adata.layers["counts"]
    assert sp.issparse(counts)
    assert counts.format == "csr"
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts.toarray(), expected.layers["counts"])
    setup = sgp.get.setup(adata)
    assert (setup.modality, setup.cell_type, setup.source_key) == ("CRISPRa", "K562", "condition")
    assert set(adata.obs["cell_type"]) == {"K562"}
    assert adata.obs.loc[adata.obs["condition"].isin(["KLF1+ctrl", "ctrl+KLF1"]), "perturbation"].unique() == ["KLF1"]
    assert set(adata.uns["scgenept"]["corrections"]) == {"cell_type", "layers_counts", "var_names"}
    assert next(iter(adata.uns["top_non_dropout_de_20"].values())).tolist() == GENES[:3]


def check_split(adata: ad.AnnData) -> None:
    of_label = {label: part for part, labels in SPLIT.items() for label in labels}
    assert adata.obs["split"].tolist() == [of_label[label] for label in adata.obs["condition"]]
    assert adata.obs["split"].cat.categories.tolist() == ["train", "val", "test"]
    groups = {label: name for where in SUBGROUPS.values() for name, labels in where.items() for label in labels}
    found = adata.obs["split_subgroup"].astype(object)
    assert found.where(found.notna(), None).tolist() == [groups.get(label) for label in adata.obs["condition"]]
    record = adata.uns["scgenept"]["split"]
    assert (record["scheme"], record["seed"], record["n_test"]) == ("simulation", "1", 3)


@pytest.mark.parametrize("how", ["folder", "text", "file"])
def test_folder(folder: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    given = {"folder": folder, "text": str(folder), "file": folder / "perturb_processed.h5ad"}[how]
    with caplog.at_level(logging.INFO):
        adata = sgp.datasets.from_gears(given)
    check(adata)
    check_split(adata)
    assert "A549 for every cell" in caplog.text
    assert "1 labels name a perturbation that another label names" in caplog.text


def test_zip(folder: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "norman"), "zip", root_dir=tmp_path, base_dir="norman")
    shutil.rmtree(folder)
    adata = sgp.datasets.from_gears(tmp_path / "norman.zip")
    check(adata)
    check_split(adata)


def test_gears_and_its_friends_are_not_needed(folder: Path) -> None:
    code = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gears", "torch", "torch_geometric"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
import scgenept as sgp
assert "split" in sgp.datasets.from_gears({str(folder)!r}).obs
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("fmt", ["h5ad", "zarr"])
def test_survives_writing(folder: Path, tmp_path: Path, fmt: str) -> None:
    adata = sgp.datasets.from_gears(folder)
    getattr(adata, f"write_{fmt}")(tmp_path / f"copy.{fmt}")
    back = getattr(ad, f"read_{fmt}")(tmp_path / f"copy.{fmt}")
    check(back)
    check_split(back)
    sgp.pp.rank_de_genes(back)
    assert len(sgp.get.de_genes(back, "KLF1")) == 20


def test_other_data_sets_keep_what_they_say(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", split=False)
    adata = sgp.datasets.from_gears(tmp_path / "mine", modality="CRISPRi")
    assert set(adata.obs["cell_type"]) == {"A549"}, "only of the public files is it known to be wrong"
    assert sgp.get.setup(adata).cell_type == "A549"
    assert sgp.get.setup(adata).modality == "CRISPRi"
    assert "split" not in adata.obs
    assert sgp.get.setup(sgp.datasets.from_gears(tmp_path / "mine")).modality == "unknown"


def test_choice_of_splits(folder: Path) -> None:
    write_split(folder, "norman_no_test_3_0.75", {"train": ["ctrl", "JUN+ctrl"], "val": ["FOS+JUN"]})
    with pytest.raises(DataError, match="There are 2 splits: norman_no_test_3_0.75, norman_simulation_1_0.75"):
        sgp.datasets.from_gears(folder)
    check_split(sgp.datasets.from_gears(folder, split="simulation_1"))
    check_split(sgp.datasets.from_gears(folder, split=f"{STEM}.pkl"))
    partial = sgp.datasets.from_gears(folder, split="no_test")
    assert set(partial.obs["split"].dropna()) == {"train", "val"}
    assert partial.obs["split"].isna().sum() == (~partial.obs["condition"].isin(["ctrl", "JUN+ctrl", "FOS+JUN"])).sum()
    assert partial.uns["scgenept"]["split"]["n_held_out"] == 5
    assert partial.uns["scgenept"]["split"]["seed"] == "3"
    assert "split" not in sgp.datasets.from_gears(folder, split=None).obs
    with pytest.raises(UnknownNameError, match="No split is called 'simulation_2'.*norman_simulation_1"):
        sgp.datasets.from_gears(folder, split="simulation_2")
    with pytest.raises(UnknownNameError, match="2 splits are called '0.75'"):
        sgp.datasets.from_gears(folder, split="0.75")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol(folder: Path, protocol: int) -> None:
    path = folder / "splits" / f"{STEM}.pkl"
    arrays = {part: np.array(names, dtype=object if part == "val" else None) for part, names in SPLIT.items()}
    for content in (SPLIT, arrays):
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        check_split(sgp.datasets.from_gears(folder))


def test_graphs_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    (folder / "data_pyg").mkdir()
    (folder / "data_pyg" / "cell_graphs.pkl").write_bytes(pickle.dumps({"ctrl": [Path("anything")]}))
    with pytest.warns(UserWarning, match=r"cell_graphs.pkl was not read.*torch_geometric.*pair_controls") as caught:
        adata = sgp.datasets.from_gears(folder)
    assert caught[0].filename == __file__
    check_split(adata)
    assert "control_cell" not in adata.obs
    shutil.make_archive(str(tmp_path / "norman"), "zip", root_dir=tmp_path, base_dir="norman")
    with pytest.warns(UserWarning, match="norman.zip.*was not read"):
        sgp.datasets.from_gears(tmp_path / "norman.zip")


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile",)


@pytest.mark.parametrize("where", [STEM, f"{STEM}_subgroup"])
@pytest.mark.parametrize(
    "content",
    [Hostile(), {"train": [Hostile()]}, {"train": [Path("x")]}, {"train": np.arange(3)}, np.array([Hostile()])],
)
def test_hostile_pickles(folder: Path, where: str, content: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "splits" / f"{where}.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises((UnsafePickleError, CheckpointError)):
        sgp.datasets.from_gears(folder)
    assert not (folder / "hostile").exists()
    assert "split" not in sgp.datasets.from_gears(folder, split=None).obs


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(SPLIT)[:40]])
def test_damaged_pickles(folder: Path, content: bytes) -> None:
    (folder / "splits" / f"{STEM}.pkl").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a whole pickle of names"):
        sgp.datasets.from_gears(folder)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({**SPLIT, "test": ["ctrl+FOS", "SPI1+ctrl"]}, r"1 of 7 conditions of the split .* are in no cell: SPI1\+ctrl"),
        ({**SPLIT, "test": ["ctrl+FOS", "KLF1+JUN"]}, r"1 conditions of .* are in two parts: KLF1\+JUN"),
        ({"train": "ctrl"}, "should hold lists of conditions for train, val, test; it holds a dict of train"),
        ({"training": ["ctrl"]}, "a dict of training"),
        ({"train": [1, 2]}, "should hold lists"),
        (["ctrl"], "it holds list"),
    ],
)
def test_splits_that_do_not_fit(folder: Path, split: object, message: str) -> None:
    write_split(folder, split=split)
    with pytest.raises(DataError, match=message):
        sgp.datasets.from_gears(folder)


def test_subgroups_that_do_not_fit(folder: Path) -> None:
    write_split(folder, subgroups={"test_subgroup": ["FOS"]})
    with pytest.raises(DataError, match="should hold the subgroups of test and validation"):
        sgp.datasets.from_gears(folder)


def test_no_such_cells(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        sgp.datasets.from_gears(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no perturb_processed.h5ad. Data sets below it: .*norman"):
        sgp.datasets.from_gears(tmp_path)
    with pytest.raises(DataError, match="new_data_process"):
        sgp.datasets.from_gears(folder / "splits")
    (folder / "perturb_processed.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="not a whole h5ad file"):
        sgp.datasets.from_gears(folder)
    with pytest.raises(DataError, match="Expected a folder or zip of GEARS, or a gears.PertData.*got int"):
        sgp.datasets.from_gears(3)
    with pytest.raises(DataError, match=r"call its load\(\) first"):
        sgp.datasets.from_gears(SimpleNamespace(data_path="data"))


def test_zips_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(DataError, match="not a whole, plain zip"):
        sgp.datasets.from_gears(tmp_path / "a.zip")
    for names, message in ((["readme.txt"], "should hold one perturb_processed.h5ad, found 0"), (["../x"], "outside")):
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "x")
        with pytest.raises(DataError, match=message):
            sgp.datasets.from_gears(tmp_path / "b.zip")


def test_labels_and_columns_in_the_way(tmp_path: Path) -> None:
    cells = write_folder(tmp_path / "norman")
    path = tmp_path / "norman" / "perturb_processed.h5ad"
    cells.obs["perturbation"] = "mine"
    cells.obs["split"] = "before"
    cells.write_h5ad(path)
    with pytest.raises(KeyTakenError, match="key_added"):
        sgp.datasets.from_gears(path)
    adata = sgp.datasets.from_gears(path, key_added="target")
    assert set(adata.obs["perturbation"]) == {"mine"}
    assert set(adata.obs["split_original"]) == {"before"}
    check_split(adata)
    del cells.obs["condition"]
    cells.write_h5ad(path)
    with pytest.raises(DataError, match="no column 'condition'"):
        sgp.datasets.from_gears(path)


def test_symbols_that_occur_twice_stay_in_their_column(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cells = write_folder(tmp_path / "norman")
    cells.var["gene_name"] = [GENES[0], *GENES[:-1]]
    cells.write_h5ad(tmp_path / "norman" / "perturb_processed.h5ad")
    adata = sgp.datasets.from_gears(tmp_path / "norman")
    assert adata.var_names.tolist() == IDS
    assert "not unique" in caplog.text


def graph(source: np.ndarray, cell: np.ndarray, label: str) -> SimpleNamespace:
    """As ``torch_geometric.data.Data`` in ``cell_graphs``: a control's values, the flags; the cell's values."""
    x = torch.from_numpy(np.stack([source, np.zeros_like(source)], axis=1))
    return SimpleNamespace(x=x, y=torch.from_numpy(cell[None]), pert=label)


def pert_data(*, loaded: bool) -> tuple[Any, dict[str, str]]:
    """What a PertData holds, and which control each perturbed cell was given."""
    adata = gears_cells()
    values, labels = adata.X.toarray(), adata.obs["condition"].astype(str).to_numpy()
    controls = np.flatnonzero(labels == "ctrl")
    rng = np.random.default_rng(5)
    graphs: dict[str, list[SimpleNamespace]] = {}
    given = {}
    for row, label in enumerate(labels):
        chosen = row if label == "ctrl" else int(rng.choice(controls))
        graphs.setdefault(label, []).append(graph(values[chosen], values[row], label))
        if label != "ctrl":
            given[adata.obs_names[row]] = adata.obs_names[chosen]
    data = SimpleNamespace(
        adata=adata, data_path="data", dataset_name="norman", split="simulation", seed=1,
        set2conditions=SPLIT, subgroup=SUBGROUPS,
    )  # fmt: skip
    if loaded:
        parts = {part: [item for label in names for item in graphs[label]] for part, names in SPLIT.items()}
        data.dataloader = {f"{part}_loader": SimpleNamespace(dataset=items) for part, items in parts.items()}
    else:
        data.dataset_processed = graphs
    return data, given


@pytest.mark.parametrize("loaded", [False, True])
def test_pairs_of_an_object(loaded: bool) -> None:
    data, given = pert_data(loaded=loaded)
    adata = sgp.datasets.from_gears(data)
    check(adata)
    check_split(adata)
    paired = adata.obs["control_cell"].dropna()
    assert paired.to_dict() == given
    assert adata.obs.loc[adata.obs["is_control"], "control_cell"].isna().all()
    assert adata.uns["scgenept"]["pairs"]["n_pairs"] == len(given)
    assert data.adata.var_names.tolist() == IDS, "the object is as it was"


def test_graphs_of_other_cells(caplog: pytest.LogCaptureFixture) -> None:
    data, given = pert_data(loaded=False)
    data.dataset_processed["FOS+JUN"][0].y += 1
    data.dataset_processed["JUN+ctrl"].pop()
    paired = sgp.datasets.from_gears(data).obs["control_cell"].dropna()
    labels = data.adata.obs["condition"]
    assert paired.to_dict() == {c: s for c, s in given.items() if labels[c] not in {"FOS+JUN", "JUN+ctrl"}}
    assert "Graphs of 2 conditions belong to other cells" in caplog.text


def test_object_without_split_or_graphs() -> None:
    data = SimpleNamespace(adata=gears_cells(), data_path="data", dataset_name="norman")
    adata = sgp.datasets.from_gears(data)
    check(adata)
    assert not {"split", "control_cell"} & set(adata.obs)


@pytest.fixture
def gears() -> Iterator[Any]:
    """The original, which filters every warning, prints, and seeds the global generator."""
    if importlib.util.find_spec("gears") is None:
        pytest.skip('the extra "gears" is not installed: cell-gears is compared where it is')
    state = np.random.get_state()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.filterwarnings("ignore")
        import gears

        yield gears
    np.random.set_state(state)


def test_the_original(gears: Any, tmp_path: Path) -> None:
    cells = gears_cells("K562")
    cells.obs = cells.obs.astype(str)[["condition", "cell_type"]]
    data = gears.PertData(str(tmp_path / "data"))
    data.new_data_process("Mine", adata=cells)
    data.prepare_split(split="simulation", seed=1)
    live = sgp.datasets.from_gears(data)
    data.get_dataloader(batch_size=4)
    later = sgp.datasets.from_gears(data)
    with pytest.warns(UserWarning, match="cell_graphs"):
        read = sgp.datasets.from_gears(tmp_path / "data" / "mine")
    for adata in (live, later, read):
        found = {part: set(adata.obs.loc[adata.obs["split"] == part, "condition"]) for part in ("train", "val", "test")}
        assert found == {part: set(data.set2conditions.get(part, ())) for part in found}
        for where in data.subgroup.values():
            for name, labels in where.items():
                chosen = adata.obs["condition"].isin([str(label) for label in labels])
                assert set(adata.obs.loc[chosen, "split_subgroup"]) <= {name}
        assert adata.uns["scgenept"]["split"]["scheme"] == "simulation"
        assert adata.uns["scgenept"]["split"]["seed"] == "1"
    assert "control_cell" not in read.obs
    values = live.X.toarray()
    for adata in (live, later):
        paired = adata.obs["control_cell"].dropna()
        assert len(paired) == (~adata.obs["is_control"]).sum()
        graphs = pickle.loads((tmp_path / "data" / "mine" / "data_pyg" / "cell_graphs.pkl").read_bytes())
        for label, items in graphs.items():
            rows = np.flatnonzero(adata.obs["condition"] == label)
            if label == "ctrl":
                continue
            for row, item in zip(rows, items, strict=True):
                control = adata.obs_names.get_loc(paired[adata.obs_names[row]])
                np.testing.assert_array_equal(item.x[:, 0].numpy(), values[control])
                np.testing.assert_array_equal(item.y[0].numpy(), values[row])
