"""Augmented batches, on the host and on the device, are those of torchvision on Pillow images, bit
by bit.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torchvision_reference import as_torchvision

from medpipe.pipeline.augmentation import Augmentation, Variant, normalise
from medpipe.pipeline.data.planes import Planes, split
from medpipe.pipeline.imaging.device import DeviceBatches
from medpipe.pipeline.imaging.host import HostBatches
from medpipe.pipeline.imaging.slices import Slices
from medpipe.pipeline.splits import Subset

Maker = HostBatches | DeviceBatches
CPU = torch.device("cpu")
MAKERS: dict[str, Maker] = {"host": HostBatches(), "device": DeviceBatches(CPU)}
LEAVE = Variant(flipped=False, angle=0.0, brightness=1.0, contrast=1.0, brightness_first=True)
ANGLES = st.floats(-180, 180) | st.sampled_from([0.0, 1e-17, 1e-7, 45.0, 90.0, -90.0, 180.0])
FACTORS = st.floats(0, 3) | st.sampled_from([0.0, 1.0])
VARIANTS = st.builds(Variant, st.booleans(), ANGLES, FACTORS, FACTORS, st.booleans())
every_maker = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())


def picture(seed: int, height: int, width: int, coloured: bool) -> np.ndarray:
    """Noise between two levels, RGB uint8 ``(H, W, 3)``."""
    draw = np.random.default_rng(seed)
    low, high = sorted(draw.integers(0, 257, 2).tolist())
    pixels = draw.integers(low, high + 1, (height, width, 3)).clip(0, 255).astype(np.uint8)
    return pixels if coloured else np.repeat(pixels[..., :1], 3, axis=2)


@every_maker
@given(
    st.lists(st.tuples(st.booleans(), VARIANTS), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 10**6),
)
@example([(False, dataclasses.replace(LEAVE, flipped=True))], 3, 4, 0)
def test_every_variant_is_that_of_torchvision(
    maker: Maker, told: list[tuple[bool, Variant]], height: int, width: int, seed: int
) -> None:
    images = [picture(seed + i, height, width, coloured) for i, (coloured, _) in enumerate(told)]
    variants = [variant for _, variant in told]
    expected = normalise(
        np.stack(
            [
                as_torchvision(image, variant)
                for image, variant in zip(images, variants, strict=True)
            ]
        )
    )
    assert torch.equal(maker.batch([split(image) for image in images], variants), expected)


@every_maker
def test_the_published_size(maker: Maker) -> None:
    images = [picture(i, 224, 224, coloured=i % 4 == 0) for i in range(16)]
    variants = [Augmentation(0.5, 15, 0.2, 0.2).draw((1, i)) for i in range(16)]
    expected = normalise(
        np.stack(
            [
                as_torchvision(image, variant)
                for image, variant in zip(images, variants, strict=True)
            ]
        )
    )
    made = maker.batch([split(image) for image in images], variants)
    assert torch.equal(made, expected)
    assert made.dtype == torch.float32 and made.is_contiguous(memory_format=torch.channels_last)


@every_maker
@pytest.mark.parametrize(
    "change", [{"angle": 5.0}, {"brightness": 1.1}, {"contrast": 0.9}, {"flipped": True}]
)
def test_the_comparison_sees_each_part_of_a_variant(maker: Maker, change: dict[str, float]) -> None:
    image = picture(3, 32, 32, coloured=False)
    plain = maker.batch([split(image)], [None])
    assert torch.equal(plain, normalise(image[None])) and torch.equal(
        plain, maker.batch([split(image)], [LEAVE])
    )
    assert not torch.equal(
        plain, maker.batch([split(image)], [dataclasses.replace(LEAVE, **change)])
    )


@every_maker
def test_contrast_is_about_the_rounded_mean(maker: Maker) -> None:
    """Without contrast that mean alone is left. It is rounded half up, and taken after brightness
    where that comes first.
    """
    image = np.zeros((2, 2, 3), np.uint8)
    image[0] = 255
    for first, level in (
        (True, 128),
        (False, 255),
    ):  # 2 * 255 is cut to 255 before the mean, or 2 * 128 after it
        variant = dataclasses.replace(LEAVE, brightness=2.0, contrast=0.0, brightness_first=first)
        assert torch.equal(
            maker.batch([split(image)], [variant]),
            normalise(np.full((1, 2, 2, 3), level, np.uint8)),
        )


class Part:
    """Ten images, of which the fourth is coloured."""

    pixels = np.stack([picture(i, 33, 33, coloured=i == 3) for i in range(10)])
    label = np.arange(10) % 4
    sample_id = np.array([str(i) for i in range(10)])
    groups: ClassVar[dict[str, np.ndarray]] = {}


def slices(seed: int = 0, device: torch.device = CPU) -> Slices:
    subset = Subset(Part(), np.array([7, 3, 0, 5]))
    return Slices(Planes.of(Part.pixels), subset, Augmentation(0.5, 15, 0.2, 0.2), seed, device)


def test_an_image_is_augmented_by_seed_epoch_and_place_alone() -> None:
    whole = slices().batch(np.arange(4), 2)["x"]
    parts = [slices().batch(np.array(index), 2)["x"] for index in ([3, 1], [0], [2])]
    assert torch.equal(torch.cat(parts)[[2, 1, 3, 0]], whole)
    assert not torch.equal(slices().batch(np.arange(4), 3)["x"], whole) and not torch.equal(
        slices(1).batch(np.arange(4), 2)["x"], whole
    )


def test_evaluation_sees_images_as_they_are() -> None:
    assert torch.equal(slices().batch(np.array([1, 2]), None)["x"], normalise(Part.pixels[[3, 0]]))
    assert slices().label.tolist() == [3, 3, 0, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_augments_as_the_host() -> None:
    made = slices(device=torch.device("cuda")).batch(np.arange(4), 2)["x"]
    assert made.device.type == "cuda" and torch.equal(
        made.cpu(), slices().batch(np.arange(4), 2)["x"]
    )
