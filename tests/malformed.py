"""Malformed files of every kind that medpipe reads, and a process that reads them under watch.

``python tests/malformed.py AREA SEED FIRST COUNT`` makes the cases FIRST to FIRST + COUNT - 1 in
the folder AREA, lets medpipe read each, and prints a line of JSON for each: its kind, how it ended,
its processor time. An audit hook notes processes, sockets and files written outside the area; the
address space may grow by 1 GiB.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import shutil
import struct
import sys
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GIB = 2**30
WATCHED = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "socket.",
    "pty.",
    "ctypes.dlopen",
)
CHANGES = {
    "os.mkdir": 0,
    "os.rename": 1,
    "os.remove": 0,
    "os.rmdir": 0,
    "os.link": 1,
    "os.symlink": 1,
    "os.truncate": 0,
    "shutil.rmtree": 0,
}
DEEP = "[" * 60 + "]" * 60
TEXTS = (
    "",
    "x",
    "../../evil",
    "/etc/passwd",
    "C:\\evil",
    "a\0b",
    "NaN",
    "-inf",
    "1e999",
    "os:system",
    "evilmod:score",
    "builtins:len",
    "\ud800",
    "\u202e",
    "x" * 20_000,
    "<img src=file:///etc/passwd>",
    "{{7*7}}",
    "..",
    ".",
    "a/b",
    "é" * 300,
)
NUMBERS = (
    0,
    -1,
    1,
    2,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    float("nan"),
    float("inf"),
    1e16,
)


def _hostile(rng: random.Random) -> Any:
    """A value that somebody might put in the place of any other."""
    return rng.choice(
        [
            None,
            True,
            False,
            [],
            {},
            [None],
            {"": None},
            json.loads(DEEP),
            [0] * 5000,
            {str(i): i for i in range(500)},
            rng.choice(TEXTS),
            rng.choice(TEXTS),
            rng.choice(NUMBERS),
            rng.choice(NUMBERS),
            [rng.choice(TEXTS)],
        ]
    )


def _places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        found.append((node, key))
        if isinstance(value, dict | list):
            _places(value, found)
    return found


def _changed_tree(rng: random.Random, document: Any) -> Any:
    """A document with one to three changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(document, []) if isinstance(document, dict | list) else []
        if not places or rng.random() < 0.02:
            return _hostile(rng)
        container, key = rng.choice(places)
        how = rng.random()
        if how < 0.6:
            container[key] = _hostile(rng)
        elif how < 0.75:
            del container[key]
        elif how < 0.85 and isinstance(container, dict):
            container[rng.choice((*TEXTS, str(key) + "_", "version"))] = _hostile(rng)
        else:
            container[key] = (
                json.loads(json.dumps(rng.choice(places)[0], default=str))
                if rng.random() < 0.5
                else [container[key]] * 2
            )
    return document


def changed_bytes(rng: random.Random, raw: bytes) -> bytes:
    """Bytes that were damaged, cut, filled, or spelled in another encoding."""
    how = rng.randrange(10)
    if how == 0:
        return raw[: rng.randrange(len(raw) + 1)]
    if how == 1:
        return b""
    if how == 2:
        return rng.randbytes(rng.choice((1, 100, 5000)))
    if how == 3:
        return raw + rng.choice((b"\0", b"x", raw, b"\n{}", b"%%EOF"))
    if how == 4 and len(raw) < 10**6:
        return raw.decode("utf-8", "replace").encode(
            rng.choice(("utf-16", "utf-8-sig", "utf-32", "utf-7")), "replace"
        )
    if how == 5:
        bomb = rng.choice((b"[", b'{"a":', b"<<", b"- ", b"\xff", b"\0", b"((", b"1,"))
        return bomb * rng.choice((100, 100_000, 1_000_000))
    out = bytearray(raw or b"\0")
    for _ in range(rng.choice((1, 1, 5, 50))):
        place = rng.randrange(len(out))
        if how in (6, 7):
            out[place] ^= 1 << rng.randrange(8)
        elif how == 8:
            del out[place : place + rng.randrange(1, 40)]
            out = out or bytearray(b"\0")
        else:
            out[place:place] = rng.choice(
                (b"\0", b"\r", b'"', b"\xff", b"[", b"-", b"9" * 30, b"e999")
            )
    return bytes(out)


