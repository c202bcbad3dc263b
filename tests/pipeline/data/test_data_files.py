"""What a zip file or folder may not hold."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from medpipe.errors import DataError
from medpipe.pipeline.data import data_files
from medpipe.pipeline.data.data_files import open_files

Zipped = Callable[[Path, Mapping[str, bytes]], Path]


def link_entry() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name",
    ["../out.jpg", "/etc/out.jpg", "a/../../b", "..\\b", "\\b", "C:\\b", "C:/b", "a//b", "./a"],
)
def test_names_that_leave_the_archive_are_refused(
    tmp_path: Path, zipped: Zipped, name: str
) -> None:
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


def test_declared_sizes_and_counts_are_bounded(
    tmp_path: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "a.zip", {"a": b"x" * 600, "b": b"x" * 600})
    monkeypatch.setattr(data_files, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(DataError, match="1200 so far"):
        open_files(path)
    monkeypatch.setattr(data_files, "MAX_FILE_BYTES", 500)
    with pytest.raises(DataError, match="at most 500 bytes"):
        open_files(path)
    monkeypatch.setattr(data_files, "MAX_FILES", 1)
    with pytest.raises(DataError, match="at most 1 files"):
        open_files(path)


def test_a_file_longer_than_declared_is_refused(tmp_path: Path, zipped: Zipped) -> None:
    path = zipped(tmp_path / "a.zip", {"a": bytes(100_000)})
    raw = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        raw[raw.index(magic) + at : raw.index(magic) + at + 4] = struct.pack("<I", 10)
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


def test_every_flipped_or_missing_byte_is_noticed_or_harmless(
    tmp_path: Path, zipped: Zipped
) -> None:
    content = {"a": os.urandom(50), "b": b"text " * 20}
    raw = zipped(tmp_path / "a.zip", content).read_bytes()
    path = tmp_path / "b.zip"
    broken = [raw[:n] for n in range(0, len(raw), 7)] + [
        raw[:i] + bytes([raw[i] ^ 0x55]) + raw[i + 1 :] for i in range(len(raw))
    ]
    noticed = 0
    for case in broken:
        path.write_bytes(case)
        try:
            found = open_files(path)
            assert all(
                content[name] == data
                for name, data in found.read_each(n for n in found.names if n in content)
            )
        except DataError as error:
            noticed += 1
            assert str(path) in str(error)
    assert noticed > len(broken) * 0.6


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/x", "a/.DS_Store", "Thumbs.db", ".hidden"):
        (tmp_path / name).write_bytes(b"1")
    assert open_files(tmp_path).names == ("a/x",)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/etc/passwd", "a file outside"),
        ("../../outside", "a file outside"),
        (".", "a folder"),
        ("nowhere", "leads nowhere"),
        ("y", "leads nowhere"),
        ("/dev/null", "a device or pipe"),
    ],
)
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, target: str, says: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "y").symlink_to(target)
    with pytest.raises(DataError, match=says):
        open_files(tmp_path / "set")


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    (tmp_path / "y").symlink_to("x")
    found = open_files(tmp_path)
    assert dict(found.read_each(found.names)) == {"x": b"1", "y": b"1"}


def test_a_link_that_is_changed_after_listing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"2")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x").write_bytes(b"1")
    found = open_files(tmp_path / "set")
    (tmp_path / "set" / "x").unlink()
    (tmp_path / "set" / "x").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="a file outside"):
        found.read("x")


def hub_cache(folder: Path, revisions: tuple[str, ...] = ("main",)) -> Path:
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "0a").write_bytes(b"1")
    for revision in revisions:
        (folder / "snapshots" / revision / "train").mkdir(parents=True)
        (folder / "snapshots" / revision / "train" / "x").symlink_to("../../../blobs/0a")
    return folder


@pytest.mark.parametrize("given", [".", "snapshots/main", "snapshots/main/train"])
def test_the_cache_of_the_hub_is_read_through_its_links(tmp_path: Path, given: str) -> None:
    found = open_files(hub_cache(tmp_path / "datasets--a--b") / given)
    assert found.names in (("train/x",), ("x",)) and found.read(found.names[0]) == b"1"


def test_of_several_snapshots_one_must_be_given_and_other_caches_are_outside(
    tmp_path: Path,
) -> None:
    cache = hub_cache(tmp_path / "one", ("main", "other"))
    with pytest.raises(
        DataError, match="one snapshot in this cache, got main, other; give the folder"
    ):
        open_files(cache)
    hub_cache(tmp_path / "two")
    (cache / "snapshots" / "main" / "stolen").symlink_to(tmp_path / "two" / "blobs" / "0a")
    with pytest.raises(DataError, match="a file outside"):
        open_files(cache / "snapshots" / "main")


def test_backslashes_are_read_as_the_folders_that_they_mean(tmp_path: Path, zipped: Zipped) -> None:
    found = open_files(zipped(tmp_path / "a.zip", {"a\\": b"", "a\\b": b"1", "empty\\": b""}))
    assert (found.names, found.empty, found.read("a/b")) == (("a/b",), ("empty",), b"1")
    with pytest.raises(DataError, match="each name once"):
        open_files(zipped(tmp_path / "b.zip", {"a\\b": b"1", "a/b": b"2"}))


def tarred(path: Path, members: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            info.name = name
            info.size = len(content) if isinstance(content, bytes) else info.size
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_tar_files_are_read_in_any_order(tmp_path: Path, mode: str) -> None:
    content = {f"./{name}": os.urandom(3000) for name in ("b/x", "a/x", ".hidden", "c" * 180)}
    found = open_files(tarred(tmp_path / "a.tar", content, mode))
    assert found.names == ("a/x", "b/x", "c" * 180)
    for names in (found.names, tuple(reversed(found.names))):
        assert dict(found.read_each(names)) == {name: content[f"./{name}"] for name in names}


def linked(kind: bytes, target: str = "x") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("name", "member", "says"),
    [
        ("../out", b"1", "stay inside"),
        ("/etc/out", b"1", "stay inside"),
        ("a/../../b", b"1", "stay inside"),
        ("a//b", b"1", "stay inside"),
        ("C:/b", b"1", "stay inside"),
        ("..\\out", b"1", "stay inside"),
        ("link", linked(tarfile.SYMTYPE, "/etc/passwd"), "a link 'link'"),
        ("link", linked(tarfile.LNKTYPE), "a link 'link'"),
        ("pipe", linked(tarfile.FIFOTYPE), "a device"),
        ("X", b"2", "each name once"),
    ],
)
def test_what_a_tar_file_may_not_hold(
    tmp_path: Path, name: str, member: bytes | tarfile.TarInfo, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        open_files(tarred(tmp_path / "a.tar.gz", {"x": b"1", name: member}))


def test_a_tar_file_is_bounded_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_files, "MAX_TOTAL_BYTES", 20_000)
    with pytest.raises(DataError, match="at most 20000 bytes unpacked"):
        open_files(tarred(tmp_path / "bomb.tar.gz", {"a": bytes(10_000_000)}))
    monkeypatch.setattr(data_files, "MAX_FILES", 3)
    with pytest.raises(DataError, match="at most 3 files"):
        open_files(tarred(tmp_path / "many.tar", {str(i): b"" for i in range(9)}, "w:"))


def test_a_header_of_a_tar_file_is_bounded(tmp_path: Path) -> None:
    long = linked(tarfile.GNUTYPE_LONGNAME)
    long.size = 2**31
    (tmp_path / "a.tar").write_bytes(long.tobuf() + bytes(2048))
    with pytest.raises(DataError, match="whole tar file"):
        open_files(tmp_path / "a.tar")


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz"])
def test_every_cut_or_changed_tar_file_is_noticed_or_harmless(tmp_path: Path, mode: str) -> None:
    raw = tarred(tmp_path / "a.tar", {"a": os.urandom(900), "b": b"text " * 20}, mode).read_bytes()
    path = tmp_path / "b.tar"
    changed = [raw[:i] + bytes([raw[i] ^ 0x55]) + raw[i + 1 :] for i in range(0, len(raw), 37)]
    for case in [raw[:n] for n in range(0, len(raw), 53)] + changed:
        path.write_bytes(case)
        try:
            found = open_files(path)
            list(found.read_each(found.names))
        except DataError as error:
            assert str(path) in str(error)


def test_what_cannot_be_opened_is_named_and_nobody_is_told_to_delete_it(tmp_path: Path) -> None:
    cases = {
        "empty.zip": (b"", "got an empty file; see whether its copy or download was finished"),
        "cut.zip": (b"PK\x03\x04rest", "got a zip file whose end is missing; see whether"),
        "make.py": (b"import x", "got a file of another kind; give the folder that holds the data"),
        "a.tar.gz": (b"<html>", "got a file that is neither by its content"),
    }
    for name, (content, says) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=says) as caught:
            open_files(tmp_path / name)
        assert "remove" not in str(caught.value) and "damaged" not in str(caught.value)
    with pytest.raises(DataError, match="No such file"):
        open_files(tmp_path / "absent.zip")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "x").write_bytes(b"1")
    found = open_files(tmp_path / "f")
    (tmp_path / "f" / "x").unlink()
    with pytest.raises(DataError, match="readable file"):
        found.read("x")
