"""Any layout, written in any form, is read as the same set of images; malformed sets end in one
sentence.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import random
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

pytest.importorskip("cv2", reason="the training extra is not installed")

import numpy as np
from PIL import Image

from medpipe.errors import DataError
from medpipe.pipeline.data.image_layout import WHOLE
from medpipe.pipeline.data.image_sets import read_image_set
from medpipe.pipeline.data.images import load_images

Scaled = Callable[[int, int], int]
CLASSES = ("benign", "malignant", "Tumor", "no tumor", "mel", "Klasse Ü", "class 3")
PARTS = (
    ("train", "test"),
    ("Training", "Testing"),
    ("train_set", "validation", "Test set"),
    ("fold_1", "fold_2"),
)


class Sample(NamedTuple):
    part: str
    label: str
    group: str
    name: str


@composite
def sets(draw: DrawFn) -> list[Sample]:
    """At least two classes, in every part if there are parts; patients of one class each, or
    none.
    """
    classes = draw(st.lists(st.sampled_from(CLASSES), min_size=2, max_size=4, unique=True))
    parts = draw(st.sampled_from([(WHOLE,), *PARTS]))
    has_patients = draw(st.booleans())
    found: list[Sample] = []
    for part in parts:
        for label in classes:
            for patient in range(draw(st.integers(2, 3))):
                group = f"p{part[:3]}{classes.index(label)}{patient}" if has_patients else ""
                for _ in range(draw(st.integers(1, 3)) if has_patients else 1):
                    ending = draw(st.sampled_from([".png", ".PNG"]))
                    found.append(Sample(part, label, group, f"im{len(found):03d}{ending}"))
    return found


def picture(number: int) -> bytes:
    stored = io.BytesIO()
    values = np.random.default_rng(number).integers(0, 255, (9, 9), np.uint8)
    Image.fromarray(values).save(stored, "PNG")
    return stored.getvalue()


def paths(samples: list[Sample], order: tuple[str, ...]) -> dict[str, bytes]:
    """The files of a layout: folders in the order that is asked for, as far as there are any."""
    found = {}
    for number, s in enumerate(samples):
        steps = {"part": "" if s.part == WHOLE else s.part, "class": s.label, "patient": s.group}
        name = "/".join([*(steps[o] for o in order if steps[o]), s.name])
        found[name] = picture(number)
    return found


def beside_a_table(samples: list[Sample]) -> dict[str, bytes]:
    text = io.StringIO()
    table = csv.writer(text, delimiter=";" if len(samples) % 2 else ",")
    table.writerow(["patient_id", "image_id", "dx", "split"])
    for s in samples:
        named = s.name if len(samples) % 3 else s.name.partition(".")[0]
        table.writerow([s.group, named, s.label, "" if s.part == WHOLE else s.part])
    return {
        "metadata.csv": text.getvalue().encode("utf-8-sig"),
        **{s.name: picture(i) for i, s in enumerate(samples)},
    }


def as_folder(place: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def as_zip(place: Path, files: Mapping[str, bytes], change: Callable[[str], str] = str) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = change(name)
            archive.writestr(info, content)
    return place


def as_tar(place: Path, files: Mapping[str, bytes], start: str) -> Path:
    with tarfile.open(place, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(start + name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return place


def as_cache(place: Path, files: Mapping[str, bytes]) -> Path:
    (place / "blobs").mkdir(parents=True)
    for name, content in {**files, "README.md": b"# a data card", ".gitattributes": b"x"}.items():
        blob = place / "blobs" / hashlib.sha256(name.encode()).hexdigest()
        blob.write_bytes(content)
        link = place / "snapshots" / "0a1b" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return place


def forms(root: Path, files: Mapping[str, bytes]) -> Iterator[tuple[str, Path]]:
    """The same files in every form that people bring them in."""
    litter = {f"__MACOSX/my set/{name}": b"\0\5" for name in files}
    yield "folder", as_folder(root / "folder", files)
    yield (
        "folder in a folder",
        as_folder(root / "above", {f"my set/{n}": c for n, c in files.items()}).resolve(),
    )
    yield "zip", as_zip(root / "a.zip", files)
    mac = {**{f"my set/{n}": c for n, c in files.items()}, **litter, "my set/.DS_Store": b"x"}
    yield "zip of a folder by Finder", as_zip(root / "mac.zip", mac)
    yield (
        "zip with backslashes",
        as_zip(root / "back.zip", files, lambda name: name.replace("/", "\\")),
    )
    yield "tar.gz", as_tar(root / "a.tar.gz", files, "")
    yield "tar.gz of .", as_tar(root / "dot.tgz", files, "./")
    yield "tar.gz of a folder", as_tar(root / "top.tar.gz", files, "my set/")
    yield "cache of the Hub", as_cache(root / "cache", files)
    yield "snapshot of the Hub", as_cache(root / "other", files) / "snapshots" / "0a1b"


def read_by_audit(place: Path) -> set[tuple[str, str, str, str]]:
    found = read_image_set(place)
    assert found.problems == ()
    group = found.group_of()
    return {
        (digest, part, found.data.classes[k], group.get(path, ""))
        for part, p in found.data.parts.items()
        for path, k, digest in zip(
            p.sample_id.tolist(), p.label.tolist(), p.groups["bytes"].tolist(), strict=True
        )
    }


def read_by_pipeline(place: Path, contents: Mapping[str, str]) -> set[tuple[str, str, str, str]]:
    """``contents``: the digest of each image by the end of its path."""
    data = load_images(f"folder:{place}")
    found = set()
    for part, p in data.parts.items():
        group = next(iter(p.groups.values()), np.full(len(p), ""))
        for path, k, g in zip(p.sample_id.tolist(), p.label.tolist(), group.tolist(), strict=True):
            found.add((contents[path.rpartition("/")[2]], part, data.classes[k], g))
    return found


ORDERS = {
    "part/class/patient": ("part", "class", "patient"),
    "part/patient/class": ("part", "patient", "class"),
    "class/part/patient": ("class", "part", "patient"),
}


def test_every_layout_in_every_form_is_read_as_the_same_set(
    scaled: Scaled, keep_result: Any
) -> None:
    count = 0

    @settings(
        max_examples=scaled(3, 300),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(samples=sets(), order=st.sampled_from([*ORDERS, "table"]))
    def check(samples: list[Sample], order: str) -> None:
        nonlocal count
        digests = {s.name: hashlib.sha256(picture(i)).hexdigest() for i, s in enumerate(samples)}
        wanted = {(digests[s.name], s.part, s.label, s.group) for s in samples}
        if samples[0].part == WHOLE and order == "part/patient/class":
            order = (  # without parts, few folders above the classes might be parts as well
                "part/class/patient"
            )
        files = beside_a_table(samples) if order == "table" else paths(samples, ORDERS[order])
        with tempfile.TemporaryDirectory() as folder:
            for form, place in forms(Path(folder), files):
                assert read_by_audit(place) == wanted, (form, order)
                assert read_by_pipeline(place, digests) == wanted, (form, order)
                count += 1

    check()
    keep_result("image_layouts", {"sets_read": count, "forms": 10, "layouts": [*ORDERS, "table"]})


def malformed(rng: random.Random, whole: Mapping[str, bytes], place: Path) -> Path:
    """A set with one thing broken: an image, a name, an archive's bytes, a table, a link."""
    files = dict(whole)
    name = rng.choice(sorted(files))
    kind = rng.randrange(9)
    if kind == 0:
        files[name] = files[name][: rng.randrange(len(files[name]))]
    elif kind == 1:
        raw = bytearray(files[name])
        for _ in range(rng.randrange(1, 9)):
            raw[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
        files[name] = bytes(raw)
    elif kind == 2:
        files[name] = rng.choice(
            [b"", b"GIF89a", b"<html>", b"\x89PNG\r\n\x1a\n" + rng.randbytes(40), rng.randbytes(99)]
        )
    elif kind == 3:
        files = {
            rng.choice(
                [
                    n,
                    n.replace("/", "//"),
                    f"../{n}",
                    f"/{n}",
                    n.upper(),
                    n + "\n",
                    f"a:/{n}",
                    n.replace("a", "\u202e"),
                ]
            ): c
            for n, c in files.items()
        }
    elif kind == 4:
        head = rng.choice(
            [
                "image_id,dx",
                "image_id;dx;dx",
                "dx",
                "image_id\tdx\tlesion_id",
                "image_id,dx,\x00",
                '"image_id,dx',
            ]
        )
        lines = [
            head,
            *(f"{n},{rng.choice(['a', 'b', ''])}" for n in files),
            rng.choice(["x", ",,,,", "\xff", '"']),
        ]
        files = {n.rpartition("/")[2]: c for n, c in files.items()} | {
            "t.csv": "\n".join(lines).encode("latin-1")
        }
    elif kind == 5:
        files = {n: c for n, c in files.items() if rng.random() < 0.4}
    elif kind == 6:
        files = {"/".join(rng.sample(n.split("/"), len(n.split("/")))): c for n, c in files.items()}
    to = rng.randrange(4)
    if to == 0 and kind != 3:
        made = as_folder(place / "set", {n.replace("\n", "") or "x": c for n, c in files.items()})
        if kind == 7:
            (made / "link.png").symlink_to(
                rng.choice(["/etc/passwd", ".", "nowhere", "link.png", "/dev/zero"])
            )
        return made if made.exists() else place
    made = (
        as_zip(place / "a.zip", files)
        if to < 2
        else as_tar(place / "a.tar.gz", files, rng.choice(["", "./", "/", "../"]))
    )
    if kind == 8 or rng.random() < 0.3:
        raw = bytearray(made.read_bytes())
        if rng.random() < 0.5:
            raw = raw[: rng.randrange(len(raw))]
        for _ in range(rng.randrange(4) if raw else 0):
            raw[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
        made.write_bytes(bytes(raw))
    return made


def test_malformed_sets_end_in_one_sentence_and_write_nothing(
    scaled: Scaled, keep_result: Any
) -> None:
    samples = [
        Sample(part, label, "", f"a{k}.png")
        for part in ("train", "test")
        for label in ("a", "b")
        for k in range(3)
    ]
    whole, total = paths(samples, ("part", "class")), scaled(60, 10_000)
    refused, read, largest = 0, 0, 0
    for seed in range(total):
        with tempfile.TemporaryDirectory() as folder:
            rng, place = random.Random(seed), Path(folder)
            (place / "in").mkdir()
            given_ = malformed(rng, whole, place / "in")
            before = sorted(p for p in place.rglob("*"))
            tracemalloc.start()
            for reader, asked in ((read_image_set, given_), (load_images, f"folder:{given_}")):
                try:
                    reader(asked)  # type: ignore[operator]
                    read += 1
                except DataError as error:
                    refused += 1
                    assert len(str(error)) < 2000 and "remove" not in str(error)
            largest = max(largest, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert sorted(p for p in place.rglob("*")) == before
    assert refused > 0.2 * total and read > 0.1 * total and largest < 2**30
    keep_result(
        "image_malformed",
        {"sets": total, "refused": refused, "read": read, "largest_mib": round(largest / 2**20, 1)},
    )
