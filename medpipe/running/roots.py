"""Names for files that hold on other machines too: a root such as ``project`` and a path below it.

A bundle is published, so no path of this machine may stand in it. A file below no root is named
``elsewhere``, a digest of its path and its own name; where it lies is noted in a folder of this
machine alone.
"""

from __future__ import annotations

import hashlib
import os
import site
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from medpipe.evidence.files import write_atomically

ELSEWHERE = "elsewhere"
SYSTEM = (
    "/proc",
    "/sys",
    "/etc",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/System",
)
"""Folders of the operating system; what lies there belongs to the machine, which the provenance
describes.
"""


@dataclass(frozen=True)
class Roots:
    """Folders by name, and the folder that notes where files below none of them lie."""

    folders: Mapping[str, Path]
    notes: Path

    @classmethod
    def of(cls, folders: Mapping[str, Path | str], notes: Path) -> Roots:
        """Roots without those that hold the home folder or everything: names below them would tell
        too much.
        """
        home = os.path.realpath(Path.home())
        kept = {name: Path(os.path.abspath(folder)) for name, folder in folders.items()}
        return cls(
            {
                name: folder
                for name, folder in kept.items()
                if not _below(home, os.path.realpath(folder))
            },
            notes,
        )

    def name(self, path: str) -> str:
        """The portable name of a path; notes where it is if it lies below no root."""
        found = self._below_root(os.path.abspath(path)) or self._below_root(os.path.realpath(path))
        if found is not None:
            return found
        place = os.path.abspath(path)
        digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
        if not (self.notes / digest).exists():
            write_atomically(self.notes / digest, os.fsencode(place))
        return f"{ELSEWHERE}/{digest}/{os.path.basename(place)}"

    def _below_root(self, path: str) -> str | None:
        """The name below the innermost root; of equal roots the first."""
        best: tuple[int, str] | None = None
        for name, folder in self.folders.items():
            for root in (str(folder), os.path.realpath(folder)):
                if _below(path, root) and (best is None or len(root) > best[0]):
                    rest = path[len(root) :].strip(os.sep).replace(os.sep, "/")
                    best = len(root), f"{name}/{rest}".rstrip("/")
        return None if best is None else best[1]

    def path(self, name: str) -> Path | None:
        """Where a named file would lie on this machine; None where nothing here says so."""
        root, _, rest = name.partition("/")
        if root != ELSEWHERE:
            return (
                self.folders[root] / rest
                if root in self.folders and ".." not in rest.split("/")
                else None
            )
        note = self.notes / rest.partition("/")[0]
        try:
            return Path(os.fsdecode(note.read_bytes()))
        except OSError:
            return None

    def without_paths(self, text: str) -> str:
        """Text in which paths of this machine are replaced by portable ones."""
        known = [(str(folder), name) for name, folder in self.folders.items()]
        known += [(folder, "site-packages") for folder in installed()]
        known += [(os.path.dirname(package()), ""), (str(Path.home()), "~"), (os.getcwd(), "")]
        for folder, name in sorted(known, key=lambda pair: -len(pair[0])):
            if len(folder) > 1:
                text = text.replace(folder + os.sep, f"{name}/" if name else "")
        return text


def shown(name: str) -> str:
    """A portable name as people read it."""
    root, _, rest = name.partition("/")
    return rest.rpartition("/")[2] if root == ELSEWHERE else rest or f"the {root} folder"


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def below_any(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a path lies in one of these folders, followed through links or not."""
    place = os.path.abspath(path)
    if any(_below(place, folder) for folder in folders):
        return True
    real = os.path.realpath(place)
    return real != place and any(_below(real, folder) for folder in folders)


@cache
def installed() -> tuple[str, ...]:
    """Folders of the interpreter and of installed packages, whose versions are recorded instead of
    their files.
    """
    paths = sysconfig.get_paths()
    folders = {
        paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib", "scripts", "data")
    }
    folders |= {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        site.getusersitepackages(),
        *site.getsitepackages(),
    }
    folders = {f for f in folders if f not in ("/", "/usr", "/usr/local", str(Path.home()))}
    folders |= {os.path.realpath(f) for f in folders}
    return tuple(sorted(folders))


def package() -> str:
    """The folder of medpipe itself, whose code has a digest of its own."""
    return str(Path(os.path.abspath(__file__)).parents[1])
