"""Metrics of generated images against other implementations, laws and the coverage of their
intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import evidence_of
from made_up_generators import CLASSES, memory, quality, scored
from numpy.typing import NDArray
from scipy import linalg, stats

from medpipe import registry
from medpipe.errors import DataError, SpecError
from medpipe.evidence import Observations
from medpipe.judging.estimate import estimate
from medpipe.metrics import distributions, generation, neighbours
from medpipe.metrics.contributions import Contributed
from medpipe.metrics.generator_splits import class_counts
from medpipe.specs.loading import Specs

Array = NDArray[np.float64]
SpecsMaker = Callable[..., Specs]
pairwise = pytest.importorskip("sklearn.metrics.pairwise")
sklearn_neighbours = pytest.importorskip("sklearn.neighbors")
sklearn_metrics = pytest.importorskip("sklearn.metrics")
EXACT = {"rel": 1e-9, "abs": 1e-12}


def drawn(seed: int, n: int = 120, m: int = 150, d: int = 12) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(0, 1, (d, d))
    return rng.normal(0, 1, (n, d)) @ mix, rng.normal(0.3, 1.1, (m, d)) @ mix


SAMPLES = st.builds(
    drawn, st.integers(0, 10_000), st.integers(8, 40), st.integers(8, 40), st.integers(2, 6)
)


@pytest.mark.parametrize("seed", range(3))
def test_kid_agrees_with_the_kernels_of_scikit_learn(seed: int) -> None:
    x, y = drawn(seed)
    xx, yy, xy = (
        pairwise.polynomial_kernel(a, b, degree=3, gamma=None, coef0=1)
        for a, b in ((x, x), (y, y), (x, y))
    )
    n, m = len(x), len(y)
    reference = (
        (xx.sum() - np.trace(xx)) / (n * (n - 1))
        + (yy.sum() - np.trace(yy)) / (m * (m - 1))
        - 2 * xy.mean()
    )
    assert distributions.kernel_distance(x, y).value == pytest.approx(reference, **EXACT)


@pytest.mark.parametrize("seed", range(3))
def test_fid_agrees_with_a_matrix_root_of_scipy(seed: int) -> None:
    x, y = drawn(seed)
    first, second = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(first @ second)
    reference = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root.real)
    assert distributions.frechet_distance(x, y).value == pytest.approx(reference, rel=1e-8)


def reference_shares(real: Array, made: Array, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage from scikit-learn's neighbours, sample by sample."""

    def reach(samples: Array) -> Array:
        return np.asarray(
            sklearn_neighbours.NearestNeighbors(n_neighbors=k).fit(samples).kneighbors()[0][:, -1]
        )

    between = pairwise.euclidean_distances(real, made)
    by_real, by_made = between <= reach(real)[:, None], between <= reach(made)[None]
    return (
        float(np.mean([by_real[:, j].any() for j in range(len(made))])),
        float(np.mean([by_made[i].any() for i in range(len(real))])),
        float(by_real.sum() / k / len(made)),
        float(np.mean([by_real[i].any() for i in range(len(real))])),
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [3, 5])
def test_shares_of_neighbours_agree_with_scikit_learn(seed: int, k: int) -> None:
    x, y = drawn(seed)
    ours = [
        f(x, y, k).value
        for f in (neighbours.precision, neighbours.recall, neighbours.density, neighbours.coverage)
    ]
    assert ours == pytest.approx(reference_shares(x, y, k), **EXACT)


@pytest.mark.parametrize(
    "share", [neighbours.precision, neighbours.recall, neighbours.density, neighbours.coverage]
)
def test_influences_are_what_leaving_a_sample_out_changes(
    share: Callable[..., Contributed],
) -> None:
    """By brute force: the reference side of precision and density, both sides of coverage."""
    real, made = drawn(4, 30, 34, 3)
    found = share(real, made, 3)
    sides = {
        neighbours.precision: (1, 0),
        neighbours.recall: (0, 1),
        neighbours.density: (1, 0),
        neighbours.coverage: (0, 1),
    }[share]
    for stratum, side in zip(found.strata, sides, strict=True):
        samples = (real, made)[side]
        without = []
        for i in range(len(samples)):
            kept: list[Array] = [real, made]
            kept[side] = np.delete(samples, i, axis=0)
            without.append(share(kept[0], kept[1], 3).value)
        influence = (len(samples) - 1) * (found.value - np.array(without))
        assert stratum == pytest.approx(influence - influence.mean(), abs=1e-9)


