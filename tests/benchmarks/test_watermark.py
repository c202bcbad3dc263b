"""The watermark's promises on real images, on more of them than docs/marking.md tabulates; its rate
of false alarms is measured here.

Images come from ``MEDPIPE_DATA`` where it holds the published MRI set (both parts), else the
demonstration's. Every image is marked with a key of its own; unmarked images are looked through for
fresh keys, none used twice, so that given the images the trials are independent. `different_images`
are more than 20,000, no two of the same pixels. Beside that, a few keys are looked for in all
images each, as a user with one key would. Intervals are Clopper-Pearson's, 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from watermark_trials import KEPT, OTHER, Change, Pixels, key_of, marked_trials, unmarked_trials

from medpipe.marking.watermark import FALSE_ALARM, SMALLEST, Detection, detect
from medpipe.metrics.intervals import Interval, clopper_pearson
from medpipe.pipeline.data.images import load_images

MARKED = {32: 400, 48: 400, 64: 7_023, 128: 1_000, 224: 400}
"""Size in pixels and how many images are marked at it, evenly over the set."""
CHANGED = {64: 1_000, 128: 400}
"""The same for changes that nothing is promised of."""
KEYS = {64: 8, 128: 4, 224: 1}
"""Size and how many fresh keys are looked for in each unmarked image of it."""
ONE_KEY, IN_ALL = 64, 20
"""How many keys are looked for in all images of that size."""
SOURCES = ("brain-tumor-mri-dataset", "demonstration")
WHOLE, CROP = 96, 64
"""Crops of `CROP` pixels a side are cut from images of `WHOLE`."""
MOST_ALARMS, MANY = 1e-4, 20_000
"""The rate of false alarms that must be excluded, over so many unmarked images at least."""


def images_at(
    size: int, count: int | None = None, sources: Sequence[str] = SOURCES
) -> list[Pixels]:
    """Images of the first source that is there, as they would be saved: grey where the three
    channels agree.
    """
    data = load_images(list(sources))
    planes = [
        (of, i)
        for of in (part.planes(size) for part in data.parts.values())
        for i in range(len(of))
    ]
    chosen = (
        planes
        if count is None or count >= len(planes)
        else [planes[i] for i in np.linspace(0, len(planes) - 1, count).astype(int)]
    )
    return [
        of[i][0] if len(of[i]) == 1 else np.ascontiguousarray(np.moveaxis(of[i], 0, -1))
        for of, i in chosen
    ]


def different_images() -> list[Pixels]:
    """Real and drawn images at `CROP` pixels: whole, and cropped in the corners, each crop turned
    another way, and in the middle, mirrored; no two are the same.
    """
    found: dict[bytes, Pixels] = {}
    far = WHOLE - CROP
    for source in dict.fromkeys((load_images(list(SOURCES)).source, "demonstration")):
        for image in images_at(CROP, sources=[source]):
            found.setdefault(image.tobytes(), image)
        for image in images_at(WHOLE, sources=[source]):
            corners = [
                image[top : top + CROP, left : left + CROP] for top in (0, far) for left in (0, far)
            ]
            turned = [np.rot90(corner, quarter) for quarter, corner in enumerate(corners)]
            for crop in (
                *turned,
                image[far // 2 : far // 2 + CROP, far // 2 : far // 2 + CROP][:, ::-1],
            ):
                found.setdefault(crop.tobytes(), np.ascontiguousarray(crop))
    return list(found.values())


def share(found: list[Detection]) -> Interval:
    return clopper_pearson(sum(d.marked for d in found), len(found))


def said(interval: Interval) -> str:
    return (
        f"{round(interval.estimate * interval.n):,} of {interval.n:,}, {100 * interval.low:.4g} to"
        f" {100 * interval.high:.4g} %"
    )


@pytest.mark.parametrize(
    ("size", "count", "changes"),
    [
        *(pytest.param(size, count, KEPT, id=f"kept-{size}") for size, count in MARKED.items()),
        *(
            pytest.param(size, count, OTHER, id=f"changed-{size}")
            for size, count in CHANGED.items()
        ),
    ],
)
def test_marked_images_are_found(
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
    size: int,
    count: int,
    changes: dict[str, Change],
) -> None:
    images = images_at(size, count)
    found, kept = benchmark.pedantic(
        marked_trials, (images, changes, np.random.default_rng(size)), rounds=1
    )
    with capsys.disabled():
        print(
            f"\n{size} pixels, {len(images):,} images, PSNR {min(kept):.2f} to {max(kept):.2f} dB"
        )
        for name, detections in found.items():
            z = np.array([d.z for d in detections])
            print(
                f"  {name}: {said(share(detections))}; z {z.min():.1f}, median {np.median(z):.1f}"
            )
    assert min(kept) >= 42
    if size >= SMALLEST and changes is KEPT:
        assert all(share(found[name]).low >= 0.99 for name in KEPT)


@pytest.mark.parametrize("size", KEYS)
def test_unmarked_images_pass(
    benchmark: Any, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    images = images_at(size)
    found = benchmark.pedantic(
        unmarked_trials, (images, KEYS[size], np.random.default_rng((1, size))), rounds=1
    )
    z = np.array([d.z for d in found])
    alarms = {
        bound: sum(d.false_alarm <= bound for d in found)
        for bound in (FALSE_ALARM, 1e-4, 1e-3, 1e-2)
    }
    with capsys.disabled():
        print(
            f"\n{size} pixels, unmarked, {len(images):,} images, {KEYS[size]} keys each:"
            f" {said(share(found))}; "
            f"z {z.min():.2f} to {z.max():.2f}, mean {z.mean():.4f}, deviation {z.std():.4f}; at"
            f" bounds {alarms}"
        )
    assert all(
        count <= bound * len(found) + 4 * (bound * len(found)) ** 0.5
        for bound, count in alarms.items()
    )


def test_false_alarms_over_many_different_images(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One fresh key for each: at most one in 10,000 is found, for sure where the real images are
    there.
    """
    images = different_images()
    found = benchmark.pedantic(unmarked_trials, (images, 1, np.random.default_rng(3)), rounds=1)
    with capsys.disabled():
        print(
            f"\n{CROP} pixels, {len(images):,} different unmarked images, a key each:"
            f" {said(share(found))}; "
            f"largest z {max(d.z for d in found):.2f}"
        )
    if len(images) < MANY:
        pytest.skip(
            f"{len(images):,} different images are too few; name the folder of the published MRI"
            " set in MEDPIPE_DATA"
        )
    assert share(found).high <= MOST_ALARMS


def test_one_key_in_all_images(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    images, keys = (
        images_at(ONE_KEY),
        [key_of(np.random.default_rng((2, i))) for i in range(IN_ALL)],
    )
    z = benchmark.pedantic(
        lambda: np.array([[detect(image, key).z for image in images] for key in keys]), rounds=1
    )
    with capsys.disabled():
        print(
            f"\n{ONE_KEY} pixels, unmarked, {IN_ALL} keys in all {len(images):,} images:"
            " largest z by key "
            f"{np.round(z.max(axis=1), 1).tolist()}, deviation by key {z.std(axis=1).min():.2f} to"
            f" {z.std(axis=1).max():.2f}, "
            f"mean by key {z.mean(axis=1).min():.2f} to {z.mean(axis=1).max():.2f}"
        )
    assert z.shape == (IN_ALL, len(images))
