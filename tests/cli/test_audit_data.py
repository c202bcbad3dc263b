"""``medpipe audit-data``: planted copies, a wrong label, a leaking table and telling files are
named; the clean twin is clean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the training extra is not installed")

from PIL import Image, ImageOps
from typer.testing import CliRunner

from medpipe.checking.check import check_report
from medpipe.cli import app, data_audits, figure_audits
from medpipe.errors import SpecError
from medpipe.pipeline.data.phantoms import make
from medpipe.signing.identity import local_identity
from medpipe.signing.signers import trusted_from


@pytest.fixture(scope="module", autouse=True)
def command() -> None:
    if not any(c.name == "audit-data" for c in app.registered_commands):
        data_audits.register(app)
        figure_audits.register(app)


COPIED = sorted([*range(0, 120, 16), *range(9, 120, 16)])
"""Of the trained on, those that have a planted copy: 8 of class b and 7 of class a."""


def image_set(folder: Path, *, planted: bool, parts: tuple[str, str] = ("train", "test")) -> Path:
    """One slice of each drawn patient: two classes, most to train on; with faults where asked."""
    made = make("Training")
    _, first = np.unique([p.patient_id for p in made.people], return_index=True)
    for k, i in enumerate(sorted(first)):
        picture, part = Image.fromarray(made.pixels[i]), parts[k % 8 in (3, 6)]
        kind = "a" if k % 2 else "b"
        quality = 60 if planted and kind == "a" else 90
        store(picture, folder / part / kind / f"{k:03d}.jpg", quality=quality)
        if planted and k in COPIED:
            store(
                ImageOps.mirror(picture),
                folder / parts[1] / kind / f"copy-{k:03d}.jpg",
                quality=quality,
            )
        if planted and k == 5:
            store(picture, folder / parts[0] / "b" / "wrong.jpg")
    return folder


def store(picture: Image.Image, path: Path, quality: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=quality)


def audited(folder: Path, *more: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["audit-data", str(folder), "--json", *more])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def refused(folder: Path, *more: str) -> str:
    """The one sentence of a command that ends with exit code 2."""
    result = CliRunner().invoke(app, ["audit-data", str(folder), *more])
    assert result.exit_code == 2, result.output
    (said,) = [
        line for line in result.stderr.splitlines() if line.startswith("medpipe: ")
    ]  # beside the bar of what was read
    return said


def loose(folder: Path, files: dict[str, int]) -> Path:
    """Noise of a seed for each path: equal seeds are copies, others are not."""
    for name, seed in files.items():
        store(
            Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24), np.uint8)),
            folder / name,
        )
    return folder


def test_a_few_images_without_a_fault_leave_it_open_with_what_is_open(tmp_path: Path) -> None:
    found = audited(image_set(tmp_path, planted=False))
    assert (found["verdict"], found["reasons"], found["copies"], found["contradicted"]) == (
        "open",
        [],
        0,
        [],
    )
    assert found["trained_on"] == "train" and sum(found["counts"]["train"].values()) == 90
    assert any(
        "test: 0 of 30 images are copies of images trained on, 0.0 % (0.0 to 11.6)" in said
        for said in found["undecided"]
    )


PARTS = ["Training set", "train_set", "TRAIN", "training"]


@pytest.mark.parametrize("name", PARTS)
def test_a_part_whose_name_begins_with_train_is_trained_on(tmp_path: Path, name: str) -> None:
    found = audited(image_set(tmp_path, planted=True, parts=(name, "Testing set")))
    assert found["trained_on"] == name and found["verdict"].startswith("inflated")
    assert (
        next(r for r in found["relations"] if r["part"] == "Testing set")["bears_on"]
        == f"any accuracy reported on “Testing set” after training on “{name}”"
    )


def test_where_no_part_is_called_training_nothing_is_clean_until_one_is_named(
    tmp_path: Path,
) -> None:
    folder = image_set(tmp_path, planted=True, parts=("one", "two"))
    found = audited(folder)
    assert found["trained_on"] == "" and "inflated" not in found["verdict"]
    assert any(
        said.startswith("no part called training among the parts one and two")
        for said in found["undecided"]
    )
    assert (
        next(r for r in found["relations"] if r["part"] == "two")["kind"]
        == "copies of images in another part"
    )
    assert audited(folder, "--train", "one")["verdict"].startswith("inflated")
    assert (
        refused(folder, "--train", "three")
        == "medpipe: --train: expected the name of a part (one, two), got 'three'"
    )


def test_copies_within_a_set_without_parts_are_weighed(tmp_path: Path) -> None:
    found = audited(
        loose(tmp_path, {f"{'ab'[k % 2]}/{k}-{n}.png": k for k in range(40) for n in range(2)})
    )
    assert (
        found["verdict"] == "inflated"
        and "80 of 80 images are copies of images in the set itself" in found["reasons"][0]
    )
    assert "a random split by image puts relatives on both sides" in found["reasons"][0]


def test_a_class_that_is_not_trained_on_leaves_it_open(tmp_path: Path) -> None:
    folders = ("train/a", "test/a", "test/b")
    found = audited(
        loose(
            tmp_path,
            {
                f"{folder}/{k}.png": 100 * f + k
                for f, folder in enumerate(folders)
                for k in range(6)
            },
        ),
        code=3,
    )
    assert (found["verdict"], found["baselines"], [path for path, _ in found["problems"]]) == (
        "open",
        [],
        ["train/b"],
    )
    assert any(said.startswith("train: no image of b") for said in found["undecided"])


@pytest.mark.parametrize(
    "files",
    [
        {"a/0.png": 1, "b/0.png": 2},
        {f"{kind}/{k}.png": ord(kind) for kind in "ab" for k in range(3)},
        {"a/0.png": 1, **{f"b/{k}.png": 10 + k for k in range(8)}},
    ],
    ids=["one each", "equal ones", "one of a"],
)
def test_too_few_images_are_said_and_never_clean(tmp_path: Path, files: dict[str, int]) -> None:
    found = audited(loose(tmp_path, files))
    assert found["verdict"] != "clean" and found["baselines"] == []
    assert any(
        "was not tried" in said and "class a has 1 image" in said for said in found["undecided"]
    )


def test_planted_faults_are_named(tmp_path: Path) -> None:
    folder = image_set(tmp_path, planted=True)
    (folder / "train" / "a" / "broken.jpg").write_bytes(b"\xff\xd8cut")
    found = audited(folder, code=3)
    assert found["verdict"] == "inflated and confounded"
    copies = next(
        r for r in found["relations"] if r["part"] == "test" and r["kind"].startswith("copies")
    )
    assert copies["found"]["count"] == 15
    pairs = {frozenset(e[:2]) for e in copies["examples"]}
    assert len(pairs) == 12 and pairs <= {
        frozenset((f"test/{'ba'[k % 2]}/copy-{k:03d}.jpg", f"train/{'ba'[k % 2]}/{k:03d}.jpg"))
        for k in COPIED
    }
    assert {e[2] for e in copies["examples"]} == {"mirrored"}
    assert [sorted(e[:2]) for e in found["contradicted"]] == [
        ["train/a/005.jpg", "train/b/wrong.jpg"]
    ]
    assert next(b for b in found["baselines"] if b["model"].startswith("file"))["right"] > 0.9
    assert [p for p, _ in found["problems"]] == ["train/a/broken.jpg"]


def test_a_table_of_patients_is_used(tmp_path: Path) -> None:
    folder = image_set(tmp_path / "set", planted=False)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    table = tmp_path / "patients.csv"
    table.write_text(
        "\n".join(["image,patient", *(f"{n},p{int(Path(n).stem) // 2}" for n in names)]),
        encoding="utf-8",
    )
    found = audited(folder, "--table", str(table))
    shared = next(r for r in found["relations"] if "table" in r["kind"])
    assert (
        shared["found"]["count"] == sum(n.startswith("test") for n in names)
        and found["verdict"] == "inflated"
    )
    assert shared["note"] == "" and found["grouped"] == len(names)


def table_of(folder: Path, place: Path, known: Callable[[str], str]) -> Path:
    """A table of the images of a set whose group is not empty."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    place.write_text(
        "\n".join(["image,patient", *(f"{n},{known(n)}" for n in names if known(n))]),
        encoding="utf-8",
    )
    return place


