from __future__ import annotations

import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from scgenept._errors import DownloadError
from scgenept.registry.archive import extract_member

if TYPE_CHECKING:
    from pathlib import Path

BODY = bytes(range(256)) * 10


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def archive(path: Path, *members: str | zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for member in members:
            opened.writestr(member, BODY)
    return path


@pytest.mark.parametrize("name", ["data.h5ad", "norman/data.h5ad", "a/b/c/data.h5ad"])
def test_member_in_any_folder(tmp_path: Path, name: str) -> None:
    target = tmp_path / "out" / "data.h5ad"
    assert extract_member(archive(tmp_path / "a.zip", "readme.txt", name), "data.h5ad", target) == target
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "hostile",
    [
        "../evil",
        "../data.h5ad",
        "a/../../evil",
        "/tmp/evil",
        "..\\evil",
        "C:\\evil",
        "C:/evil",
        "\\\\host\\share\\evil",
        link("data.h5ad"),
        link("folder"),
    ],
    ids=str,
)
def test_hostile_path(tmp_path: Path, hostile: str | zipfile.ZipInfo) -> None:
    members = ["data.h5ad", hostile] if getattr(hostile, "filename", hostile) != "data.h5ad" else [hostile]
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "in" / "a.zip", *members)
    with pytest.raises(DownloadError, match="lead outside"):
        extract_member(path, "data.h5ad", tmp_path / "in" / "out" / "data.h5ad")
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == ["a.zip"]


@pytest.mark.parametrize(("members", "found"), [((), 0), (("readme.txt",), 0), (("a/data.h5ad", "b/data.h5ad"), 2)])
def test_not_one_member(tmp_path: Path, members: tuple[str, ...], found: int) -> None:
    with pytest.raises(DownloadError, match=f"should hold one data.h5ad, found {found}"):
        extract_member(archive(tmp_path / "a.zip", *members), "data.h5ad", tmp_path / "data.h5ad")


def test_damaged_member(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", "data.h5ad")
    path.write_bytes(path.read_bytes().replace(BODY[:300], bytes(300), 1))
    with pytest.raises(DownloadError, match="not a whole, plain zip"):
        extract_member(path, "data.h5ad", tmp_path / "data.h5ad")
    assert [found.name for found in tmp_path.iterdir()] == ["a.zip"]


def test_cut_zip(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", "data.h5ad")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DownloadError, match="not a whole, plain zip"):
        extract_member(path, "data.h5ad", tmp_path / "data.h5ad")


def test_encrypted_member(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", "data.h5ad")
    raw = bytearray(path.read_bytes())
    for start in (raw.index(b"PK\x03\x04") + 6, raw.index(b"PK\x01\x02") + 8):
        raw[start] |= 1
    path.write_bytes(raw)
    with pytest.raises(DownloadError, match="encrypted"):
        extract_member(path, "data.h5ad", tmp_path / "data.h5ad")
