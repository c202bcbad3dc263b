"""Files that are not what they should be: names that lead outside, kinds that hang, sizes that
fill.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from attacks_place import make_bundle, reseal, write_specs
from hypothesis import given
from hypothesis import strategies as st

from medpipe.documents import MAX_DEPTH, parse_json, parse_yaml, read_file
from medpipe.errors import BundleError, MedpipeError, SpecError
from medpipe.evidence import Bundle, unpack
from medpipe.evidence.bundle import read_array
from medpipe.signing.signers import load_signers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    write_specs(tmp_path / "specs", "accuracy")
    return make_bundle(tmp_path / "bundle", tmp_path / "specs")


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "endless": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["manifest.json", "bundle.json", "findings.json", "specs/subject.yaml", "run"]
)
def test_what_is_no_plain_file_is_refused_and_never_waited_for(
    bundle: Bundle, kind: str, name: str
) -> None:
    path = bundle.folder / (f"runs/{bundle.keys()[0]}.json" if name == "run" else name)
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    with pytest.raises(MedpipeError):
        Bundle.open(bundle.folder).specs()


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless"])
def test_reading_one_file_never_hangs(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path / "file")
    with pytest.raises(SpecError):
        read_file(tmp_path / "file", 100)


@pytest.mark.parametrize(
    "name",
    [
        "conftest.py",
        "x.pth",
        "sitecustomize.py",
        "pytest.ini",
        "code/x.pyc",
        "code/.x.py",
        ".x.json",
        "code/__pycache__/x.cpython-311.pyc",
        "specs/conftest.py",
        "code/a-b.py",
        "a\\b.json",
        "x" * 245,
    ],
)
def test_files_that_other_programs_would_run_are_refused(bundle: Bundle, name: str) -> None:
    (bundle.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle.folder / name).write_bytes(b"import os\n")
    reseal(bundle.folder)
    with pytest.raises(BundleError, match="expected the files of a bundle"):
        Bundle.open(bundle.folder)


@pytest.mark.parametrize(
    "name",
    [
        "../x.json",
        "/x.json",
        "a/../../x.json",
        "a\\..\\x.json",
        "C:x.json",
        "C:\\x.json",
        "\0.json",
        "a//b.json",
        "./x.json",
        "x.json/",
        "con\n.json",
        "~/x.json",
        "file://x.json",
    ],
)
def test_names_never_lead_outside(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("bundle.json"), b"{}")
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, b"{}")
    with pytest.raises(BundleError):
        unpack(buffer.getvalue(), tmp_path / "inner/place")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) in ([], ["bundle.json"])


@pytest.mark.parametrize(
    "change",
    [
        {"run": 3},
        {"scalars": {"x": "1"}},
        {"scalars": []},
        {"history": [{"loss": []}]},
        {"extra": 1},
        {"notes": [1]},
        {"observations": {"validation": {}}},
        {"failure": {"kind": "other", "message": "x"}},
        {"provenance": None},
        {"version": True},
        {"version": 2},
        {"resolved": None},
        {"file_digests": [1]},
    ],
)
def test_a_run_record_is_held_against_its_schema(bundle: Bundle, change: dict[str, object]) -> None:
    key = bundle.keys()[0]
    path = bundle.folder / f"runs/{key}.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), encoding="utf-8")
    reseal(bundle.folder)
    with pytest.raises(BundleError):
        Bundle.open(bundle.folder).get(key)


def stored(folder: Path, array: np.ndarray | bytes, member: str = "a.npy") -> Path:
    path = folder / "array.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if isinstance(array, bytes):
            archive.writestr(member, array)
        else:
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=True)
    return path


@pytest.mark.parametrize("kind", ["O", "c16", "S4", "M8[s]", ">i4", ">U3", "i4,f8", "V8", "g"])
def test_arrays_are_numbers_or_text(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BundleError, match="numbers or text"):
        read_array(stored(tmp_path, np.zeros(3, kind)))


@pytest.mark.parametrize(
    "array",
    [
        np.array([np.inf]),
        np.array([[-np.inf]], "f2"),
        np.zeros((1, 1, 1, 1, 1)),
        np.array([0xD800], "<u4").view("<U1"),
        np.array([0x7FFFFFFF], "<u4").view("<U1"),
    ],
)
def test_arrays_are_finite_flat_and_text_is_text(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(BundleError):
        read_array(stored(tmp_path, array))


@pytest.mark.parametrize(
    "shape", ["(10**12,)", "(2**62,)", "(-1,)", "(4, 0)", "('x',)", "()", "(3"]
)
def test_an_array_whose_header_does_not_fit_is_refused_before_memory_is_taken(
    tmp_path: Path, shape: str
) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with pytest.raises(BundleError):
        read_array(stored(tmp_path, header + b"\0" * 24))


def test_an_array_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, np.zeros(10 * 2**20))
    assert path.stat().st_size < 10**6
    with pytest.raises(BundleError):
        read_array(path)


@given(st.binary(max_size=300))
def test_any_bytes_as_json_are_data_or_a_sentence(raw: bytes) -> None:
    for read in (parse_json, parse_yaml):
        try:
            json.dumps(read(raw, "x"), allow_nan=False).encode()
        except SpecError as error:
            assert str(error).startswith("x")


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800"',
        '{"\\udfff": 1}',
        "9" * 30,
        "-" + "9" * 5000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    ],
)
def test_json_that_nothing_else_can_hold_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_json(text, "x")


def test_a_list_of_signers_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    raw = (ROOT / "signers.toml").read_bytes()
    (tmp_path / "signers.toml").write_bytes(b"\xef\xbb\xbf" + raw)
    assert load_signers(tmp_path / "signers.toml") == load_signers(ROOT / "signers.toml")


def bomb(member: bytes, count: int) -> bytes:
    """A PDF of a few kilobytes whose packed objects are ``count`` times ``member``."""
    packed = zlib.compress(b"4 0 [" + member * count + b"]", 9)
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(
        (
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[]/Count 0>>",
            b"<</Type/ObjStm/N 1/First 4/Length %d/Filter/FlateDecode>>stream\n%s\nendstream"
            % (len(packed), packed),
        ),
        1,
    ):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    rows = [(0, 0, 65535), *((1, p, 0) for p in places), (2, 3, 0), (1, len(out), 0)]
    table = b"".join(
        a.to_bytes(1, "big") + b.to_bytes(4, "big") + c.to_bytes(2, "big") for a, b, c in rows
    )
    head = b"5 0 obj\n<</Type/XRef/Size 6/W[1 4 2]/Root 1 0 R/Length %d>>stream\n" % len(table)
    return out + head + table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(out)


@pytest.mark.parametrize("member", [b"[]", b"<<>>"])
def test_a_pdf_that_unpacks_to_much_takes_little_memory(member: bytes) -> None:
    """140 kB took 6.3 GB."""
    contents = pytest.importorskip("medpipe.signing.pdf_contents")
    pytest.importorskip("pyhanko")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(contents.library_errors()):
        contents.survey(contents.open_pdf(bomb(member, 8_000_000)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_cut_report_is_unreadable(
    tmp_path: Path, run: Callable[..., object], share: float
) -> None:
    pytest.importorskip("pyhanko")
    from medpipe.checking.check import check_report

    raw = (ROOT / "reports/medical-ai-pipeline-reduced/model-card.pdf").read_bytes()
    checked = check_report(
        raw[: int(len(raw) * share)], trusted=load_signers(ROOT / "signers.toml")
    )
    assert not checked.ok
    assert checked.code == "unreadable"


def test_a_bundle_with_too_many_unpacked_bytes_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpipe.evidence.bundle.MAX_ARRAYS_BYTES", 1000)
    with pytest.raises(BundleError, match="at most 1000 bytes in all"):
        Bundle.open(bundle.folder)
    shutil.rmtree(bundle.folder)
