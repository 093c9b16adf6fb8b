"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scgenept._io import atomic_file, atomic_folder

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(work: Path) -> None:
    work.write_text("half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("before", [None, "old"])
def test_file(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "new" / "file.txt"
    if before:
        target.parent.mkdir()
        target.write_text(before)
    with atomic_file(target) as work:
        work.write_text("whole")
        assert work.suffix == ".txt"
        assert target.exists() == bool(before)
    assert target.read_text() == "whole"
    assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_file_after_failure(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "file.txt"
    if before:
        target.write_text(before)
    with pytest.raises(KeyboardInterrupt), atomic_file(target) as work:
        write_half(work)
    assert names(tmp_path) == (["file.txt"] if before else [])
    assert not before or target.read_text() == before


@pytest.mark.parametrize("before", [None, "old"])
def test_folder(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "model"
    if before:
        target.mkdir()
        (target / "old.txt").write_text(before)
    with atomic_folder(target) as work:
        (work / "new.txt").write_text("whole")
    assert names(target) == ["new.txt"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("before", [None, "old"])
def test_folder_after_failure(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "model"
    if before:
        target.mkdir()
        (target / "old.txt").write_text(before)
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as work:
        write_half(work / "new.txt")
    assert names(tmp_path) == (["model"] if before else [])
    assert not before or names(target) == ["old.txt"]


@pytest.mark.parametrize("there", [True, False])
def test_links_to_files_are_followed(tmp_path: Path, there: bool) -> None:
    link, real = tmp_path / "figure.png", tmp_path / "disk" / "blob"
    link.symlink_to(real)
    if there:
        real.parent.mkdir()
        real.write_text("old")
    with atomic_file(link) as work:
        work.write_text("new")
        assert work.suffix == ".png"
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert names(tmp_path) == ["disk", "figure.png"]
    assert names(real.parent) == ["blob"]


@pytest.mark.parametrize("there", [True, False])
def test_links_to_folders_are_followed(tmp_path: Path, there: bool) -> None:
    link, real = tmp_path / "model", tmp_path / "disk" / "model_3"
    link.symlink_to(real)
    if there:
        real.mkdir(parents=True)
        (real / "old.txt").touch()
    with atomic_folder(link) as work:
        (work / "new.txt").touch()
    assert link.is_symlink()
    assert names(real) == ["new.txt"]
    assert names(tmp_path) == ["disk", "model"]
    assert names(real.parent) == ["model_3"]


def test_permissions_are_the_users(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "file") as work:
            work.touch()
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