@pytest.mark.parametrize("attack", ["discriminator", "generator"])
def test_membership_agrees_with_scikit_learn_and_with_delong(attack: str) -> None:
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.4, 1, 90).round(1), rng.normal(0, 1, 70).round(1)  # with ties
    found, _ = registry.resolve("metric", f"membership_auc_{attack}").of(
        scored("training", members, "held_out", others, attack)
    )
    truth = np.repeat([1, 0], [90, 70])
    assert found.value == pytest.approx(
        sklearn_metrics.roc_auc_score(truth, np.concatenate([members, others]))
    )
    placed = (np.sign(members[:, None] - others[None]) + 1) / 2
    delong = np.var(placed.mean(1)) / 90 + np.var(placed.mean(0)) / 70
    assert found.standard_error**2 == pytest.approx(delong)


def test_the_copying_index_is_the_mann_whitney_z_of_scipy() -> None:
    rng = np.random.default_rng(1)
    made, held_out = rng.uniform(0.5, 1, 80), rng.uniform(0.4, 0.95, 60)
    o = memory((made, made), (held_out, held_out))
    u = stats.mannwhitneyu(1 - made, 1 - held_out).statistic
    assert generation.data_copying_z(o) == pytest.approx(
        (u - 80 * 60 / 2) / np.sqrt(80 * 60 * 141 / 12)
    )


def test_means_and_class_shares_by_hand() -> None:
    made, real = np.array([0.5, 0.7, 0.6]), np.array([0.3, 0.5])
    assert generation.ms_ssim_excess(
        scored("generated", made, "training", real, "ms_ssim")
    ) == pytest.approx(0.2)
    o = quality(
        np.zeros((8, 2)),
        np.zeros((4, 2)),
        np.zeros((4, 2)),
        called=[0, 0, 0, 0, 0, 0, 1, 1],
        labels=[0, 1, 2, 2],
    )
    assert generation.class_share_distance(o) == pytest.approx((0.5 + 0 + 0.5 + 0) / 2)
    flags = memory(
        (np.array([0.9, 0.9, 0.9, 0.5]), np.full(4, 0.7)),
        (np.array([0.9, 0.5, 0.5, 0.5]), np.full(4, 0.7)),
    )
    assert generation.memorised_share(flags) == pytest.approx(
        (0.75 - 0.5) / 0.5
    )  # held-out images, at 0.25, are below one half
    assert generation.memorised_share_features(flags) == pytest.approx((0.75 - 0.5) / 0.5)
    skewed = memory(
        (np.full(4, 0.9), np.array([0.1, 0.1, 0.1, 0.95])),
        (np.full(5, 0.9), np.array([0.1, 0.1, 0.1, 0.95, 0.95])),
    )
    assert generation.memorised_share(skewed) == pytest.approx((0.75 - 0.6) / 0.4)
    assert (
        generation.copied_share(
            memory((np.array([0.995, 0.5]), np.zeros(2)), (np.zeros(2), np.zeros(2)))
        )
        == 0.5
    )


def test_a_class_that_the_network_takes_others_for_is_not_made() -> None:
    """A generator of gliomas alone, read by a network that calls one glioma in ten a meningioma,
    covers one class.
    """
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (800, 3))
    o = quality(x[:400], x[400:], called=np.where(np.arange(400) % 10, 0, 1))
    assert generation.classes_covered(o) == 2  # a network that never errs would have seen two
    misread = o["y_pred"].copy()
    misread[
        (o["origin"] == "held_out") & (o["label"] == "glioma") & (np.arange(len(o)) % 40 < 4)
    ] = 1
    assert generation.classes_covered(Observations({**o.arrays, "y_pred": misread}, o.classes)) == 1


def test_classes_are_counted_with_what_is_not_decided(specs: SpecsMaker) -> None:
    x = np.random.default_rng(0).normal(0, 1, (300, 3))
    o = quality(
        x[:200], x[200:], called=np.repeat([0, 1, 2], [150, 43, 7])
    )  # 7 may be misread or made; of the last class are none
    measure = {"metric": "classes_covered", "run": "toy", "split": "quality"}
    claim = specs(
        measure=measure,
        criterion={"kind": "at_least", "value": 4, "rationale": "x", "unit": "count"},
    ).claims[0]
    found = estimate(claim, {"toy": [evidence_of({"quality": o})]}).found
    assert (found.low, found.estimate, found.high, found.n) == (2, 2, 3, 200)