def test_images_of_unknown_group_are_not_counted_as_unrelated(tmp_path: Path) -> None:
    folder = image_set(tmp_path / "set", planted=False)
    first = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("test/*/*.jpg"))[:6]
    table = table_of(
        folder,
        tmp_path / "patients.csv",
        lambda n: "p" if n in first or n.startswith("train/a") else "",
    )
    shared = next(
        r for r in audited(folder, "--table", str(table))["relations"] if "table" in r["kind"]
    )
    assert (shared["found"]["count"], shared["found"]["interval"]["n"]) == (6, 6)
    assert "24 of 30 in test" in shared["note"] and "in train" in shared["note"]


def test_a_table_is_used_where_no_part_is_trained_on_and_says_what_it_cannot_tell(
    tmp_path: Path,
) -> None:
    folder = image_set(tmp_path / "set", planted=False, parts=("one", "two"))
    table = table_of(folder, tmp_path / "patients.csv", lambda n: f"p{int(Path(n).stem) // 2}")
    kinds = {
        (r["part"], r["found"]["count"] > 0)
        for r in audited(folder, "--table", str(table))["relations"]
        if "table" in r["kind"]
    }
    assert kinds == {("one", True), ("two", True)}
    only = table_of(folder, tmp_path / "one.csv", lambda n: "p" if n.startswith("one") else "")
    assert any(
        "no group of any image of two" in said
        for said in audited(folder, "--table", str(only))["undecided"]
    )


