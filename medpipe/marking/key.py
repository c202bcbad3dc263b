"""The secret behind a watermark: 32 bytes in a file that only its owner can read, never part of a
repository.

Whoever holds it can find the mark, put it on any image and take it off again. It is named by its
`Key.id`, which tells nothing about the secret.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from medpipe.errors import SpecError

_TEXT = re.compile(rb"medpipe-mark-key-1 ([0-9a-f]{64})\n")
_MAKE = "make one with: medpipe mark --new-key FILE"


@dataclass(frozen=True)
class Key:
    """``secret``: 32 bytes; it is in no ``repr``."""

    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """16 hex digits that name the key, in manifests and messages."""
        return hashlib.sha256(b"medpipe mark key id\0" + self.secret).hexdigest()[:16]


def new_key(path: Path) -> Key:
    """Make a key and write it to ``path`` (mode 0600). Raises `SpecError` where a file lies there
    already: nothing is overwritten.
    """
    key = Key(secrets.token_bytes(32))
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b"medpipe-mark-key-1 " + key.secret.hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise SpecError(
            str(path), "a place for a new key", "a file that is there already; give another name"
        ) from error
    except OSError as error:
        raise SpecError(str(path), "a place for a new key", error.strerror or str(error)) from error
    return key


def read_key(path: Path) -> Key:
    """The key in a file. Raises `SpecError` for a file that cannot be read, that others can read,
    or that is no key.
    """
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SpecError(
            str(path), "a readable key file", f"{error.strerror or error}; {_MAKE}"
        ) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise SpecError(
            str(path),
            "a key that only its owner can read",
            f"mode {stat.S_IMODE(mode):04o}; run: chmod 600 {path}",
        )
    found = _TEXT.fullmatch(content)
    if found is None:
        raise SpecError(str(path), "a key file of medpipe", f"something else; {_MAKE}")
    return Key(bytes.fromhex(found.group(1).decode()))