@pytest.mark.parametrize(
    ("real", "generated", "usual"),
    [(40, 40, 0.9745), (30, 90, 0.9993), (90, 30, 0.7727), (368, 1000, 0.9986)],
)
def test_the_usual_coverage_is_that_of_a_second_sample(
    real: int, generated: int, usual: float
) -> None:
    rng = np.random.default_rng(3)
    found = [
        neighbours.coverage(rng.normal(0, 1, (real, 3)), rng.normal(0, 1, (generated, 3))).value
        for _ in range(100)
    ]
    assert neighbours.usual_coverage(real, generated) == pytest.approx(usual, abs=1e-4)
    assert np.mean(found) == pytest.approx(
        usual, abs=4 * np.std(found) / np.sqrt(len(found)) + 1e-4
    )


@pytest.mark.parametrize(("made", "most"), [(0, 3), (5, 3), (60, 4)])
def test_a_class_never_shown_is_absent_where_misreading_explains_its_calls(
    specs: SpecsMaker, made: int, most: int
) -> None:
    """A perfect generator of three classes of four is called pituitary as often as the network
    errs: at most three are made.
    """
    x = np.random.default_rng(0).normal(0, 1, (3000, 3))
    called = np.where(np.arange(1000) < made, 3, np.arange(1000) % 3)
    o = quality(x[:1000], x[1000:2000], x[2000:], called=called, labels=np.arange(1000) % 3)
    held_out = np.flatnonzero((o["origin"] == "held_out") & (o["label"] != "pituitary"))
    misread = o["y_pred"].copy()
    misread[held_out[::200]] = 3  # 5 in 1,000
    o = Observations({**o.arrays, "y_pred": misread}, o.classes)
    measure = {"metric": "classes_covered", "run": "toy", "split": "quality"}
    claim = specs(
        measure=measure,
        criterion={"kind": "at_least", "value": 4, "rationale": "x", "unit": "count"},
    ).claims[0]
    found = estimate(claim, {"toy": [evidence_of({"quality": o})]}).found
    assert (found.estimate, found.high) == (most, most)
    assert not class_counts(o).lost.any()  # what was never shown is no collapse


@settings(max_examples=40, deadline=None)
@given(SAMPLES, st.integers(0, 100))
def test_order_does_not_matter_and_values_stay_in_bounds(
    pair: tuple[Array, Array], seed: int
) -> None:
    real, made = pair
    o = quality(made, real)
    shuffled = o.take(np.random.default_rng(seed).permutation(len(o)))
    for name in (
        "kid",
        "fid",
        "improved_precision",
        "improved_recall",
        "density",
        "coverage",
        "classes_covered",
    ):
        metric = registry.resolve("metric", name)
        value = metric(o)
        assert value == pytest.approx(metric(shuffled), rel=1e-9, abs=1e-9)
        assert metric.bounds[0] <= value <= metric.bounds[1]
        _, added = metric.by_row(o)
        assert np.nansum(added) == pytest.approx(0, abs=1e-6 * max(1, np.nanmax(np.abs(added))))


@settings(max_examples=25, deadline=None)
@given(SAMPLES)
def test_a_sample_is_like_itself(pair: tuple[Array, Array]) -> None:
    o = quality(pair[0], pair[0])
    values = {
        name: registry.resolve("metric", name)(o)
        for name in ("fid", "improved_precision", "improved_recall", "coverage")
    }
    assert values == pytest.approx(
        {"fid": 0, "improved_precision": 1, "improved_recall": 1, "coverage": 1}, abs=1e-6
    )
    kernel = (pair[0] @ pair[0].T / pair[0].shape[1] + 1) ** 3
    assert (
        generation.kid(o) <= 1e-9 * np.abs(kernel).max()
    )  # the unbiased one is a little below 0 there


def test_one_image_alone_is_neither_varied_nor_undefined() -> None:
    real = np.random.default_rng(0).normal(0, 1, (60, 5))
    o = quality(np.repeat(real[:1], 60, axis=0), real)
    assert generation.improved_precision(o) == 1
    assert generation.improved_recall(o) <= 1 / 60
    assert generation.coverage(o) < 0.3
    assert np.isfinite(generation.fid(o)) and np.isfinite(generation.kid(o))


