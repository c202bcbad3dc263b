"""The ladder on a GPU, run into a bundle that can be judged; each form that answered is a
benchmark.

``pytest -m gpu --benchmark-only`` on a CUDA machine runs the experiment ``deployment_ladder`` into
`FOLDER`, on the published images where they are there (profile ``reduced``), else on the package's
own. The benchmarks show what stands in that evidence: calls of one batch size that
`medpipe.pipeline.deployment.latency` timed, all forms by turns. pytest-benchmark times nothing
itself; its clock plays them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from medpipe.audits.backend_timing import speed  # noqa: E402
from medpipe.errors import UnavailableError  # noqa: E402
from medpipe.evidence import Bundle, Evidence  # noqa: E402
from medpipe.pipeline.data.images import load_images  # noqa: E402
from medpipe.pipeline.deployment.backends import ladder  # noqa: E402
from medpipe.running.plan import PlannedRun, make_plan  # noqa: E402
from medpipe.running.runner import execute  # noqa: E402
from medpipe.specs import load_specs  # noqa: E402

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".benchmarks" / "gpu-ladder"
CLOCK = [0.0]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def clock() -> float:
    """Seconds that were played back so far."""
    return CLOCK[0]


def play(seconds: Iterator[float]) -> None:
    """Let the clock go on by the next stored time."""
    CLOCK[0] += next(seconds)


def ladder_run() -> tuple[PlannedRun, str]:
    """The run of the profile for which there are images, and the profile's name."""
    specs = load_specs(ROOT / "specs")
    for profile in ("reduced", "demonstration"):
        (run,) = [
            r
            for r in make_plan(specs, specs.profile(profile)).runs
            if r.protocol == "deployment.ladder"
        ]
        try:
            load_images(run.run.parameters["data"]["source"])
        except UnavailableError:
            continue
        return run, profile
    raise AssertionError("the package's own images are always there")


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Made once, and found again in the bundle the next time."""
    run, profile = ladder_run()
    bundle = Bundle.create(FOLDER.with_name(f"{FOLDER.name}-{profile}"), FOLDER.name, profile)
    if bundle.get(run.run.key) is None:
        bundle.write_specs(load_specs(ROOT / "specs").files)
        execute(
            [run],
            bundle,
            work=bundle.folder / ".work",
            jobs=1,
            device="cuda",
            listener=lambda key, event: None,
        )
        bundle.seal()
    made = bundle.get(run.run.key)
    assert made is not None and made.failure is None, made
    return made


@pytest.mark.parametrize("slug", [r.slug for r in ladder("cuda")])
@pytest.mark.benchmark(timer=clock)
def test_a_form_answers(benchmark: Any, evidence: Evidence, slug: str) -> None:
    if f"speed_{slug}" not in evidence.observations:
        pytest.skip(
            "forms that were not built, or that this profile leaves out, are listed in the evidence"
            " with the reason"
        )
    o = evidence.observations[f"speed_{slug}"]
    found, latency = speed(o), evidence.observations["latency"]
    of_form = latency.take((latency["slug"] == slug) & (latency["scope"] == "end_to_end"))
    benchmark.extra_info |= {
        "run": evidence.run.key,
        "timed_by": "medpipe.pipeline.deployment.latency, played back",
        "times_as_fast": found.estimate,
        "low": found.low,
        "high": found.high,
        "median_seconds_by_batch": {
            str(b): float(np.median(of_form["seconds"][of_form["batch"] == b]))
            for b in np.unique(of_form["batch"])
        },
    }
    benchmark.pedantic(play, (iter(o["seconds"].tolist()),), rounds=len(o))
