"""What a zip file or folder may not hold."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from medpipe.errors import DataError
from medpipe.pipeline.data import files
from medpipe.pipeline.data.files import open_files

Zipped = Callable[[Path, Mapping[str, bytes]], Path]


def link_entry() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("name", ["../out.jpg", "/etc/out.jpg", "a/../../b", "a\\b", "C:/b", "a//b", "./a"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, zipped: Zipped, name: str) -> None:
    with pytest.raises(DataError, match="stay inside"):
        open_files(zipped(tmp_path / "a.zip", {"fine": b"1", name: b"2"}))


def test_links_duplicates_and_case_twins_are_refused(tmp_path: Path, zipped: Zipped) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link_entry(), "/etc/passwd")
    with pytest.raises(DataError, match="a link 'link'"):
        open_files(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(DataError, match="each name once"):
        open_files(tmp_path / "twice.zip")
    with pytest.raises(DataError, match=r"'a\.jpg' and 'A\.JPG'"):
        open_files(zipped(tmp_path / "case.zip", {"a.jpg": b"1", "A.JPG": b"2"}))


def test_declared_sizes_and_counts_are_bounded(tmp_path: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", {"a": b"x" * 600, "b": b"x" * 600})
    monkeypatch.setattr(files, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(DataError, match="1200 so far"):
        open_files(path)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 500)
    with pytest.raises(DataError, match="at most 500 bytes"):
        open_files(path)
    monkeypatch.setattr(files, "MAX_FILES", 1)
    with pytest.raises(DataError, match="at most 1 files"):
        open_files(path)


def test_a_file_longer_than_declared_is_refused(tmp_path: Path, zipped: Zipped) -> None:
    path = zipped(tmp_path / "a.zip", {"a": bytes(100_000)})
    raw = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        raw[raw.index(magic) + at:raw.index(magic) + at + 4] = struct.pack("<I", 10)
    path.write_bytes(raw)
    with pytest.raises(DataError, match="'a'"):
        open_files(path).read("a")


def test_encrypted_entries_are_refused(tmp_path: Path, zipped: Zipped) -> None:
    path = zipped(tmp_path / "a.zip", {"a": b"1"})
    raw = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(magic) + at] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="password"):
        open_files(path)


def test_every_flipped_or_missing_byte_is_noticed_or_harmless(tmp_path: Path, zipped: Zipped) -> None:
    content = {"a": os.urandom(50), "b": b"text " * 20}
    raw = zipped(tmp_path / "a.zip", content).read_bytes()
    path = tmp_path / "b.zip"
    broken = [raw[:n] for n in range(0, len(raw), 7)] + [raw[:i] + bytes([raw[i] ^ 0x55]) + raw[i + 1:] for i in range(len(raw))]
    noticed = 0
    for case in broken:
        path.write_bytes(case)
        try:
            found = open_files(path)
            assert all(content[name] == data for name, data in found.read_each(n for n in found.names if n in content))
        except DataError as error:
            noticed += 1
            assert str(path) in str(error)
    assert noticed > len(broken) * 0.6


def test_folders_hold_no_links_and_hidden_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/x", "a/.DS_Store", "Thumbs.db", ".hidden"):
        (tmp_path / name).write_bytes(b"1")
    assert open_files(tmp_path).names == ("a/x",)
    (tmp_path / "a" / "y").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="a link 'a/y'"):
        open_files(tmp_path)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(DataError, match="whole zip file"):
        open_files(tmp_path / "a.zip")
    with pytest.raises(DataError, match="No such file"):
        open_files(tmp_path / "absent.zip")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "x").write_bytes(b"1")
    found = open_files(tmp_path / "f")
    (tmp_path / "f" / "x").unlink()
    with pytest.raises(DataError, match="readable file"):
        found.read("x")
