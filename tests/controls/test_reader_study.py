"""Controls of the reader study: a page that leaks is caught and ours is not; verdicts on readers of
known skill are right as often as said.

The detective sees everything of a page but the pictures: lengths, digests' order, places, names,
compressed size.
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from made_up_readers import folders, key, laid_out

from medpipe.reader_study.auc import auc_interval
from medpipe.reader_study.scoring import score
from medpipe.reader_study.study import Study


def marks(page: Mapping[str, Any]) -> dict[str, list[float]]:
    """What tells of an item without looking at its picture, by name of the mark."""
    files = [b64decode(url.partition(",")[2]) for url in page["pictures"]]
    return {
        "length": [len(f) for f in files],
        "place": list(range(len(files))),
        "shown twice": [files.count(f) for f in files],
        "chunks": [f.count(b"IDAT") + f.count(b"tEXt") + f.count(b"eXIf") for f in files],
        "name": [float(name) for name in page["items"]],
    }


def told_by(page: Mapping[str, Any], study: Study) -> list[str]:
    """The marks that tell the origin of first showings; 95 % for all of them together."""
    chosen = [k for k, i in enumerate(study.items) if i.repeat_of is None and i.origin != "control"]
    synthetic = np.array([study.items[k].origin == "synthetic" for k in chosen])
    found = {
        name: auc_interval(np.array(values, np.float64)[chosen], synthetic, 1 - 0.05 / 5)
        for name, values in marks(page).items()
    }
    return [name for name, i in found.items() if not i.low <= 0.5 <= i.high]


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Any], Study, Sequence[bytes]]:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    from medpipe.reader_study.drawing import StudyConfig, draw
    from medpipe.reader_study.shown_images import Folder
    from medpipe.report.reading_page import shown_to_readers

    real, synthetic = folders(tmp_path_factory.mktemp("pools"))
    made = draw(Folder(real), Folder(synthetic), StudyConfig(images=50, repeats=8, seed="leak"))
    return shown_to_readers(made), made.study, made.pictures


def test_the_page_tells_nothing(study: tuple[dict[str, Any], Study, Sequence[bytes]]) -> None:
    page, made, _ = study
    assert told_by(page, made) == []
    assert len({len(url) for url in page["pictures"]}) == 1


def test_a_page_of_compressed_files_is_caught(
    study: tuple[dict[str, Any], Study, Sequence[bytes]],
) -> None:
    """The reason for storing without compression: smooth pictures compress better."""
    from base64 import b64encode

    page, made, pictures = study
    leaky = {
        **page,
        "pictures": [
            "data:image/png;base64," + b64encode(zlib.compress(p)).decode() for p in pictures
        ],
    }
    assert told_by(leaky, made) == ["length"]


def test_a_page_in_the_order_of_the_folders_is_caught(
    study: tuple[dict[str, Any], Study, Sequence[bytes]],
) -> None:
    page, made, _ = study
    order = sorted(range(len(made.items)), key=lambda k: made.items[k].origin == "synthetic")
    sorted_page = {**page, "pictures": [page["pictures"][k] for k in order]}
    sorted_key = Study(**{**vars(made), "items": tuple(made.items[k] for k in order)})
    assert "place" in told_by(sorted_page, sorted_key)


@pytest.mark.parametrize(("readers", "images"), [(1, 60), (4, 60)])
def test_guessing_readers_are_seldom_said_to_tell_apart(readers: int, images: int) -> None:
    found = verdicts(images, readers, sees=0.0, repeats=60)
    assert found["told apart"] + found["told apart within the margin"] <= 6, (
        "5 % are meant; 7 of 60 have a chance below 3 % then"
    )


def test_readers_who_see_plainly_are_found_and_never_said_to_guess() -> None:
    found = verdicts(60, 4, sees=1.2, repeats=40)
    assert found["told apart"] >= 38 and found["not told apart"] == 0


def test_readers_who_see_just_the_margin_are_seldom_said_to_guess() -> None:
    """The area of this reader is 0.60, the edge of what counts as guessing: at most 5 % may be
    called equivalent.
    """
    found = verdicts(200, 6, sees=0.36, repeats=40)
    assert found["not told apart"] <= 5


def verdicts(images: int, readers: int, *, sees: float, repeats: int) -> Counter[str]:
    study = key(images)
    return Counter(
        score(laid_out(study, readers, seed, sees=sees)).verdict for seed in range(repeats)
    )