def changed_json(
    rng: random.Random, raw: bytes, read: Callable[[bytes], Any] = json.loads
) -> bytes:
    """A JSON document, changed in its structure or in its bytes."""
    if rng.random() < 0.25:
        return changed_bytes(rng, raw)
    text = json.dumps(_changed_tree(rng, read(raw)))
    if rng.random() < 0.05:  # one key twice
        text = text.replace("{", '{"version": 1, ', 1)
    return text.encode("utf-8", "surrogatepass")


def changed_lines(rng: random.Random, raw: bytes) -> bytes:
    """Lines of JSON, of which some are changed, lost, repeated or moved."""
    lines = raw.splitlines() or [b"{}"]
    place = rng.randrange(len(lines))
    how = rng.randrange(4)
    lines[place : place + 1] = [
        [changed_json(rng, lines[place])],
        [],
        [lines[place]] * 2,
        [lines[-1]],
    ][how]
    return b"\n".join(lines) + b"\n"


def hostile_npz(rng: random.Random, raw: bytes) -> bytes:
    """An array's file: damaged, or with another type, shape, member or size than it should have."""
    import numpy as np

    if rng.random() < 0.3:
        return changed_bytes(rng, raw)
    buffer = io.BytesIO()
    if rng.random() < 0.5:
        shape = (
            np.load(io.BytesIO(raw))["a"].shape
            if rng.random() < 0.6
            else rng.choice(((), (0,), (1,), (3,), (40,), (40, 2), (40, 1, 1), (2,) * 8))
        )
        kind = rng.choice(
            (
                "f2",
                "f8",
                "c16",
                ">i4",
                "u1",
                "i8",
                "U1",
                "U30",
                "S4",
                "M8[s]",
                "m8[s]",
                "b1",
                "i4,f8",
                "V8",
                "O",
                "f16",
            )
        )
        array = np.zeros(shape, kind)
        if array.dtype.kind == "f" and array.size:
            array.flat[0] = rng.choice((np.nan, np.inf, -1.0, 6e4, 0.5))
        elif array.dtype.kind in "iu" and array.size:
            array.flat[0] = rng.choice((0, 1, 200, 127))
        np.savez_compressed(buffer, **{rng.choice(("a", "a", "a", "b", "../a")): array})
        return buffer.getvalue()
    shape, descr = (
        rng.choice(((10**12,), (2**40, 0), (-1,), (40,), (10**9,), ("x",), ())),
        rng.choice(("<f8", "|O", "<U9", "<U999999999")),
    )
    header = repr({"descr": descr, "fortran_order": rng.random() < 0.5, "shape": shape}).encode()
    header = rng.choice(
        (
            header,
            header + b" " * 20_000,
            b"__import__('os').mkdir('evil')",
            b"(" * 3000,
            b"{" + b"'a':{" * 500,
        )
    )
    body = (
        b"\x93NUMPY"
        + bytes(rng.choice(((1, 0), (2, 0), (3, 0), (9, 9))))
        + struct.pack("<H", len(header) & 0xFFFF)
        + header
        + b"\n"
    )
    with zipfile.ZipFile(
        buffer,
        "w",
        rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
    ) as archive:
        for name in rng.choice((["a.npy"], ["a.npy"], ["a.npy", "b.npy"], ["../a.npy"], ["a"], [])):
            archive.writestr(
                name,
                body
                + b"\0" * rng.choice((0, 320, 10**6, 2 * 10**8 if rng.random() < 0.02 else 1000)),
            )
    return buffer.getvalue()


