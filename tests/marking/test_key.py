"""Keys: secret, never overwritten, never shown."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from medpipe.errors import SpecError
from medpipe.marking.key import Key, new_key, read_key


def test_a_new_key_is_read_again_and_only_its_owner_can(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = new_key(path)
    assert read_key(path) == key and len(key.secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert new_key(tmp_path / "other").id != key.id


def test_the_secret_is_not_shown() -> None:
    key = Key(bytes(range(32)))
    assert "secret" not in repr(key) and key.secret.hex()[:16] != key.id and len(key.id) == 16


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = new_key(path)
    with pytest.raises(SpecError, match="already"):
        new_key(path)
    assert read_key(path) == key


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"medpipe-mark-key-1 " + b"0" * 63 + b"\n",
        b"medpipe-mark-key-1 " + b"0" * 64,
        b"medpipe-mark-key-2 " + b"0" * 64 + b"\n",
        b"0" * 64 + b"\n",
        b"\xff" * 84,
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SpecError, match="--new-key"):
        read_key(path)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    new_key(path)
    path.chmod(0o640)
    with pytest.raises(SpecError, match=r"mode 0640; run: chmod 600"):
        read_key(path)


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        read_key(tmp_path / "none")
    with pytest.raises(SpecError, match="No such file"):
        new_key(tmp_path / "no-folder" / "key")
