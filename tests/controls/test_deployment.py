"""Controls of the audits of deployment: what spoils a timing or an answer is found, and the clean
twin passes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_up_ladder import ladder_evidence, said, severities, slow

from medpipe.audits.backend_timing import parities, winner
from medpipe.metrics.timing import geometric

TIMES = {
    "eager_grad": 0.97,
    "eager_no_grad": 1.0,
    "eager": 1.0,
    "script": 1.1,
    "frozen": 1.5,
    "openvino_int8": 6.0,
}


def test_the_clean_twin_passes() -> None:
    found = severities(ladder_evidence(TIMES))
    looks = (
        "same_again",
        "warm_up",
        "waits",
        "impossible",
        "remembered",
        "baseline",
        *(slug for slug in TIMES if slug != "eager"),
    )
    assert {k: v for k, v in found.items() if k not in ("torchscript", "forms")} == dict.fromkeys(
        looks, "clean"
    )
    assert (
        found["forms"] == "narrows" and found["torchscript"] == "undermines"
    )  # no TensorRT; TorchScript is worth a tenth
    best = winner(ladder_evidence(TIMES))
    assert best is not None and best[0] == "openvino_int8" and best[1].low < 6 < best[1].high


def test_flips_of_the_form_that_was_timed_count() -> None:
    """In fp32 none may be; of others, 1 of 64 is not surely more than one in a hundred."""
    few = ladder_evidence(TIMES, flips_timed={"frozen": 1, "openvino_int8": 1})
    assert [parities(few)[slug].severity for slug in ("frozen", "openvino_int8", "script")] == [
        "undermines",
        "clean",
        "clean",
    ]
    assert (
        parities(ladder_evidence(TIMES, flips_timed={"openvino_int8": 12}))[
            "openvino_int8"
        ].severity
        == "undermines"
    )


def test_more_operations_than_a_matrix_product_are_found() -> None:
    assert severities(ladder_evidence(TIMES, flops=4e9))["impossible"] == "undermines"
    clean = said(ladder_evidence(TIMES), "timing:impossible")
    assert (
        clean.startswith("None does more")
        and "Not examined, for no product of that precision was measured: openvino_int8." in clean
    )


def test_a_baseline_crippled_by_gradients_is_named() -> None:
    slower = ladder_evidence({**TIMES, "eager": 1.4})
    assert severities(slower)["baseline"] == "narrows" and "1.4" in said(slower, "timing:baseline")
    undecided = ladder_evidence({**TIMES, "eager": 1.05})
    assert severities(undecided)["baseline"] == "narrows" and "is open" in said(
        undecided, "timing:baseline"
    )


def test_what_was_not_looked_at_is_not_clean() -> None:
    e = ladder_evidence(TIMES)
    bare = replace(
        e,
        scalars={},
        observations={
            name: o for name, o in e.observations.items() if not name.startswith("timed_parity_")
        },
    )
    assert {
        k: v
        for k, v in severities(bare).items()
        if k in ("waits", "remembered", "baseline", "script")
    } == dict.fromkeys(("waits", "remembered", "baseline", "script"), "narrows")


def test_swapped_weights_are_found_and_cannot_win() -> None:
    e = ladder_evidence(TIMES, {"frozen": 600, "openvino_int8": 30})
    assert (
        parities(e)["frozen"].severity == "undermines" and parities(e)["script"].severity == "clean"
    )
    best = winner(e)
    assert best is not None and best[0] == "script"


def test_a_quantisation_that_flips_one_in_a_hundred_does_not_pass() -> None:
    """At 1,000 images 1 % of flips is never cleared, 3 % is surely found, and the clean twin is."""

    def passed(flips: int) -> int:
        return sum(
            parities(ladder_evidence(TIMES, {"openvino_int8": flips}, seed=s, rounds=10))[
                "openvino_int8"
            ].severity
            == "clean"
            for s in range(20)
        )

    def caught(flips: int) -> int:
        return sum(
            parities(ladder_evidence(TIMES, {"openvino_int8": flips}, seed=s, rounds=10))[
                "openvino_int8"
            ].severity
            == "undermines"
            for s in range(20)
        )

    assert (passed(10), caught(30), passed(0)) == (0, 20, 20)
    exact = parities(ladder_evidence(TIMES, {"openvino_int8": 10}, exact=("openvino_int8",)))[
        "openvino_int8"
    ]
    assert exact.severity == "undermines"  # a form in fp32 may flip none


def test_the_same_form_twice_is_as_fast_as_itself() -> None:
    """The interval of the ratio holds 1 in at least 93 of 100 repeats, under noise that lasts over
    rounds.
    """
    holds = 0
    for repeat in range(400):
        draw = np.random.default_rng((7, repeat))
        shared = slow(120, draw)
        first, second = (shared + 0.05 * slow(120, draw, 1.0, 0.3) for _ in range(2))
        found = geometric(first - second, np.array([f"{k // 10}" for k in range(120)]))
        holds += found.low <= 1 <= found.high
    assert holds >= 0.93 * 400
