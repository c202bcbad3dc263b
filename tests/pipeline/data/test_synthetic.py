"""The loaders of real images refuse what a manifest lists as synthetic, and nothing else."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medpipe.errors import DataError
from medpipe.marking.manifest import NAME, SyntheticImage, SyntheticManifest, listed, write_manifest
from medpipe.pipeline.data.image_sets import read_image_set
from medpipe.pipeline.data.images import load_images

SET = "brain-tumor-mri-dataset"
FILE = "Testing/glioma/Te_1.jpg"
Unpacked = Callable[[Path, Mapping[str, bytes]], Path]


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def entry(content: bytes) -> SyntheticImage:
    return listed("made.jpg", content, np.asarray(opened(content)), marked=False)


def manifest_of(content: bytes) -> SyntheticManifest:
    return SyntheticManifest((entry(content),), "run-0-s0")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def place(home: Path, unpacked: Unpacked, mri_files: dict[str, bytes]) -> Path:
    """The unpacked set; `own_homes` makes its parent the data home."""
    return unpacked(home / SET, mri_files)


def refused(where: Path, *, name: str = FILE) -> None:
    """Both loaders name the file, the manifest and the run."""
    for load in (lambda: load_images(SET), lambda: read_image_set(where)):
        with pytest.raises(DataError) as caught:
            load()
        for word in (name, NAME, "run-0-s0", "expected real images"):
            assert word in str(caught.value)


def test_a_listed_file_is_refused_wherever_the_manifest_lies(
    home: Path,
    place: Path,
    tmp_path: Path,
    mri_files: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = load_images(SET).digest
    for folder in (place, home, tmp_path / "elsewhere"):
        write_manifest(folder / NAME, manifest_of(mri_files[FILE]))
        if folder.name == "elsewhere":
            monkeypatch.setenv("MEDPIPE_SYNTHETIC", f"{tmp_path / 'elsewhere' / NAME}{os.pathsep}")
        refused(place)
        (folder / NAME).unlink()
        monkeypatch.delenv("MEDPIPE_SYNTHETIC", raising=False)
    assert load_images(SET).digest == before


def test_a_manifest_that_lists_others_refuses_nothing_and_is_no_part_of_the_data(
    place: Path, mri_files: dict[str, bytes], picture: Callable[..., bytes]
) -> None:
    before = load_images(SET)
    write_manifest(place / NAME, manifest_of(picture(999)))
    after = load_images(SET)
    assert after.digest == before.digest and len(after.parts["Testing"]) == 8
    assert read_image_set(place).problems == ()


def test_saving_again_without_loss_does_not_help(place: Path, mri_files: dict[str, bytes]) -> None:
    write_manifest(place / NAME, manifest_of(mri_files[FILE]))
    stream = io.BytesIO()
    opened(mri_files[FILE]).convert("RGB").save(stream, "PNG")
    (place / FILE).unlink()
    (place / FILE).with_suffix(".png").write_bytes(stream.getvalue())
    refused(place, name="Testing/glioma/Te_1.png")


def test_in_a_zip_file(
    home: Path, zipped: Unpacked, mri_files: dict[str, bytes], tmp_path: Path
) -> None:
    write_manifest(tmp_path / NAME, manifest_of(mri_files[FILE]))
    path = zipped(home / f"{SET}.zip", mri_files | {NAME: (tmp_path / NAME).read_bytes()})
    refused(path)


def test_all_listed_files_are_counted(place: Path, mri_files: dict[str, bytes]) -> None:
    write_manifest(
        place / NAME,
        SyntheticManifest(tuple(entry(mri_files[name]) for name in sorted(mri_files)[:3])),
    )
    with pytest.raises(
        DataError,
        match=(
            rf"'{sorted(mri_files)[0]}' and 2 other files, listed as synthetic in .*{NAME}; take"
            r" them out"
        ),
    ):
        load_images(SET)


def test_an_unlisted_broken_file_of_a_listed_size_is_left_to_the_decoder(
    place: Path, mri_files: dict[str, bytes]
) -> None:
    write_manifest(place / NAME, manifest_of(mri_files[FILE]))
    (place / FILE).write_bytes(mri_files[FILE][:-200])
    with pytest.raises(DataError, match="damaged"):
        load_images(SET).parts["Testing"].planes(16)


def test_manifests_that_cannot_be_used_are_not_passed_over(
    place: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / NAME).write_bytes(b"{}")
    with pytest.raises(DataError, match=f"{SET}/{NAME}: version"):
        load_images(SET)
    (place / NAME).unlink()
    monkeypatch.setenv("MEDPIPE_SYNTHETIC", str(home / "none.json"))
    with pytest.raises(DataError, match=r"MEDPIPE_SYNTHETIC: .*none.json: No such file"):
        load_images(SET)
