"""Our checkpoint folder: what goes in comes out, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from scgenept._errors import CheckpointError, UnknownNameError
from scgenept.nn import Network
from scgenept.weights.adapters import to_ours
from scgenept.weights.folder import CALIBRATION, FILES, load_folder
from scgenept.weights.model import ScGenePT

if TYPE_CHECKING:
    from pathlib import Path


def test_round_trip_is_exact(model: ScGenePT, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "tiny")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    again = load_folder(folder)
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name
    assert again.network.config == model.network.config
    assert again.vocabulary.tokens == model.vocabulary.tokens
    assert again.genes == model.genes
    assert again.control_mean == model.control_mean
    assert again.card.caveats == ("small",)
    assert again.weight_hash == model.weight_hash == again.card.weights_sha256
    assert "UNKNOWN" in (again.genes or ())


def test_any_name_of_a_gene_comes_back(model: ScGenePT, tmp_path: Path) -> None:
    names = ["TNF-\u03b1", "KLF1\r", "two\nlines", "a\tb", 'the "gene"', "'", " ", "#1"]
    mean = {name: i / 7 for i, name in enumerate(names)}
    odd = type(model)(model.network, model.vocabulary, model.card, genes=names, control_mean=mean)
    again = load_folder(odd.save(tmp_path / "odd"))
    assert again.genes == tuple(names)
    assert again.control_mean == mean


IN_ASCII = """
import locale, sys
import scgenept as sgp
assert locale.getencoding() != "utf-8", locale.getencoding()
mini = sgp.models.load("scgenept-mini")
named = type(mini)(mini.network, mini.vocabulary, mini.card, genes=["TNF-\\u03b1"])
assert sgp.models.load(named.save(sys.argv[1])).genes == ("TNF-\\u03b1",)
"""


def test_files_do_not_depend_on_the_locale(tmp_path: Path) -> None:
    ascii_alone = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", IN_ASCII, tmp_path / "model"],
        env=ascii_alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_half_precision_halves_the_file_and_stays_near(model: ScGenePT, tmp_path: Path) -> None:
    whole, half = model.save(tmp_path / "whole"), model.save(tmp_path / "half", half=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    again = load_folder(half)
    assert all(tensor.dtype == torch.float32 for tensor in again.network.body.parameters())
    for name, tensor in model.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name].float(), tensor, atol=2e-3, rtol=1e-3)


def test_half_precision_is_a_matter_of_storage_alone(model: ScGenePT, tmp_path: Path) -> None:
    again = load_folder(model.save(tmp_path / "half", half=True))
    names = list(again.vocabulary.tokens[:20])
    stored = again.gene_set(names).embedding
    assert stored.dtype == torch.float32
    again.network.float()
    torch.testing.assert_close(again.gene_set(names).embedding, stored, atol=1e-6, rtol=0)


def test_the_hash_follows_the_weights(model: ScGenePT, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "tiny")
    again = load_folder(folder)
    before = again.weight_hash
    assert before == again.card.weights_sha256
    with torch.no_grad():
        again.network.body.flag_embedding.weight += 1
    assert again.weight_hash != before
    tensors = bytearray((folder / "model.safetensors").read_bytes())
    tensors[-100] ^= 0xFF
    (folder / "model.safetensors").write_bytes(tensors)
    with pytest.raises(CheckpointError, match="does not hold the weights that card.json names"):
        load_folder(folder)


def test_export_replaces_nothing_unasked(model: ScGenePT, tmp_path: Path) -> None:
    (tmp_path / "precious.pt").write_text("thesis")
    with pytest.raises(CheckpointError, match="overwrite=True"):
        model.export(tmp_path / "precious.pt")
    assert (tmp_path / "precious.pt").read_text() == "thesis"
    model.export(tmp_path / "precious.pt", overwrite=True)


def test_nothing_that_is_there_is_replaced_unasked(model: ScGenePT, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "tiny")
    with pytest.raises(CheckpointError, match="overwrite=True"):
        model.save(folder)
    model.save(folder, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(CheckpointError, match="not a model folder"):
        model.save(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "irreplaceable"


@pytest.mark.parametrize("ours", [FILES[:1], FILES[1:2], FILES], ids=["tensors", "config", "whole model"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_the_user_are_never_deleted(
    model: ScGenePT, tmp_path: Path, ours: tuple[str, ...], overwrite: bool
) -> None:
    folder = model.save(tmp_path / "project")
    for name in set(FILES) - set(ours):
        (folder / name).unlink()
    (folder / "data").mkdir()
    (folder / "data" / "cells.h5ad").write_text("cells")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    named = r"would delete the rest \(data\): move" if ours == FILES else "not a model folder, having no .*genes.tsv"
    with pytest.raises(CheckpointError, match=named):
        model.save(folder, overwrite=overwrite)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_calibration_is_replaced_with_its_model(model: ScGenePT, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "tiny")
    (folder / CALIBRATION).touch()
    model.save(folder, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_a_failed_save_leaves_nothing(model: ScGenePT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        msg = "disk full"
        raise OSError(msg)

    monkeypatch.setattr("scgenept.weights.folder._gene_rows", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("absent", FILES)
def test_half_written_folders_are_named_as_such(model: ScGenePT, tmp_path: Path, absent: str) -> None:
    folder = model.save(tmp_path / "tiny")
    (folder / absent).unlink()
    with pytest.raises(CheckpointError, match=f"not a whole model folder: {absent} missing"):
        load_folder(folder)


@pytest.mark.parametrize("damaged", FILES)
def test_truncated_files_are_refused(model: ScGenePT, tmp_path: Path, damaged: str) -> None:
    folder = model.save(tmp_path / "tiny")
    path = folder / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError):
        load_folder(folder)


def test_tensors_are_accounted_for(model: ScGenePT, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = model.save(tmp_path / "tiny")
    tensors = load_file(folder / "model.safetensors")
    gone = tensors.pop("body.norm.weight")
    tensors["body.nose.weight"] = gone
    tensors["body.flag_embedding.weight"] = torch.zeros(3, 5)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_folder(folder)
    message = str(caught.value)
    assert "1 missing: body.norm.weight" in message
    assert "1 of the wrong shape: body.flag_embedding.weight (3, 5), expected (3, 16)" in message
    assert "1 without a place: body.nose.weight" in message


def test_a_newer_format_says_so(model: ScGenePT, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format": 99}))
    with pytest.raises(CheckpointError, match="update scgenept"):
        load_folder(folder)


@pytest.mark.parametrize("form", ["native", "flash"])
def test_export_reads_back_the_same(model: ScGenePT, tmp_path: Path, form: str) -> None:
    path = model.export(tmp_path / "original.pt", form=form)  # type: ignore[arg-type]
    state = torch.load(path, weights_only=True)
    assert state["gopt_encoder_c.embedding.weight"].dtype == torch.float64
    assert ("transformer_encoder.layers.0.self_attn.Wqkv.weight" in state) == (form == "flash")
    ours, left_over = to_ours(state)
    assert all(name.startswith("cls_decoder.") for name in left_over)
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(ours[name].float(), tensor), name


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("card.json", '"tiny"', "5", r"card\.json is damaged at 'name', which is 5"),
        ("card.json", '"name"', '"nom"', r"card\.json has fields that this version does not know: nom"),
        ("config.json", '"d_model"', '"width"', r"config\.json describes no network of this version\. Update"),
        ("genes.tsv", "\tposition\t", "\tplace\t", r"genes\.tsv has no column position: the file is damaged"),
    ],
)
def test_damage_is_said_of_the_file(
    model: ScGenePT, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    path = model.save(tmp_path / "model") / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CheckpointError, match=message):
        load_folder(path.parent)


def test_export_of_what_the_original_has_no_place_for(model: ScGenePT, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="form='torch' does not exist: native, flash"):
        model.export(tmp_path / "a.pt", form="torch")  # type: ignore[arg-type]
    first = model.network.config.languages[0]
    both = replace(model.network.config, languages=(first, replace(first, name="mine"), replace(first, name="yours")))
    several = ScGenePT(Network.initialised(both), model.vocabulary, model.card)
    with pytest.raises(
        CheckpointError, match="has the texts mine, yours, for which the original network has one place"
    ):
        several.export(tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())
