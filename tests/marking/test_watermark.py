"""The watermark's laws on made-up pixels; its promises on pictures stand in
tests/controls/test_watermark.py.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import norm

from medpipe.errors import DataError
from medpipe.marking.key import Key
from medpipe.marking.watermark import FALSE_ALARM, PSNR, detect, mark, psnr

KEY, OTHER = Key(bytes(range(32))), Key(bytes(range(1, 33)))
SIDES = st.integers(1, 40)
SHAPES = st.one_of(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.just(3)))
IMAGES = arrays(
    np.uint8, SHAPES, elements=st.one_of(st.integers(0, 255), st.sampled_from([0, 255]))
)


def made(side: int, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth bright disc with some grain on black, as a slice of a head is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5
    inside = (x**2 + (1.2 * y) ** 2) < rng.uniform(0.12, 0.2)
    grain = np.kron(rng.normal(0, 12, (-(-side // 4), -(-side // 4))), np.ones((4, 4)))[
        :side, :side
    ]
    return np.clip(
        inside * (120 + 40 * np.sin(rng.uniform(3, 9) * x + 5 * y) + grain), 0, 255
    ).astype(np.uint8)


@settings(max_examples=60)
@given(IMAGES)
def test_a_marked_image_keeps_shape_type_and_quality(image: NDArray[np.uint8]) -> None:
    before = image.copy()
    marked = mark(image, KEY)
    assert (marked.shape, marked.dtype) == (image.shape, np.uint8)
    assert psnr(image, marked) >= PSNR >= 42
    assert marked is not image and (image == before).all()
    assert (marked == mark(image, KEY)).all()
    whole = tuple(side // 8 * 8 for side in image.shape[:2])
    assert (marked[whole[0] :] == image[whole[0] :]).all() and (
        marked[:, whole[1] :] == image[:, whole[1] :]
    ).all()


@settings(max_examples=60)
@given(IMAGES)
def test_a_detection_is_a_finite_number_with_a_probability(image: NDArray[np.uint8]) -> None:
    found = detect(image, KEY)
    assert np.isfinite(found.z) and 0 <= found.false_alarm <= 1
    assert found.blocks == (image.shape[0] // 8) * (image.shape[1] // 8)
    assert abs(found.z) <= np.sqrt(8 * found.blocks) + 1e-9


@pytest.mark.parametrize("side", [64, 72, 130])
def test_a_marked_image_is_found_by_its_key_alone(side: int) -> None:
    image = made(side)
    marked = mark(image, KEY)
    assert detect(marked, KEY).marked
    assert [
        detect(image, KEY).marked,
        detect(marked, OTHER).marked,
        detect(image, OTHER).marked,
    ] == [False] * 3


def test_grey_as_rgb_is_marked_alike_and_stays_grey() -> None:
    image = made(64)
    marked = mark(np.stack([image] * 3, axis=-1), KEY)
    assert (marked == marked[..., :1]).all()
    assert detect(marked, KEY).marked and detect(marked[..., 0], KEY).marked


def test_colour_is_marked_and_found() -> None:
    image = np.stack([made(64, seed) for seed in (0, 1, 2)], axis=-1)
    marked = mark(image, KEY)
    assert psnr(image, marked) >= PSNR
    assert detect(marked, KEY).marked and not detect(image, KEY).marked


def test_what_has_no_whole_block_is_neither_marked_nor_found() -> None:
    for shape in ((7, 100), (0, 0), (100, 3, 3)):
        image = np.full(shape, 9, dtype=np.uint8)
        assert (mark(image, KEY) == image).all()
        assert (
            detect(image, KEY).z,
            detect(image, KEY).false_alarm,
            detect(image, KEY).marked,
        ) == (0.0, 1.0, False)


def test_a_flat_image_says_nothing_of_any_key() -> None:
    assert detect(np.full((64, 64), 17, dtype=np.uint8), KEY).z == pytest.approx(0, abs=1e-6)


def test_what_the_mark_does_not_survive() -> None:
    """As docs/marking.md says: whoever wants more must not read it out of this mark."""
    marked = mark(made(128), KEY)
    for changed in (marked[:, ::-1], np.rot90(marked), marked[:, 4:], marked[4:], marked[::2, ::2]):
        assert not detect(np.ascontiguousarray(changed), KEY).marked


def test_a_crop_at_the_right_and_bottom_keeps_what_is_left() -> None:
    assert detect(mark(made(128), KEY)[:96, :90], KEY).marked


def test_a_mark_can_be_copied_onto_another_image() -> None:
    """A weakness that is said: the mark shows that an image bears it, not who put it there."""
    one, other = made(64, 1), made(64, 2)
    change = mark(one, KEY).astype(np.int64) - one
    copied = np.clip(other + 2 * change, 0, 255).astype(np.uint8)
    assert detect(copied, KEY).z > 3 + abs(detect(other, KEY).z)


def test_the_statistic_is_what_is_said() -> None:
    """Against another implementation: the transform as a matrix, the signs bit by bit."""
    image = mark(made(40), KEY)
    n = np.arange(8)
    matrix = np.sqrt(2 / 8) * np.cos(np.pi * (2 * n[None] + 1) * n[:, None] / 16)
    matrix[0] /= np.sqrt(2)
    steps = {
        (0, 1): 11,
        (0, 2): 10,
        (1, 0): 12,
        (1, 1): 12,
        (1, 2): 14,
        (2, 0): 14,
        (2, 1): 13,
        (3, 0): 14,
    }
    total = power = 0.0
    for row in range(5):
        stream = hashlib.shake_256(b"medpipe mark 1\0" + KEY.secret + bytes([0, 0, 0, row])).digest(
            5
        )
        for column in range(5):
            block = (
                matrix
                @ image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].astype(float)
                @ matrix.T
            )
            for bit, ((u, v), step) in enumerate(steps.items()):
                c = block[u, v] / step
                vote = c / (1 + (abs(c) / 0.8) ** 4)
                total += vote * (-1 if stream[column] >> (7 - bit) & 1 else 1)
                power += vote**2
    assert detect(image, KEY).z == pytest.approx(total / np.sqrt(power), rel=1e-9)
    assert detect(image, KEY).false_alarm == pytest.approx(
        3.178 * norm.sf(total / np.sqrt(power)), rel=1e-9
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_holds_for_any_votes(seed: int) -> None:
    """All 4,096 keys of twelve coefficients, for votes as even and as uneven as they come."""
    votes = np.abs(np.random.default_rng(seed).standard_normal(12)) ** (seed / 4)
    signs = np.array(list(itertools.product((-1, 1), repeat=12)))
    z = np.sort(signs @ votes / np.sqrt((votes**2).sum()))
    tail = 1 - np.arange(len(z)) / len(z)  # share of keys with at least this z
    assert (tail[z > 0] <= 3.178 * norm.sf(z[z > 0] - 1e-9)).all()


def test_the_threshold_follows_from_the_bound() -> None:
    """An unmarked image passes at z = 4.98, whatever it shows."""
    assert 3.178 * norm.sf(4.985) <= FALSE_ALARM < 3.178 * norm.sf(4.975)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8)),
        np.zeros((8, 8), np.uint16),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros(64, np.uint8),
    ],
)
def test_other_pixels_are_refused(image: NDArray[np.uint8]) -> None:
    for use in (mark, detect):
        with pytest.raises(DataError, match="expected 8-bit pixels"):
            use(image, KEY)


def test_a_huge_image_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(DataError, match=r"at most 16,777,216 pixels, got 100000 by 1000"):
        detect(np.broadcast_to(np.uint8(0), (1000, 100_000)), KEY)