COVERED: dict[str, Callable[[np.random.Generator, int], Observations]] = {
    "kid": lambda g, n: quality(g.normal(0.4, 1.3, (n, 8)), g.normal(0, 1, (n, 8))),
    "fid": lambda g, n: quality(g.normal(0.4, 1.3, (n, 8)), g.normal(0, 1, (n, 8))),
    "improved_precision": lambda g, n: quality(g.normal(0.4, 1.3, (n, 8)), g.normal(0, 1, (n, 8))),
    "improved_recall": lambda g, n: quality(g.normal(0.4, 0.8, (n, 8)), g.normal(0, 1, (n, 8))),
    "density": lambda g, n: quality(g.normal(0.4, 1.1, (n, 8)), g.normal(0, 1, (n, 8))),
    "coverage": lambda g, n: quality(g.normal(0.4, 1.1, (n, 8)), g.normal(0, 1, (n, 8))),
    "class_share_distance": lambda g, n: quality(
        np.zeros((n, 1)),
        np.zeros((4, 1)),
        np.zeros((n, 1)),
        called=g.choice(4, n, p=[0.7, 0.1, 0.1, 0.1]),
        labels=g.integers(0, 4, n),
    ),
    "ms_ssim_excess": lambda g, n: scored(
        "generated", g.uniform(0.2, 0.9, n), "training", g.uniform(0, 0.8, n), "ms_ssim"
    ),
    "membership_auc_generator": lambda g, n: scored(
        "training", g.normal(0.5, 1, n), "held_out", g.normal(0, 1, n), "generator"
    ),
    "memorised_share": lambda g, n: memory(
        (g.uniform(0, 1, n), np.where(g.random(n) < 0.2, 0, g.uniform(0, 1, n))),
        (g.uniform(0, 1, n), g.uniform(0, 1, n)),
    ),
    "data_copying_z": lambda g, n: memory(
        (g.uniform(0.2, 1, n), np.zeros(n)), (g.uniform(0, 1, n), np.zeros(n))
    ),
}
STUDIES, SIZE = 200, 100


@pytest.mark.parametrize("name", COVERED)
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    """Over 200 made-up studies; the truth is the mean over other studies of the same n. tests/full
    has many more.

    At least 180 of 200: binomial(200, 0.95) falls below it with probability 0.003. Too wide is seen
    by the spread of the values.
    """
    metric = registry.resolve("metric", name)
    truth = np.mean(
        [metric(COVERED[name](np.random.default_rng([7, s]), SIZE)) for s in range(STUDIES)]
    )
    found = [
        metric.of(COVERED[name](np.random.default_rng([8, s]), SIZE))[0].interval(
            bounds=metric.bounds
        )
        for s in range(STUDIES)
    ]
    held = sum(i.low <= truth <= i.high for i in found)
    wide = np.mean([i.high - i.low for i in found]) / (
        2 * 1.96 * np.std([i.estimate for i in found])
    )
    assert held >= 180
    assert wide < (2.5 if name == "fid" else 2.0)  # the lower end of a FID is 0


def test_the_estimate_carries_the_same_error_and_shares_what_two_parts_share(
    specs: SpecsMaker,
) -> None:
    rng = np.random.default_rng(3)
    real = rng.normal(0, 1, (300, 6))
    first, second = (quality(rng.normal(0.3, 1.2, (300, 6)), real) for _ in range(2))
    measure = {"metric": "kid", "run": "toy", "split": "quality"}
    criterion = {"kind": "at_most", "value": 0.05, "rationale": "x", "unit": "number"}
    alone = estimate(
        specs(measure=measure, criterion=criterion).claims[0],
        {"toy": [evidence_of({"quality": first})]},
    ).found
    contributed = generation.kid.of(first)[0]
    assert (alone.estimate - alone.low) / 1.96 == pytest.approx(contributed.standard_error, rel=0.1)
    assert (alone.n, alone.method) == (600, "Student's t, from the influence of each sample")
    paired = specs(measure={**measure, "minus": {"run": "other"}}, criterion=criterion).claims[0]
    both = estimate(
        paired,
        {
            "toy": [evidence_of({"quality": first})],
            "other": [evidence_of({"quality": second}, protocol="other")],
        },
    ).found
    assert both.estimate == pytest.approx(generation.kid(first) - generation.kid(second))
    own = [f.strata for f in (contributed, generation.kid.of(second)[0])]
    expected = (
        np.sqrt(((own[0][0] - own[1][0]) ** 2).sum() + sum((made**2).sum() for _, made in own))
        / 300
    )  # the real ones are shared
    assert (both.high - both.low) / (2 * 1.96) == pytest.approx(
        expected, rel=0.12
    )  # the square of a distance reaches higher