def hostile_table(rng: random.Random, raw: bytes) -> bytes:
    """A results table with other cells, separators, columns and encodings."""
    if rng.random() < 0.35:
        return changed_bytes(rng, raw)
    rows = [line.split(",") for line in raw.decode().splitlines()]
    for _ in range(rng.choice((1, 2, 5))):
        row = rng.choice(rows)
        value = rng.choice(
            (
                *TEXTS,
                "=cmd|' /C calc'!A0",
                "1,2",
                '"',
                "98.6 ± 0.3",
                "(1–2)",
                "1e308",
                "-5",
                "٣",
                "9" * 400,
                "0",
                "n/a",
                "1/0",
            )
        )
        row[rng.randrange(len(row))] = value if rng.random() < 0.8 else str(rng.choice(NUMBERS))
        if rng.random() < 0.2:
            rows.append(list(row) * rng.choice((1, 2, 50)))
    return "\n".join(rng.choice((",", ",", ",", ";", "\t")).join(row) for row in rows).encode(
        "utf-8", "surrogatepass"
    )


def hostile_image(rng: random.Random, raw: bytes) -> bytes:
    """A PNG: damaged, or with another header, with chunks that unpack to much, or of another
    kind.
    """
    if rng.random() < 0.5:
        return changed_bytes(rng, raw)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    side = rng.choice((0, 1, 7, 16, 5000, 40_000, 2**31 - 1))
    header = struct.pack(
        ">IIBBBBB",
        side,
        rng.choice((side, 1, 16)),
        rng.choice((1, 8, 16, 3)),
        rng.choice((0, 2, 3, 4, 6, 9)),
        0,
        0,
        rng.choice((0, 1)),
    )
    body = zlib.compress(b"\0" * rng.choice((0, 272, 10**6, 3 * 10**7)))
    extra = rng.choice(
        (
            b"",
            chunk(b"zTXt", b"x\0\0" + zlib.compress(b"a" * 10**7)),
            chunk(b"iCCP", b"x\0\0" + body),
            chunk(b"acTL", b"\xff" * 8),
        )
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def hostile_zip(rng: random.Random, files: dict[str, bytes]) -> bytes:
    """An archive with names that lead outside, twins, links, other methods, bombs; or a damaged
    one.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    ) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for _ in range(rng.randrange(3)):
            name = rng.choice(
                (
                    "../evil",
                    "/evil",
                    "C:\\evil",
                    "a\\..\\..\\evil",
                    "bundle.json",
                    "BUNDLE.JSON",
                    "a/",
                    "x.png",
                    "train/A/x.png",
                    "\0",
                    ".hidden",
                    "con",
                    "a" * 300,
                    next(iter(files)),
                    "conftest.py",
                    "é/ü",
                )
            )
            info = zipfile.ZipInfo(name)
            info.external_attr = rng.choice((0, 0o120777 << 16, 0o010644 << 16, 0o100644 << 16))
            with contextlib.suppress(ValueError, UserWarning):
                archive.writestr(
                    info,
                    rng.choice((b"", b"/etc/passwd", b"x" * 10**6)),
                    compress_type=zipfile.ZIP_DEFLATED,
                )
    return changed_bytes(rng, buffer.getvalue()) if rng.random() < 0.5 else buffer.getvalue()


def hostile_pdf(rng: random.Random, raw: bytes) -> bytes:
    """A report: damaged, with something behind it, with its words changed, or a small file that
    unpacks to much.
    """
    how = rng.random()
    if how < 0.45:
        return changed_bytes(rng, raw)
    if how < 0.75:
        word = rng.choice(
            (
                b"/ByteRange",
                b"/Type",
                b"/Length",
                b"/Root",
                b"/XRef",
                b"endobj",
                b"stream",
                b"startxref",
                b"/Contents",
                b"/Perms",
                b"/W",
                b"/ObjStm",
                b"/First",
                b"/Index",
                b"/Size",
                b"/Prev",
                b"obj",
            )
        )
        return raw.replace(
            word,
            rng.choice((b"", b"/X", word * 2, word[::-1], b"(", b"[", b"<<")),
            rng.choice((1, -1)),
        )
    data = zlib.compress(
        b"4 0 "
        + rng.choice((b"[]", b"<<>>", b"()", b"/a", b"1 ", b"[" * 50))
        * rng.choice((10, 10_000, 2_000_000))
    )
    out, places = b"%PDF-1.7\n", []
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[]/Count 0>>",
        b"<</Type/ObjStm/N %d/First %d/Length %d/Filter/FlateDecode>>stream\n%s\nendstream"
        % (rng.choice((1, 10**9)), rng.choice((4, 0, -4, 10**8)), len(data), data),
    ]
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    rows = [(0, 0, 65535), *((1, place, 0) for place in places), (2, 3, 0), (1, len(out), 0)]
    table = b"".join(struct.pack(">BIH", *row) for row in rows) + b"\0" * rng.choice(
        (0, 0, 5 * 10**7)
    )
    table = zlib.compress(table)
    return (
        out + b"5 0 obj\n<</Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Length"
        b" %d/Filter/FlateDecode>>stream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n"
        % (rng.choice((6, 10**9)), len(table), table, len(out))
    )


class Area:
    """The folder that the cases are made in, and what is changed in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        data = ROOT / "tests/data/bundle-1"
        self.bundle = {
            p.relative_to(data).as_posix(): p.read_bytes()
            for p in sorted(data.rglob("*"))
            if p.is_file()
        }
        self.specs = {
            n.removeprefix("specs/"): c for n, c in self.bundle.items() if n.startswith("specs/")
        }
        self.pdf = (ROOT / "reports/medical-ai-pipeline-reduced/model-card.pdf").read_bytes()
        self.signers = (ROOT / "signers.toml").read_bytes()
        self.table = (
            b"name,n,accuracy,precision,recall,f1\nA,200,91.0%,90.1%,92.0%,91.0%\n"
            b"B,200,0.905,0.90,0.91,0.905\n"
        )
        self.images = self._pictures()

    @staticmethod
    def _pictures() -> dict[str, bytes]:
        import numpy as np
        from PIL import Image

        rng, found = np.random.default_rng(0), {}
        for part in ("train", "test"):
            for label in "AB":
                for number in range(3):
                    buffer = io.BytesIO()
                    Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(buffer, "png")
                    found[f"{part}/{label}/{number}.png"] = buffer.getvalue()
        return found

    def write(self, files: dict[str, bytes], name: str) -> Path:
        """Write files into a fresh folder."""
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        for file, content in files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(content)
        return root

    def file(self, name: str, content: bytes) -> Path:
        """Write one file."""
        (self.folder / name).write_bytes(content)
        return self.folder / name


def _replaced(rng: random.Random, path: Path) -> None:
    """What is no file in the place of one, or another name for it."""
    path.unlink(missing_ok=True)
    how = rng.randrange(5)
    if how == 0:
        path.mkdir()
    elif how == 1:
        os.mkfifo(path)
    elif how == 2:
        path.symlink_to(rng.choice(("/etc/passwd", "nowhere", ".", "/dev/zero")))
    elif how == 3:
        (
            path.parent
            / rng.choice(
                (
                    "conftest.py",
                    "evilmod.py",
                    "x.pth",
                    ".hidden.json",
                    "a\\b.json",
                    path.name.upper(),
                )
            )
        ).write_bytes(b"import os\n")


def sealed(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with a manifest that fits them, as whoever changed them would make it."""
    listed = {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != "manifest.json"}
    return {**files, "manifest.json": json.dumps({"version": 1, "files": listed}).encode()}


def _bundle_case(
    rng: random.Random, area: Area, pattern: str, change: Callable[[random.Random, bytes], bytes]
) -> Callable[[], int]:
    from medpipe.evidence import Bundle
    from medpipe.judging import stored_verdicts

    names = [n for n in area.bundle if n.startswith(pattern)]
    name = rng.choice(names)
    files = dict(area.bundle)
    files[name] = change(rng, files[name])
    if name != "manifest.json" and rng.random() < 0.9:
        files = sealed(files)
    root = area.write(files, "bundle")
    if rng.random() < 0.05:
        _replaced(rng, root / name)
    if name.startswith("ledger"):
        return lambda: bool(Bundle.open(root).attempts()) and 0
    if name == "verdicts.json":
        return lambda: bool(stored_verdicts(Bundle.open(root))) and 0
    if rng.random() < 0.03:
        return lambda: command(
            "report", "--bundle", str(root), "--out", str(area.folder / "reports")
        )
    return lambda: command("judge", "--bundle", str(root))


def _specs_case(rng: random.Random, area: Area) -> Callable[[], int]:
    from medpipe.documents import parse_yaml

    name = rng.choice(list(area.specs))
    files = {
        **area.specs,
        name: changed_json(rng, area.specs[name], lambda raw: parse_yaml(raw, name)),
    }
    root = area.write(files, "specs")
    if rng.random() < 0.03:
        _replaced(rng, root / name)
    profile = json.loads(area.bundle["bundle.json"])["profile"]
    if rng.random() < 0.3:
        return lambda: command("audit-figures", str(root))
    return lambda: command("plan", "--specs", str(root), "--profile", profile)


def _packed_case(rng: random.Random, area: Area) -> Callable[[], int]:
    from medpipe.evidence import unpack

    content = hostile_zip(rng, sealed(area.bundle))
    shutil.rmtree(area.folder / "packed", ignore_errors=True)
    return lambda: bool(unpack(content, area.folder / "packed")) and 0


def _images_case(rng: random.Random, area: Area) -> Callable[[], int]:
    name = rng.choice(list(area.images))
    root = area.write({**area.images, name: hostile_image(rng, area.images[name])}, "images")
    if rng.random() < 0.1:
        _replaced(rng, root / name)
    return lambda: command("audit-data", str(root))


def _pdf_case(rng: random.Random, area: Area) -> Callable[[], int]:
    from medpipe.signing.signers import load_signers

    content = hostile_pdf(rng, area.pdf)
    path = area.file("report.pdf", content)
    if rng.random() < 0.5:
        return lambda: command("check-report", str(path), "--signers", str(ROOT / "signers.toml"))
    from medpipe.checking.check import check_report

    return lambda: not check_report(content, trusted=load_signers(ROOT / "signers.toml")).ok and 4


def _signers_case(rng: random.Random, area: Area) -> Callable[[], int]:
    raw = area.signers
    if rng.random() < 0.5:
        raw = raw.replace(
            rng.choice((b"name", b"=", b'"', b"[[signer]]", b"'''", b"\n")),
            rng.choice((b"", b"[", b'"', b"\0", b"9" * 5000, b"a.b.c")),
            1,
        )
    path = area.file("signers.toml", changed_bytes(rng, raw))
    report = area.file("report.pdf", area.pdf[:2000])
    return lambda: command("check-report", str(report), "--signers", str(path))


KINDS: dict[str, tuple[int, Callable[[random.Random, Area], Callable[[], int]]]] = {
    "header": (5, lambda r, a: _bundle_case(r, a, "bundle.json", changed_json)),
    "run record": (25, lambda r, a: _bundle_case(r, a, "runs/", changed_json)),
    "ledger": (5, lambda r, a: _bundle_case(r, a, "ledger", changed_lines)),
    "manifest": (5, lambda r, a: _bundle_case(r, a, "manifest.json", changed_json)),
    "array": (18, lambda r, a: _bundle_case(r, a, "arrays/", hostile_npz)),
    "findings": (6, lambda r, a: _bundle_case(r, a, "findings.json", changed_json)),
    "verdicts": (3, lambda r, a: _bundle_case(r, a, "verdicts.json", changed_json)),
    "packed bundle": (3, _packed_case),
    "specifications": (12, _specs_case),
    "table": (
        6,
        lambda r, a: (lambda p: lambda: command("audit-figures", "--from", str(p)))(
            a.file("table.csv", hostile_table(r, a.table))
        ),
    ),
    "image": (3, _images_case),
    "zip of images": (
        3,
        lambda r, a: (lambda p: lambda: command("audit-data", str(p)))(
            a.file("images.zip", hostile_zip(r, a.images))
        ),
    ),
    "signers": (2, _signers_case),
    "report": (4, _pdf_case),
}
"""Kind of file → how many of each hundred cases, and what makes one."""
ORDER = [kind for kind, (weight, _) in KINDS.items() for _ in range(weight)]


def command(*words: str) -> int:
    """The exit code of a command of medpipe, run here. Raises what only the top level would turn
    into a code.
    """
    ended = APP.main(list(words), prog_name="medpipe", standalone_mode=False)
    return ended if isinstance(ended, int) else 0


def _app() -> Any:
    import typer

    from medpipe import cli
    from medpipe.cli import data_audits, figure_audits, judging, making

    for module in (making, judging, figure_audits, data_audits):
        module.register(cli.app)
    return typer.main.get_command(cli.app)


def one(area: Area, seed: int, number: int) -> dict[str, Any]:
    """Make one case and let medpipe read it."""
    from medpipe.errors import MedpipeError

    rng = random.Random(f"{seed}/{number}")
    kind = ORDER[(number * 37) % len(ORDER)]
    case = KINDS[kind][1](rng, area)
    NOTED.clear()
    started, told = time.process_time(), io.StringIO()
    found: dict[str, Any] = {"number": number, "kind": kind}
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            found["end"] = str(int(case()))
    except MedpipeError as error:
        found["end"] = type(error).__name__
        found["says"] = str(error)[:300]
    except BaseException as error:
        found["end"] = "fault"
        found["says"] = (
            f"{type(error).__name__}:"
            f" {str(error)[:300]}\n{''.join(traceback.format_tb(error.__traceback__)[-4:])}"
        )
    found["cpu_s"] = round(time.process_time() - started, 3)
    found["noted"] = sorted(set(NOTED))
    return found


NOTED: list[str] = []


def watch(area: Path) -> None:
    """Note each process, socket and change of a file outside the area, from now on."""
    inside = str(area.resolve())

    def outside(path: Any) -> bool:
        text = (
            os.path.realpath(os.fsdecode(path))
            if isinstance(path, str | bytes | os.PathLike)
            else inside
        )
        return not text.startswith((inside, "/dev/null"))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(WATCHED) and event != "socket.gethostname":
            NOTED.append(f"{event} {str(arguments)[:100]}")
        elif (
            event == "open"
            and isinstance(arguments[1], str)
            and set(arguments[1]) & set("wax+")
            and outside(arguments[0])
        ):
            NOTED.append(f"written: {arguments[0]}")
        elif event in CHANGES and outside(arguments[CHANGES[event]]):
            NOTED.append(f"{event} {arguments[CHANGES[event]]}")

    sys.addaudithook(hook)


def main() -> None:
    """Run the cases that the command line asks for."""
    global APP
    place, seed, first, count = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    (place / "temporary").mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(place / "temporary")
    os.environ["MEDPIPE_IDENTITY"] = str(place / "identity")
    os.chdir(place)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT))
    area, APP = Area(place / "area"), _app()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    _warm(area)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GIB,) * 2)
    watch(place)
    for number in range(first, first + count):
        out.write(json.dumps(one(area, seed, number)) + "\n")
    out.write(
        json.dumps(
            {"end": "done", "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
        )
        + "\n"
    )


def _warm(area: Area) -> None:
    """Read each kind of file once as it should be, so that what is imported is not counted."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert command("judge", "--bundle", str(area.write(area.bundle, "bundle"))) == 0
        assert command("audit-figures", "--from", str(area.file("table.csv", area.table))) == 0
        assert command("audit-data", str(area.write(area.images, "images"))) in (0, 3)
        command(
            "report",
            "--bundle",
            str(area.write(area.bundle, "bundle")),
            "--out",
            str(area.folder / "reports"),
        )
        command(
            "check-report",
            str(area.file("report.pdf", area.pdf)),
            "--signers",
            str(ROOT / "signers.toml"),
        )


if __name__ == "__main__":
    main()
