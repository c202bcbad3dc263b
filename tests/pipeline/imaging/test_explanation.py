"""What is measured on a map: against the algorithms as published, step by step, and against
scipy.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402 - after the check above

from medpipe.errors import DataError  # noqa: E402
from medpipe.pipeline.augmentation import normalise  # noqa: E402
from medpipe.pipeline.imaging.faithfulness import (  # noqa: E402
    BATCH,
    areas,
    blurred,
    centre_map,
    removal_positions,
)
from medpipe.pipeline.imaging.randomisation import (  # noqa: E402
    cascade,
    randomised,
    rank_correlation,
    stages,
)
from medpipe.pipeline.imaging.saliency_maps import explain  # noqa: E402

DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (BATCH + 3, 12, 10, 3), dtype=np.uint8)
MAPS, TIE = DRAW.random((2, len(PIXELS), 12, 10), np.float32)
CLASSES = DRAW.integers(0, 3, len(PIXELS))


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 5, 3),
            norm=nn.BatchNorm2d(5),
            act=nn.ReLU(),
            mean=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            fc=nn.Linear(5, 3),
        )
    ).eval()


def brightness(model: Any, images: Any, classes: Any) -> Any:
    return images.mean(dim=1)


def test_areas_are_those_of_the_algorithm_step_by_step() -> None:
    model, steps = network(), 5
    deletion, insertion = areas(model, PIXELS, CLASSES, MAPS, TIE, steps=steps)
    soft = blurred(PIXELS)
    for i in (0, 7, BATCH + 1):
        order = np.argsort(-MAPS[i].ravel())
        curves = np.zeros((2, steps + 1))
        for k in range(steps + 1):
            gone = order[: k * 120 // steps]
            left, back = PIXELS[i].reshape(120, 3).copy(), soft[i].reshape(120, 3).copy()
            left[gone], back[gone] = 0, PIXELS[i].reshape(120, 3)[gone]
            both = normalise(np.stack([left, back]).reshape(2, 12, 10, 3))
            curves[:, k] = model(both).softmax(1)[:, CLASSES[i]].detach().numpy()
        expected = [sum((c[k] + c[k + 1]) / 2 / steps for k in range(steps)) for c in curves]
        assert (deletion[i], insertion[i]) == pytest.approx(expected, abs=1e-6)


def test_equal_pixels_go_in_the_order_of_the_tie_breaker() -> None:
    constant = areas(network(), PIXELS, CLASSES, np.full_like(MAPS, 0.3), TIE)
    tie = areas(network(), PIXELS, CLASSES, TIE, TIE)
    assert all(np.array_equal(a, b) for a, b in zip(constant, tie, strict=True))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_positions_sort_by_map_then_by_tie(values: list[tuple[int, int]]) -> None:
    maps, tie = (torch.tensor([column]) for column in zip(*values, strict=True))
    order = removal_positions(maps, tie)[0].argsort()
    assert [values[i] for i in order] == sorted(values, reverse=True)


def test_the_centre_map_is_largest_at_the_centre_and_alike_on_both_sides() -> None:
    m = centre_map(9, 15)
    assert (
        np.unravel_index(m.argmax(), m.shape) == (4, 7)
        and np.allclose(m, m[::-1, ::-1])
        and m.max() == 1
    )


def test_rank_correlation_is_scipys() -> None:
    from scipy.stats import spearmanr

    one = np.maximum(DRAW.normal(size=(20, 3, 4)), 0).astype(np.float32)  # with ties
    other = np.maximum(one + DRAW.normal(size=one.shape), 0).astype(np.float32)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-6)


def test_constant_maps_are_unchanged_among_themselves_and_share_nothing_with_others() -> None:
    flat, slope = np.zeros((1, 2, 2), np.float32), np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    assert (
        rank_correlation(flat, flat + 1) == 1
        and rank_correlation(flat, slope) == rank_correlation(slope, flat) == 0
    )
    with pytest.raises(DataError, match="two cells at least"):
        rank_correlation(flat[:, :1, :1], flat[:, :1, :1])


def test_the_cascade_goes_down_from_the_head_and_leaves_the_network_alone() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.norm.running_mean.fill_(3.0)
    assert stages(model) == ("fc", "norm", "conv")
    changed = [
        {
            name.split(".")[0]
            for name, value in new.state_dict().items()
            if not torch.equal(value, model.state_dict()[name])
        }
        for _, new in cascade(model, 5)
    ]
    assert changed == [{"fc"}, {"fc", "norm"}, {"fc", "norm", "conv"}]
    assert all(
        torch.equal(value, before[name])
        for name, value in model.state_dict().items()
        if name != "norm.running_mean"
    )


def test_new_weights_come_from_the_seed_alone() -> None:
    one, same, other = (randomised(network(), seed).fc.weight for seed in (4, 4, 5))  # type: ignore[union-attr]
    assert torch.equal(one, same) and not torch.equal(one, other)  # type: ignore[arg-type]
    state, layer = torch.get_rng_state(), nn.Linear(2, 2)
    torch.set_rng_state(state)
    randomised(layer, 9)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_keeps_weights_is_refused() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    with pytest.raises(DataError, match="got 0 \\(Own\\) without"):
        randomised(nn.Sequential(Own()), 0)
    with pytest.raises(DataError, match="blocks with weights, got none"):
        stages(nn.Sequential(nn.ReLU()))


def test_an_explanation_is_the_same_again_whole_and_by_sample() -> None:
    model = network().train()
    one, again = (explain(model, PIXELS, brightness, seed=2, draws=1) for _ in range(2))
    assert (
        model.training
        and one.stages == ("fc", "norm", "conv")
        and one.similarity.shape == (1, 3, len(PIXELS))
    )
    for name, array in one.arrays().items():
        assert len(array) == len(PIXELS) and np.array_equal(array, again.arrays()[name]), name
    assert one.saliency.shape == PIXELS.shape[:3] and (one.probability >= 1 / 3).all()
    scalars = one.scalars("explanation")
    assert scalars["explanation_similarity_after_conv"] == 1 and scalars[
        "explanation_deletion_area_random_n"
    ] == len(PIXELS)
    assert scalars["explanation_deletion_against_random"] == pytest.approx(
        scalars["explanation_deletion_area_random"] - scalars["explanation_deletion_area_saliency"],
        abs=1e-6,
    )


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected images uint8 \(N, H, W, 3\)"):
        explain(network(), PIXELS[:0], brightness)
    with pytest.raises(DataError, match="and 0 draws"):
        explain(network(), PIXELS, brightness, draws=0)
    with pytest.raises(DataError, match="finite relevance"):
        explain(network(), PIXELS, lambda model, images, classes: images.mean(dim=1) * float("nan"))