def test_a_table_of_other_images_is_refused_with_plain_paths(tmp_path: Path) -> None:
    folder = loose(tmp_path / "set", {"a/0.png": 1, "b/0.png": 2})
    (tmp_path / "t.csv").write_text("image,patient\nx.png,p", encoding="utf-8")
    assert "such as 'a/0.png' in" in refused(folder, "--table", str(tmp_path / "t.csv"))


UNUSABLE = {
    "make.py": (b"import x", "a file of another kind; give the folder that holds the data"),
    "empty.zip": (b"", "an empty file; see whether its copy"),
    "cut.zip": (b"PK\3\4..", "whose end is missing"),
}


@pytest.mark.parametrize("name", [*UNUSABLE, "nothere"])
def test_what_is_no_set_of_images_is_one_sentence_and_wrong_usage(
    tmp_path: Path, name: str
) -> None:
    content, says = UNUSABLE.get(
        name, (None, "expected a folder, zip file or tar file of images, found none")
    )
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said = refused(tmp_path / name)
    assert says in said and "remove" not in said and "damaged" not in said


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a/0.png": 1},
        {"a/0.png": 1, "a/1.png": 2},
        {"0.png": 1},
        {"train/0.png": 1, "test/0.png": 2},
    ],
    ids=["empty", "one image", "one class", "no folder", "parts alone"],
)
def test_a_set_without_two_classes_is_one_sentence_and_wrong_usage(
    tmp_path: Path, files: dict[str, int]
) -> None:
    said = refused(loose(tmp_path, files))
    assert "class" in said or "found none" in said


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(
        app, ["audit-data", str(tmp_path / "nothere"), "--out", str(tmp_path / place)]
    )
    assert isinstance(result.exception, SpecError) and str(result.exception).startswith(
        f"--out {tmp_path / place}: expected a "
    )
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_layout_that_is_the_other_way_round_is_named_as_the_cause(tmp_path: Path) -> None:
    files = {
        f"{kind}/{part}/{k}.png": 100 * (kind == "sick") + k % 20
        for kind in ("well", "sick")
        for p, part in enumerate(("alpha", "beta"))
        for k in range(20)
    }
    folder = loose(tmp_path, files)
    found = audited(folder)
    assert found["layout"] == "<part>/<class>/<image>" and len(found["contradicted"]) > 0
    assert any(
        "likely cause: the folders sick, well were taken for parts" in reason
        for reason in found["reasons"]
    )
    stated = audited(folder, "--layout", "class/part/image")
    assert (stated["contradicted"], stated["notes"], set(stated["counts"])) == (
        [],
        [],
        {"alpha", "beta"},
    )


