"""models.load: official models from a server, folders, and every way a name or path can be wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import scgenept as sgp
from scgenept import models
from scgenept._errors import CheckpointError, DownloadError, UnknownNameError, UnsafePickleError
from tests.golden_files import COPIES, read_archive, tensors
from tests.models.conftest import CONCAT, PLAIN, VOCAB, saved
from tests.registry.server import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.server import Server


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 / 0",)


def output(model: models.ScGenePT) -> np.ndarray:
    inputs = tensors(read_archive(COPIES / "forward" / "scgenept_go_c_gpt_concat.npz"), "in/")
    with torch.no_grad():
        return model.network(inputs["src"], inputs["values"], inputs["pert_flags"]).numpy()


def test_official_model(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "scgenept"):
        model = models.load("scgenept_go_c", dataset="norman")
    assert server.asked == [CONCAT, VOCAB]
    assert model.name == "scgenept_go_c:norman"
    assert (model.card.modality, model.card.cell_type, model.card.fine_tuned) == ("CRISPRa", "K562", True)
    assert len(model.vocabulary) == 60
    assert [language.name for language in model.network.config.languages] == ["go_c"]
    assert output(model).shape == (4, 24)
    assert "hash" in caplog.text
    models.load("scgenept_go_c:norman")
    assert server.asked == [CONCAT, VOCAB], "a cached model opens no connection"


def test_both_forms_of_attention_names(server: Server, flash_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    native = output(models.load("scgenept_go_c:norman"))
    server.answers[CONCAT] = Answer(saved(flash_state))
    assert any("Wqkv" in name for name in flash_state)
    sgp.settings.cache_dir = tmp_path / "other"
    np.testing.assert_array_equal(output(models.load("scgenept_go_c:norman")), native)


def test_the_other_spelling_of_the_file(server: Server, tmp_path: Path) -> None:
    server.answers[PLAIN] = server.answers.pop(CONCAT)
    assert models.load("scgenept_go_c", "norman").name == "scgenept_go_c:norman"
    assert server.asked == [CONCAT, PLAIN, VOCAB]
    assert (sgp.settings.cache_dir / "scgenept_go_c" / "norman.pt").is_file()


@pytest.mark.parametrize(
    ("name", "dataset", "words"),
    [
        ("scgenept_go_x", None, r"no model 'scgenept_go_x'.*Nearest known names: scgenept_go_"),
        ("scgenpt-mini", None, r"Nearest known names: scgenept-mini"),
        ("additive", None, r"It is a baseline, which predicts means and no cells: scgenept\.models\.baselines\.load"),
        ("zzz", "norman", r"no model 'zzz'\. Known: .*scgenept_ncbi"),
        ("scgenept_go_c", None, r"several data sets: pass dataset= one of norman, adamson"),
        ("scgenept_go_c", "replogle", r"not fine-tuned on 'replogle', but on norman, adamson"),
        ("scgenept_go_c:replogle", None, r"not fine-tuned on 'replogle'"),
    ],
)
def test_unknown_names(name: str, dataset: str | None, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        models.load(name, dataset)


def test_default_model_offline_names_the_embedded_one(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgp.settings, "offline", True)
    with pytest.raises(DownloadError, match="scgenept-mini") as caught:
        models.load_default()
    assert sgp.settings.default_model in str(caught.value)
    assert server.asked == []


def test_a_file_that_is_no_checkpoint_is_not_kept(server: Server) -> None:
    server.answers[CONCAT] = server.answers[PLAIN] = Answer(b"<!DOCTYPE html><html>sign in</html>")
    with pytest.raises(DownloadError, match="web page"):
        models.load("scgenept_go_c:norman")
    assert not [path for path in sgp.settings.cache_dir.rglob("*") if path.is_file()]


def test_a_hostile_official_file_is_refused(server: Server) -> None:
    server.answers[CONCAT] = Answer(saved({"a": Bomb()}))
    with pytest.raises(UnsafePickleError, match="eval"):
        models.load("scgenept_go_c:norman")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (None, "does not exist"),
        ("folder", "holds no model"),
        ("file", "is no model folder"),
    ],
)
def test_paths_without_a_model(make: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    if make == "folder":
        path.mkdir()
    elif make == "file":
        path.write_bytes(b"x")
    with pytest.raises(CheckpointError, match=words) as caught:
        models.load(path)
    assert str(path) in str(caught.value)
    assert "from_checkpoint" in str(caught.value)


@pytest.mark.parametrize("absent", ["model.safetensors", "config.json", "genes.tsv", "card.json"])
def test_half_written_folder(absent: str, server: Server, tmp_path: Path) -> None:
    folder = models.load("scgenept_go_c:norman").save(tmp_path / "mine")
    assert models.load(folder).name == "scgenept_go_c:norman"
    (folder / absent).unlink()
    with pytest.raises(CheckpointError, match=absent):
        models.load(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "genes.tsv", "card.json"])
@pytest.mark.parametrize("keep", [0, 40])
def test_truncated_folder(file: str, keep: int, server: Server, tmp_path: Path) -> None:
    folder = models.load("scgenept_go_c:norman").save(tmp_path / "mine")
    (folder / file).write_bytes((folder / file).read_bytes()[:keep])
    with pytest.raises(CheckpointError):
        models.load(folder)


def test_available(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tuple(model for model in models._catalog.catalog() if model.entry is not None)
    monkeypatch.setattr(models._available, "catalog", lambda: known)
    table = models.available()
    assert list(table.columns) == ["name", "dataset", "variant", "size", "licence", "hashed", "embedded"]
    assert set(table["dataset"]) == {"norman", "adamson"}
    assert {"scgpt", "scgenept_ncbi", "scgenept_go_c", "scgenept_go_all"} <= set(table["name"])
    assert not table.duplicated(["name", "dataset"]).any()
    assert table.set_index(["name", "dataset"]).loc[("scgenept_go_c", "norman"), "size"] == "about 954 MB"
    assert (table["licence"] == "MIT").all()
