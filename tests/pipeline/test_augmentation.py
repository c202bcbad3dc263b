from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision_reference import as_torchvision

from medpipe.pipeline.augmentation import Augmentation, normalisation_table, normalise

PUBLISHED = Augmentation(flip=0.5, rotation=15, brightness=0.2, contrast=0.2)
IMAGE = np.clip(
    np.add.outer(np.arange(40) * 4, np.arange(40) * 2)[..., None] + np.array([0, 5, 9]), 0, 255
).astype(np.uint8)


def test_a_variant_is_a_function_of_its_key() -> None:
    one = [PUBLISHED.draw((1, 2, i)) for i in range(20)]
    assert [PUBLISHED.draw((1, 2, i)) for i in reversed(range(20))][::-1] == one
    assert len(set(one)) == 20
    assert PUBLISHED.draw((1, 3, 0)) != one[0] != PUBLISHED.draw((2, 2, 0))


def test_a_key_draws_what_it_always_drew() -> None:
    """Stored evidence and checkpoints rest on it."""
    variant = PUBLISHED.draw((1, 2, 3))
    assert (variant.flipped, variant.brightness_first) == (False, False)
    factors = [variant.angle, variant.brightness, variant.contrast]
    assert factors == pytest.approx(
        [-11.669560899918551, 1.0046036329579495, 0.9424705704630097], abs=1e-12
    )


def statistics(variants: list[np.ndarray]) -> np.ndarray:
    """Per variant: mean, deviation, black share (corners turned in), and which side is brighter."""
    stack = np.stack(variants).astype(float)
    return np.stack(
        [
            stack.mean((1, 2, 3)),
            stack.std((1, 2, 3)),
            (stack == 0).all(3).mean((1, 2)),
            stack[:, :, 20:].mean((1, 2, 3)) > stack[:, :, :20].mean((1, 2, 3)),
        ],
        axis=1,
    )


@pytest.mark.parametrize("augmentation", [PUBLISHED, Augmentation(0.2, 30, 0.5, 0.1)])
def test_the_distribution_is_that_of_torchvision(augmentation: Augmentation) -> None:
    torch.manual_seed(0)
    a = augmentation
    theirs = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(a.flip),
            transforms.RandomRotation(a.rotation),
            transforms.ColorJitter(brightness=a.brightness, contrast=a.contrast),
        ]
    )
    n = 1500
    ours = statistics([as_torchvision(IMAGE, augmentation.draw((7, i))) for i in range(n)])
    reference = statistics([np.asarray(theirs(Image.fromarray(IMAGE))) for _ in range(n)])
    error = np.sqrt((ours.var(axis=0) + reference.var(axis=0)) / n)
    assert (np.abs(ours.mean(axis=0) - reference.mean(axis=0)) < 4 * error).all()
    assert np.abs(np.log(ours.std(axis=0) / reference.std(axis=0))).max() < 0.15


def test_normalisation_is_that_of_torchvision() -> None:
    theirs = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )
    ours = normalise(np.stack([IMAGE, IMAGE[::-1]]))
    assert ours.dtype == torch.float32 and ours.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(ours[0], theirs(Image.fromarray(IMAGE)))
    torch.testing.assert_close(ours[1], theirs(Image.fromarray(np.ascontiguousarray(IMAGE[::-1]))))
    table = normalisation_table()
    assert all(
        torch.equal(table[c][torch.from_numpy(IMAGE[..., c]).long()], ours[0, c]) for c in range(3)
    )
