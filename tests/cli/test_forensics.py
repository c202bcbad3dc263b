"""``medpipe mark`` and ``medpipe forensics``: what is found, what is never said, and what happens
with unusable files.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL", reason="the training extra is not installed")

from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from medpipe.cli import app, main, marking
from medpipe.marking.key import new_key
from medpipe.marking.manifest import read_manifest
from medpipe.pipeline.data.phantoms import make


@pytest.fixture(scope="module", autouse=True)
def command() -> None:
    if not any(c.callback is marking.mark for c in app.registered_commands):
        marking.register(app)


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    return [
        Image.fromarray(plane).resize((64, 64), Image.Resampling.BILINEAR)
        for plane in make("Training").pixels[[0, 40, 80, 120]]
    ]


@pytest.fixture
def place(drawn: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Drawn slices of 64 pixels, grey, colour and JPEG, and a key."""
    drawn[0].save(tmp_path / "grey.png")
    Image.merge("RGB", [drawn[1], drawn[1].rotate(3), drawn[2]]).save(tmp_path / "colour.png")
    drawn[2].save(tmp_path / "photo.jpg", quality=95)
    drawn[3].save(tmp_path / "other.png")
    new_key(tmp_path / "key")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = ("grey.png", "colour.png", "photo.jpg")


def invoked(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def marked(*more: str) -> Result:
    result = invoked("mark", *FILES, "--key", "key", *more)
    assert result.exit_code == 0, result.output
    return result


def found(*words: str, code: int = 0) -> dict[str, Any]:
    result = invoked("forensics", *words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str]:
    """Exit code and the one sentence, as the command line itself gives them."""
    monkeypatch.setattr(sys, "argv", ["medpipe", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0 and said.startswith("medpipe: ")
    return int(str(end.value.code)), said


def mode_of(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


def test_copies_are_marked_and_listed_and_originals_listed(place: Path) -> None:
    marked("--run", "run-1-s0")
    assert sorted(p.name for p in (place / "marked").iterdir()) == [
        "colour.png",
        "grey.png",
        "photo.png",
        "synthetic-manifest.json",
    ]
    told = found(
        "marked/grey.png",
        "marked/colour.png",
        "marked/photo.png",
        *FILES,
        "other.png",
        "--key",
        "key",
        "--manifest",
        "marked/synthetic-manifest.json",
    )
    assert [f["found"] for f in told["files"]] == [["marked", "listed"]] * 3 + [["listed"]] * 3 + [
        ["unmarked"]
    ]
    assert all(f["watermark"]["z"] > 6 for f in told["files"][:3]) and all(
        f["watermark"]["false_alarm"] > 1e-6 for f in told["files"][3:]
    )
    assert {w["run"] for f in told["files"] for w in f["listed"]} == {"run-1-s0"}
    assert [
        mode_of(place / "marked" / name) for name in ("grey.png", "colour.png", "photo.png")
    ] == ["L", "RGB", "L"]
    assert read_manifest(place / "marked/synthetic-manifest.json").key == told["key"]


def test_jpeg_keeps_the_mark_png_the_listing_too_and_another_key_finds_nothing(place: Path) -> None:
    marked("--manifest", "m.json")
    with Image.open("marked/grey.png") as image:
        image.save("again.png", optimize=True)
        image.convert("RGB").save("rgb.png")
        image.save("again.jpg", quality=60)
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("flipped.png")
    new_key(place / "another")
    told = found(
        "again.png", "rgb.png", "again.jpg", "flipped.png", "--key", "key", "--manifest", "m.json"
    )
    assert [f["found"] for f in told["files"]] == [
        ["marked", "listed"],
        ["marked", "listed"],
        ["marked"],
        ["unmarked"],
    ]
    assert [w["by"] for f in told["files"] for w in f["listed"]] == ["pixels", "pixels"]
    assert [f["found"] for f in found("again.png", "again.jpg", "--key", "another")["files"]] == [
        ["unmarked"]
    ] * 2


def test_unmarked_is_never_called_real(place: Path) -> None:
    result = invoked("forensics", "other.png", "--key", "key")
    assert result.exit_code == 0
    assert (
        "other.png: unmarked (z" in result.output
        and "Unmarked does not mean real: absence of a mark proves nothing." in result.output
    )
    marked("--manifest", "m.json")
    listed = ("--manifest", "m.json")
    assert (
        "unmarked, but the watermark was not looked for, no key was given"
        in invoked("forensics", "other.png", *listed).output
    )
    assert found("other.png", *listed)["files"][0]["found"] == ["unmarked"]
    assert found("other.png")["files"][0]["found"] == ["not looked for"]
    assert "neither a key nor a manifest was given" in invoked("forensics", "other.png").output
    assert "proves nothing" in found("other.png")["note"]


def unusable(place: Path) -> list[str]:
    (place / "empty.png").touch()
    (place / "cut.png").write_bytes((place / "grey.png").read_bytes()[:700])
    (place / "text.png").write_text("no image", encoding="utf-8")
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "GIF")
    (place / "other.gif").write_bytes(stream.getvalue())
    (place / "folder.png").mkdir()
    return ["empty.png", "cut.png", "text.png", "other.gif", "folder.png", "nowhere.png"]


def test_unusable_files_get_a_sentence_each_and_the_others_are_examined(place: Path) -> None:
    names = unusable(place)
    told = found("grey.png", *names, "other.png", "--key", "key", code=3)
    assert [f["file"] for f in told["files"]] == ["grey.png", "other.png"]
    assert [path for path, _ in told["problems"]] == names
    assert all(
        what.startswith(f"{path}: expected ") and "\n" not in what
        for path, what in told["problems"]
    )


def unmarkable(place: Path) -> list[str]:
    Image.fromarray(np.full((64, 64), 700, dtype=np.uint16)).save("sixteen.png")
    Image.new("RGBA", (64, 64)).save("clear.png")
    return [*unusable(place), "sixteen.png", "clear.png"]


def test_files_that_cannot_be_marked_are_named_and_the_others_are_marked(place: Path) -> None:
    names = unmarkable(place)
    del names[names.index("other.gif")]  # its copy would be called as that of other.png
    result = invoked("mark", "grey.png", *names, "other.png", "--key", "key")
    assert (
        result.exit_code == 3
        and "2 images marked" in result.output
        and f"{len(names)} files could not be marked" in result.output
    )
    assert all(f"{name}: expected " in result.output for name in names)
    assert sorted(p.name for p in (place / "marked").iterdir()) == [
        "grey.png",
        "other.png",
        "synthetic-manifest.json",
    ]
    told = found(
        "marked/grey.png",
        "marked/other.png",
        "--key",
        "key",
        "--manifest",
        "marked/synthetic-manifest.json",
    )
    assert [f["found"] for f in told["files"]] == [["marked", "listed"]] * 2
    assert {i.name for i in read_manifest(place / "marked/synthetic-manifest.json").images} == {
        "grey.png",
        "other.png",
    }


def test_marking_leaves_nothing_behind_if_no_file_can_be_used(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = unmarkable(place)
    before = {p.name for p in place.iterdir()}
    for name in names:
        code, said = refused(
            capsys, monkeypatch, "mark", name, "--key", "key", "--manifest", "m.json"
        )
        assert code == 3 and name in said
    code, said = refused(capsys, monkeypatch, "mark", *names[:3], "--key", "key")
    assert code == 3 and f"none of 3 files could be marked; the first: {names[0]}" in said
    assert {p.name for p in place.iterdir()} == before


def test_an_image_with_transparency_is_examined_beside_others(place: Path) -> None:
    Image.new("RGBA", (64, 64)).save("clear.png")
    assert [f["file"] for f in found("grey.png", "clear.png", "--key", "key")["files"]] == [
        "grey.png",
        "clear.png",
    ]


def test_a_sixteen_bit_image_is_looked_through_by_its_upper_bits(place: Path) -> None:
    marked()
    with Image.open("marked/grey.png") as image:
        values = np.asarray(image).astype(np.uint16) * 257
    Image.fromarray(values).save("sixteen.png")
    told = found("sixteen.png", "--key", "key", "--manifest", "marked/synthetic-manifest.json")
    assert told["files"][0]["found"] == ["marked", "listed"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["mark"], 2, "image files and --key FILE"),
        (["mark", "grey.png"], 2, "--new-key"),
        (["forensics"], 2, "expected image files"),
        (["mark", "grey.png", "--key", "nokey"], 2, "make one with"),
        (["mark", "grey.png", "--key", "grey.png"], 2, "grey.png"),
        (["mark", "--new-key", "key"], 2, "already"),
        (["mark", "grey.png", "--new-key", "k2"], 2, "--new-key alone"),
        (["mark", "grey.png", "--key", "key", "--run", ""], 2, "--run"),
        (["mark", "grey.png", "--key", "key", "--out", "full"], 3, "empty folder"),
        (["mark", "grey.png", "--key", "key", "--manifest", "other.png"], 3, "new manifest"),
        (["mark", "grey.png", "./grey.png", "--key", "key"], 3, "twice"),
        (
            ["mark", "grey.png", "--key", "key", "--out", "grey.png/x"],
            2,
            "expected a folder to write to",
        ),
        (["mark", "grey.png", "--key", "key", "--out", "/proc/none"], 2, "can be written"),
        (
            ["mark", "grey.png", "--key", "key", "--manifest", "grey.png/x"],
            2,
            "expected a folder to write to",
        ),
        (["mark", "grey.png", "--key", "key", "--c2pa-key", "key"], 2, "together"),
        (
            ["mark", "grey.png", "--key", "key", "--c2pa-key", "key", "--c2pa-certificate", "key"],
            2,
            "PEM file",
        ),
        (["forensics", "grey.png", "--manifest", "none.json"], 2, "none.json"),
        (["forensics", "grey.png", "--manifest", "text"], 2, "JSON"),
    ],
)
def test_wrong_use_is_one_sentence_and_a_code(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    says: str,
) -> None:
    (place / "full").mkdir()
    (place / "full" / "a").touch()
    (place / "text").write_text("{", encoding="utf-8")
    before = sorted(place.rglob("*"))
    got, said = refused(capsys, monkeypatch, *words)
    assert got == code and says in said, said
    assert sorted(place.rglob("*")) == before


def test_a_new_key_marks(place: Path) -> None:
    result = invoked("mark", "--new-key", "k2")
    assert result.exit_code == 0 and "Keep it secret" in result.output
    assert invoked("mark", "grey.png", "--key", "k2").exit_code == 0
    assert found("marked/grey.png", "--key", "k2")["files"][0]["found"] == ["marked"]


def test_copies_too_small_for_the_mark_are_named(place: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save("small.png")
    result = invoked("mark", "small.png", "--key", "key")
    assert (
        result.exit_code == 0
        and "only the manifest identifies 1 image (small.png)" in result.output
    )


def test_c2pa_without_its_package_says_what_to_install(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    (place / "chain.pem").write_text("-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    (place / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n", encoding="utf-8")
    code, said = refused(
        capsys,
        monkeypatch,
        "mark",
        "grey.png",
        "--key",
        "key",
        "--c2pa-certificate",
        "chain.pem",
        "--c2pa-key",
        "key.pem",
    )
    assert code == 3 and "pip install 'medpipe[c2pa]'" in said and not (place / "marked").exists()