def test_runs_spread_as_students_t(specs: SpecsMaker) -> None:
    rng = np.random.default_rng(5)
    real = rng.normal(0, 1, (400, 4))
    runs = [
        evidence_of({"quality": quality(rng.normal(shift, 1, (400, 4)), real)}, s)
        for s, shift in enumerate((0.5, 1.0, 1.5))
    ]
    claim = specs(
        measure={"metric": "fid", "run": "toy", "split": "quality"},
        criterion={"kind": "at_most", "value": 1, "rationale": "x", "unit": "number"},
    ).claims[0]
    found = estimate(claim, {"toy": runs}).found
    values = [generation.fid(e.observations["quality"]) for e in runs]
    assert found.estimate == pytest.approx(np.mean(values))
    assert found.high > 1 and found.runs == 3  # a FID is not cut at 1, as a proportion is
    assert found.low == 0  # nor does it go below 0
    assert found.high - found.estimate == pytest.approx(
        stats.t(2).ppf(0.975) * np.std(values, ddof=1) / np.sqrt(3), rel=0.12
    )


def test_a_share_never_seen_is_bounded_and_counts_are_no_shares(specs: SpecsMaker) -> None:
    o = memory((np.full(100, 0.5), np.full(100, 0.4)), (np.full(100, 0.5), np.full(100, 0.6)))
    measure = {"metric": "copied_share", "run": "toy", "split": "memory"}
    found = estimate(specs(measure=measure).claims[0], {"toy": [evidence_of({"memory": o})]}).found
    assert (found.low, found.estimate) == (0, 0) and 0.03 < found.high < 0.04
    share = estimate(
        specs(measure={**measure, "metric": "memorised_share"}).claims[0],
        {"toy": [evidence_of({"memory": o})]},
    ).found
    assert share.estimate == 1 and share.low < 0.97


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (
            "kid",
            {"origin": np.repeat("held_out", 40)},
            "expected rows of origin 'generated', got held_out",
        ),
        ("kid", {"features": np.full((40, 2), np.inf)}, "expected finite values of 'features'"),
        (
            "coverage",
            {"origin": np.array(["generated"] * 37 + ["held_out"] * 3)},
            "at least 7 samples a side, got 3",
        ),
        ("class_share_distance", {}, "expected rows of origin 'training'"),
    ],
)
def test_what_is_missing_is_named(name: str, change: dict[str, Any], says: str) -> None:
    o = quality(np.zeros((20, 2)), np.ones((20, 2)))
    with pytest.raises(DataError, match=says):
        registry.resolve("metric", name)(Observations({**o.arrays, **change}, CLASSES))


def test_calibration_needs_images_that_are_not_flagged() -> None:
    nearer = (np.full(5, 0.9), np.full(5, 0.1))
    with pytest.raises(DataError, match="no excess over them can be told"):
        generation.memorised_share(memory(nearer, nearer))


def test_training_images_stand_in_where_none_were_held_out() -> None:
    x = np.random.default_rng(0).normal(0, 1, (90, 4))
    assert generation.kid(quality(x[:30], x[:0], x[30:])) == pytest.approx(
        generation.kid(quality(x[:30], x[30:]))
    )


def test_a_metric_that_compares_groups_itself_takes_no_by(specs: SpecsMaker) -> None:
    with pytest.raises(SpecError, match="got the key 'by', which it does not use"):
        specs(measure={"metric": "kid", "run": "toy", "split": "quality", "by": "origin"})


def test_a_fid_shows_that_it_is_small_and_never_that_it_is_large(specs: SpecsMaker) -> None:
    """Two samples of one distribution, whose FID at this n is 0.5: "at most 0.1" is not refuted by
    it.
    """
    rng = np.random.default_rng(0)
    o = quality(rng.normal(0, 1, (100, 8)), rng.normal(0, 1, (100, 8)))
    claim = specs(
        measure={"metric": "fid", "run": "toy", "split": "quality"},
        criterion={"kind": "at_most", "value": 0.1, "rationale": "x", "unit": "number"},
    ).claims[0]
    found = estimate(claim, {"toy": [evidence_of({"quality": o})]}).found
    assert found.low == 0 and found.estimate > 0.3


def test_shares_of_classes_that_agree_are_not_told_to_differ() -> None:
    """The distance of two samples of the same shares is above 0 by chance; its interval holds 0."""
    rng = np.random.default_rng(1)
    o = quality(
        np.zeros((100, 1)),
        np.zeros((4, 1)),
        np.zeros((100, 1)),
        called=rng.integers(0, 4, 100),
        labels=rng.integers(0, 4, 100),
    )
    found = registry.resolve("metric", "class_share_distance").of(o)[0].interval(bounds=(0, 1))
    assert found.low == 0 and found.estimate > 0.03
