"""Useless explanations are exposed: of a network that has learnt nothing, and by an explainer that
ignores it. The clean twin passes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("captum.attr", reason="captum is not installed")

from torch import nn  # noqa: E402 - after the check above
from torch.nn import functional  # noqa: E402

from medpipe.audits.saliency import Check, passes  # noqa: E402
from medpipe.pipeline.augmentation import normalise  # noqa: E402
from medpipe.pipeline.imaging.grad_cam import grad_cam  # noqa: E402
from medpipe.pipeline.imaging.randomisation import randomised  # noqa: E402
from medpipe.pipeline.imaging.saliency_maps import Explanation, explain  # noqa: E402

SIDE, SQUARE = 32, 6
Pixels = NDArray[np.uint8]


def planted(n: int, seed: int) -> tuple[Pixels, NDArray[np.int64], NDArray[np.bool_]]:
    """Noise with a bright square in one corner's quarter, which is the class, and where it stands
    ``(N, H, W)``.
    """
    draw = np.random.default_rng(seed)
    pixels, label = draw.integers(20, 70, (n, SIDE, SIDE)), np.arange(n) % 4
    inside = np.zeros((n, SIDE, SIDE), bool)
    for k in range(n):
        y, x = draw.integers(1, SIDE // 2 - SQUARE, 2) + np.array(divmod(label[k], 2)) * SIDE // 2
        inside[k, y : y + SQUARE, x : x + SQUARE] = True
    pixels[inside] = 230
    return np.repeat(pixels[..., None], 3, axis=3).astype(np.uint8), label, inside


class Places(nn.Module):
    """Two more channels that say where a pixel is, so that a head that averages over places can
    still tell them apart.
    """

    def forward(self, x: Any) -> Any:
        ramp = torch.linspace(-1, 1, x.shape[-1]).expand(len(x), 1, *x.shape[2:])
        return torch.cat([x, ramp, ramp.transpose(2, 3)], dim=1)


def network() -> Any:
    """Convolutions whose last stands on a grid of 8 x 8, averaged over places as in a ResNet, and a
    linear head.
    """
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU())
    return nn.Sequential(
        OrderedDict(
            places=Places(),
            conv1=nn.Conv2d(5, 16, 3, padding=1),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(4),
            block=block,
            mean=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            fc=nn.Linear(32, 4),
        )
    )


LAYER = "block"


@pytest.fixture(scope="module")
def trained() -> Any:
    model, (pixels, label, _) = network(), planted(256, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(120):
        part = np.random.default_rng(step).choice(256, 64, replace=False)
        loss = functional.cross_entropy(
            model(normalise(pixels[part])), torch.from_numpy(label[part])
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


@pytest.fixture(scope="module")
def seen(trained: Any) -> Explanation:
    return explain(trained, planted(48, 2)[0], grad_cam(LAYER), seed=3)


def edges(model: Any, images: Any, classes: Any) -> Any:
    """An edge detector: plausible, sharp, and blind to the network."""
    grey = images.mean(dim=1)
    return functional.pad(grey.diff(dim=1).abs(), (0, 0, 0, 1)) + functional.pad(
        grey.diff(dim=2).abs(), (0, 1)
    )


def outcomes(checks: tuple[Check, ...]) -> dict[str, str]:
    return {c.name: c.outcome for c in checks}


def test_the_clean_twin_passes_every_check(seen: Explanation) -> None:
    checks = seen.checks()
    assert passes(checks), [c.said for c in checks]
    assert set(outcomes(checks)) == {
        "deletion_against_random",
        "deletion_against_centre",
        "insertion_against_random",
        "insertion_against_centre",
        "randomisation",
    }


def test_grad_cam_points_at_the_planted_square(seen: Explanation) -> None:
    _, label, inside = planted(48, 2)
    assert (seen.explained == label).mean() > 0.95
    mass = (seen.saliency * inside).sum(axis=(1, 2)) / seen.saliency.sum(axis=(1, 2))
    assert (
        mass.mean() > 4 * inside.mean()
    )  # a map that knows nothing has as much inside as the square's share of the image
    at = seen.saliency.reshape(48, -1).argmax(axis=1)
    quarter = 2 * (at // SIDE >= SIDE // 2) + (at % SIDE >= SIDE // 2)
    assert (quarter == label).mean() > 0.9


def test_a_network_with_random_weights_does_not_pass(trained: Any) -> None:
    checks = explain(randomised(trained, 7), planted(48, 2)[0], grad_cam(LAYER), seed=3).checks()
    assert not passes(checks)
    assert "pass" not in {
        outcomes(checks)["deletion_against_random"],
        outcomes(checks)["insertion_against_random"],
    }


def test_an_edge_detector_is_exposed_by_randomisation(trained: Any) -> None:
    checks = explain(trained, planted(48, 2)[0], edges, seed=3).checks()
    assert outcomes(checks)["randomisation"] == "fail"
    (check,) = (c for c in checks if c.name == "randomisation")
    assert (
        check.interval.low == check.interval.high == 1 and "whatever the weights are" in check.said
    )


def test_a_map_that_says_nothing_has_no_advantage_at_all(trained: Any) -> None:
    blank = explain(
        trained,
        planted(12, 2)[0],
        lambda model, images, classes: torch.zeros(len(images), 8, 8),
        seed=3,
    )
    assert (
        not blank.advantages()["deletion_against_random"].any()
        and not blank.advantages()["insertion_against_random"].any()
    )
    assert (
        set(outcomes(blank.checks()).values()) & {"fail"}
        and outcomes(blank.checks())["randomisation"] == "fail"
    )
