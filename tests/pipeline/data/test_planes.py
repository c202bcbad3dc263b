from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.pipeline.data.planes import Planes


@given(
    st.lists(st.booleans(), min_size=1, max_size=8),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 10**6),
)
def test_what_goes_in_comes_out(coloured: list[bool], height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(
        0, 256, (len(coloured), height, width, 3), dtype=np.uint8
    )
    for image, keep in zip(pixels, coloured, strict=True):
        image[0, 0] = [1, 2, 3]
        if not keep:
            image[:] = image[..., :1]
    planes = Planes.of(pixels)
    assert len(planes) == len(coloured) and planes.channels.tolist() == [
        3 if keep else 1 for keep in coloured
    ]
    assert np.array_equal(planes.rgb(range(len(planes))), pixels)
    chosen = np.random.default_rng(seed).integers(0, len(planes), 4).tolist()
    assert np.array_equal(planes.rgb(chosen), pixels[chosen])
    for image, own in zip(pixels, (planes[i] for i in range(len(planes))), strict=True):
        assert np.array_equal(np.broadcast_to(own, (3, height, width)), np.moveaxis(image, -1, 0))


def test_an_image_is_a_view() -> None:
    planes = Planes.of(np.zeros((2, 3, 3, 3), np.uint8))
    planes[1][:] = 7
    assert planes.planes[1].min() == 7 and planes.planes[0].max() == 0


def test_an_image_that_is_not_there() -> None:
    with pytest.raises(IndexError):
        Planes.of(np.zeros((2, 3, 3, 3), np.uint8))[2]
