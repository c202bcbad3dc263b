"""A bundle gives back what was put in, and shows every change made behind its back."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medpipe.errors import BundleError, FormatVersionError, TamperedError
from medpipe.evidence import Bundle, Evidence, pack, unpack


def test_evidence_goes_round(bundle: Bundle, evidence: Callable[..., Evidence]) -> None:
    before = evidence(1)
    after = bundle.get(before.run.key)
    assert after is not None
    assert (after.run, after.resolved, after.provenance, after.scalars, list(after.notes)) == (
        before.run,
        before.resolved,
        before.provenance,
        before.scalars,
        list(before.notes),
    )
    assert after.history == (
        {"epoch": 1, "loss": None},
    )  # what JSON cannot hold is absent, not invented
    for name, array in before.observations["validation"].arrays.items():
        assert (after.observations["validation"][name] == array).all()
    assert after.observations["validation"].cluster == "patient_id"
    assert bundle.get("no-such-run") is None


def test_shared_arrays_are_stored_once(bundle: Bundle) -> None:
    assert (
        len(list((bundle.folder / "arrays").glob("*.npz"))) == 6 + 4
    )  # sample and patient ids are the same in both runs


def test_sealing_twice_gives_the_same_root(bundle: Bundle) -> None:
    assert bundle.seal() == bundle.seal() == Bundle.open(bundle.folder).root_digest


def test_sealing_drops_arrays_that_no_run_names(bundle: Bundle) -> None:
    (bundle.folder / f"runs/{bundle.keys()[0]}.json").unlink()
    bundle.seal()
    assert len(list((bundle.folder / "arrays").glob("*.npz"))) == 6
    Bundle.open(bundle.folder)


def test_reports_beside_it_are_no_part_of_it(bundle: Bundle) -> None:
    (bundle.folder / "audit-report.pdf").write_bytes(b"%PDF-")
    Bundle.open(bundle.folder)


def array_of(bundle: Bundle) -> Path:
    return sorted((bundle.folder / "arrays").glob("*.npz"))[0]


@pytest.mark.parametrize(
    ("tamper", "field"),
    [
        (lambda b: (b.folder / "specs/subject.yaml").write_bytes(b"version: 2\n"), "changed"),
        (lambda b: (b.folder / "runs/other.json").write_bytes(b"{}"), "extra"),
        (lambda b: array_of(b).unlink(), "missing"),
        (lambda b: array_of(b).rename(b.folder / "arrays/other.npz"), "extra"),
    ],
)
def test_tampering_is_named(bundle: Bundle, tamper: Callable[[Bundle], object], field: str) -> None:
    tamper(bundle)
    with pytest.raises(TamperedError) as caught:
        Bundle.open(bundle.folder)
    names = getattr(caught.value, field)
    assert names
    assert names[0] in str(caught.value)


def test_symbolic_links_are_refused(bundle: Bundle) -> None:
    (bundle.folder / "runs/link.json").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="symbolic link"):
        Bundle.open(bundle.folder)


@pytest.mark.parametrize("name", ["bundle.json", "manifest.json", "runs"])
def test_unknown_format_versions_are_refused(bundle: Bundle, name: str) -> None:
    path = bundle.folder / (f"runs/{bundle.keys()[0]}.json" if name == "runs" else name)
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "version": 3}), encoding="utf-8"
    )
    with pytest.raises(FormatVersionError, match=r"expected format version 1( or 2)?, got 3"):
        (
            bundle.manifest()
            if name == "manifest.json"
            else bundle.header()
            if name == "bundle.json"
            else bundle.get(bundle.keys()[0])
        )


def test_pickles_are_never_opened(bundle: Bundle) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(bundle.folder / "hacked"),)

    for path in (bundle.folder / "arrays").glob("*.npz"):
        with path.open("wb") as file:
            np.savez(file, a=np.array([Evil()], dtype=object))
    with pytest.raises(BundleError, match="one stored array"):
        bundle.get(bundle.keys()[0])
    assert not (bundle.folder / "hacked").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file at all"])
def test_broken_arrays_are_one_sentence(bundle: Bundle, content: bytes) -> None:
    for path in (bundle.folder / "arrays").glob("*.npz"):
        path.write_bytes(content)
    with pytest.raises(BundleError, match="one stored array"):
        bundle.get(bundle.keys()[0])


def test_create_goes_on_with_its_own_and_refuses_another(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.folder / ".tmp-left-over").write_bytes(b"half")
    assert Bundle.create(bundle.folder, "made-up", "small").keys() == bundle.keys()
    assert not (bundle.folder / ".tmp-left-over").exists()
    with pytest.raises(BundleError, match="got another"):
        Bundle.create(bundle.folder, "made-up", "large")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_bytes(b"")
    with pytest.raises(BundleError, match="empty folder or a bundle"):
        Bundle.create(tmp_path / "full", "x", "y")
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Bundle.open(tmp_path / "nothing")


def test_packing_goes_round_and_is_the_same_each_time(bundle: Bundle, tmp_path: Path) -> None:
    packed = pack(bundle)
    shutil.copytree(bundle.folder, tmp_path / "copy")
    assert pack(Bundle(tmp_path / "copy")) == packed
    assert unpack(packed, tmp_path / "out").root_digest == bundle.root_digest


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a\\b", "C:x", "runs/../../x"])
def test_hostile_names_are_refused_not_put_right(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="plain relative names"):
        unpack(zipped([(name, b"")]), tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_case_twins_bombs_and_broken_files_are_refused(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="every name once, got 1 again"):
        unpack(zipped([("a.json", b""), ("A.json", b"")]), tmp_path / "twins")
    with pytest.raises(BundleError, match="at most 5000 bytes unpacked, got 10000"):
        unpack(zipped([("a.json", b"0" * 10_000)]), tmp_path / "bomb", limit=5_000)
    assert not list(tmp_path.glob("twins/*")) and not list(tmp_path.glob("bomb/*"))
    packed = pack(bundle)
    with pytest.raises(BundleError, match="broken one"):
        unpack(packed[: len(packed) // 2], tmp_path / "cut")


def test_every_flipped_byte_of_a_packed_bundle_is_found(bundle: Bundle, tmp_path: Path) -> None:
    packed = bytearray(pack(bundle))
    for number, position in enumerate(np.random.default_rng(0).integers(0, len(packed), 60)):
        packed[position] ^= 1
        try:
            root = unpack(bytes(packed), tmp_path / f"flip{number}").root_digest
        except BundleError:
            pass
        else:  # a flip in what ZIP itself does not use (a date, say) leaves the content as it was
            assert root == bundle.root_digest
        packed[position] ^= 1