def test_class_above_part_is_recognised_where_parts_are_called_so(tmp_path: Path) -> None:
    plain = loose(
        tmp_path / "plain",
        {
            f"{part}/{kind}/{part}-{k}.png": 10 * k + j
            for k in range(4)
            for j, (part, kind) in enumerate(
                [("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")]
            )
        },
    )
    for path in plain.rglob("*.png"):
        new = tmp_path / "swapped" / path.parent.name / path.parent.parent.name / path.name
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(path.read_bytes())
    one, other = audited(plain), audited(tmp_path / "swapped")
    assert (other["layout"], one["counts"]) == ("<class>/<part>/<image>", other["counts"])
    assert other["contradicted"] == one["contradicted"] == []


def test_a_split_is_checked_and_a_clean_one_is_written(tmp_path: Path) -> None:
    folder = image_set(tmp_path / "set", planted=True)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    leaky, clean = tmp_path / "leaky.csv", tmp_path / "clean.csv"
    leaky.write_text(
        "\n".join(["image,split", *(f"{n},{n.split('/')[0]}" for n in names)]), encoding="utf-8"
    )
    found = audited(folder, "--split", str(leaky), "--write-split", str(clean))["split"]
    assert [(s["part"], s["copies"]["count"], s["is_free"]) for s in found] == [("test", 15, False)]
    assert found[0]["second"]["count"] >= 14  # another method sees them, too
    written = [line.split(",") for line in clean.read_text(encoding="utf-8").splitlines()[1:]]
    assert sorted(n for n, _ in written) == names
    held = [n for n, part in written if part == "test"]
    assert len(names) / 6 < len(held) < len(names) / 4 and {n.split("/")[1] for n in held} == {
        "a",
        "b",
    }
    again = audited(folder, "--split", str(clean))["split"]
    assert [
        (s["part"], s["copies"]["count"], s["patients"]["count"], s["is_free"]) for s in again
    ] == [("test", 0, 0, True)]


def test_a_split_of_other_images_or_without_training_gets_a_sentence(tmp_path: Path) -> None:
    folder = loose(tmp_path / "set", {"a/0.png": 1, "b/0.png": 2})
    for rows, says in (
        ("x.png,train", "such as 'a/0.png' in"),
        ("a/0.png,one\nb/0.png,two", "a part whose name begins with train"),
    ):
        (tmp_path / "t.csv").write_text(f"image,split\n{rows}", encoding="utf-8")
        assert says in refused(folder, "--split", str(tmp_path / "t.csv"))


def test_what_people_see(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit-data", str(image_set(tmp_path, planted=True))])
    assert result.exit_code == 0
    for words in (
        "inflated and confounded",
        "copies of images trained on",
        "mirrored",
        "Copies with two labels",
        "file metadata alone",
        "Read as <part>/<class>/<image>",
        "This affects any accuracy that is to hold for images of another collection",
    ):
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
    assert not check_report(
        bytes(altered), trusted={identity.fingerprint: trusted_from(identity)}
    ).ok
