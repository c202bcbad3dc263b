"""``medpipe audit-data``: planted copies, a wrong label, a leaking table and telling files are named; the clean twin is clean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the training extra is not installed")

from PIL import Image, ImageOps
from typer.testing import CliRunner

from medpipe.cli import app, auditing, data_auditing
from medpipe.pipeline.data.phantoms import make
from medpipe.report.check import check_report
from medpipe.report.identity import local_identity
from medpipe.report.signers import trusted_from


@pytest.fixture(scope="module", autouse=True)
def command() -> None:
    if not any(c.name == "audit-data" for c in app.registered_commands):
        data_auditing.register(app)
        auditing.register(app)


def image_set(folder: Path, *, planted: bool) -> Path:
    """One slice of each drawn patient: two classes, most to train on; with faults where asked."""
    made = make("Training")
    _, first = np.unique([p.patient_id for p in made.people], return_index=True)
    for k, i in enumerate(sorted(first)):
        picture, part = Image.fromarray(made.pixels[i]), "test" if k % 8 in (3, 6) else "train"
        kind = "a" if k % 2 else "b"
        store(picture, folder / part / kind / f"{k:03d}.jpg", quality=60 if planted and kind == "a" else 90)
        if planted and k % 8 == 0:
            store(ImageOps.mirror(picture), folder / "test" / kind / f"copy-{k:03d}.jpg")
        if planted and k == 5:
            store(picture, folder / "train" / "b" / "wrong.jpg")
    return folder


def store(picture: Image.Image, path: Path, quality: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=quality)


def audited(folder: Path, *more: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["audit-data", str(folder), "--json", *more])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_clean_twin_is_clean(tmp_path: Path) -> None:
    found = audited(image_set(tmp_path, planted=False))
    assert (found["verdict"], found["reasons"], found["copies"], found["contradicted"]) == ("clean", [], 0, [])
    assert found["trained_on"] == "train" and sum(found["counts"]["train"].values()) == 90


def test_planted_faults_are_named(tmp_path: Path) -> None:
    folder = image_set(tmp_path, planted=True)
    (folder / "train" / "a" / "broken.jpg").write_bytes(b"\xff\xd8cut")
    found = audited(folder, code=3)
    assert found["verdict"] == "inflated and confounded"
    copies = next(r for r in found["relations"] if r["part"] == "test" and r["kind"].startswith("copies"))
    assert copies["found"]["count"] == 15
    pairs = {frozenset(e[:2]) for e in copies["examples"]}
    assert len(pairs) == 12 and pairs <= {frozenset((f"test/b/copy-{k:03d}.jpg", f"train/b/{k:03d}.jpg")) for k in range(0, 120, 8)}
    assert {e[2] for e in copies["examples"]} == {"mirrored"}
    assert [sorted(e[:2]) for e in found["contradicted"]] == [["train/a/005.jpg", "train/b/wrong.jpg"]]
    assert next(b for b in found["baselines"] if b["model"].startswith("file"))["right"] > 0.9
    assert [p for p, _ in found["problems"]] == ["train/a/broken.jpg"]


def test_a_table_of_patients_is_used(tmp_path: Path) -> None:
    folder = image_set(tmp_path / "set", planted=False)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    table = tmp_path / "patients.csv"
    table.write_text("\n".join(["image,patient", *(f"{n},p{int(Path(n).stem) // 2}" for n in names)]), encoding="utf-8")
    found = audited(folder, "--table", str(table))
    shared = next(r for r in found["relations"] if "table" in r["kind"])
    assert shared["found"]["count"] == sum(n.startswith("test") for n in names) and found["verdict"] == "inflated"


def test_what_people_see(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit-data", str(image_set(tmp_path, planted=True))])
    assert result.exit_code == 0
    for words in ("inflated and confounded", "copies of images trained on", "mirrored", "Copies that carry two labels", "file marks alone"):
        assert words in result.output


def test_the_report_is_signed_and_carries_what_was_found(tmp_path: Path) -> None:
    pytest.importorskip("weasyprint")
    found = audited(image_set(tmp_path / "set", planted=True), "--out", str(tmp_path / "out"))
    pdf = (tmp_path / "out" / "data-report.pdf").read_bytes()
    identity = local_identity()
    checked = check_report(pdf, trusted={identity.fingerprint: trusted_from(identity)})
    assert checked.ok, checked.steps
    assert checked.steps[-1].name == "findings" and checked.signed is not None
    attached = json.loads(checked.signed.attachments["data-audit.json"])
    assert attached == {**found, "source": attached["source"]}
    altered = bytearray(pdf)
    altered[len(pdf) // 3] ^= 1
    assert not check_report(bytes(altered), trusted={identity.fingerprint: trusted_from(identity)}).ok
