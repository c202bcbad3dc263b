"""Whether times and answers of deployed forms can be trusted, and which form wins.

**Purpose.** A speed-up can be trusted only if its timer, its baseline and its answers can.

**Method.** From the evidence of ``deployment_ladder``. *Timing*: the reference timed twice must be
as fast as itself (interval of the ratio holds 1); warm-ups must have become stable, and no form's
rounds may get faster than those of the others do; every timer must wait until the device is done;
no form may do more operations a second than the device does in a matrix product of its precision;
none may remember answers; the baseline must do no more than answer. *Parity*: of each form, flipped
predictions and accuracy lost against the reference over the whole evaluation set, and flips of the
very form that was timed, at the timed size. Forms that compute in fp32 must call the same; others
surely at most `FLIPPED` otherwise and `LOST` worse. The winner is the fastest form that passes.
*Attribution*: `medpipe.audits.attribution`. What was not looked at, or stays undecided, is never
called clean.

**Limits.** Times are of one machine and one batch size. Operations are counted of the network as
written: a form that leaves some out can look impossible, and one that is slow can hide a fault.
Demonstration data says nothing about the published network and is left out.

**Example.** TorchScript, frozen, on the same processor makes it 1.3 times as fast (1.2 to 1.4); the
published table itself gives 0.82.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.audits.attribution import SPEED, attributed
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.finding import Finding
from medpipe.formatting import listed, plural
from medpipe.metrics.intervals import Interval
from medpipe.metrics.prediction_changes import flipped, lost
from medpipe.metrics.timing import geometric, insufficient_warm_up
from medpipe.specs.claim import Claim

EXPERIMENT, PART = "deployment_ladder", "deployment"
TIMING, PARITY = "timing", "parity"
AUDITS = frozenset({TIMING, PARITY})
REFERENCE, BASELINE, TRACKING = "eager", "eager_no_grad", "eager_grad"
FLIPPED, LOST = 0.01, 0.005
"""One call in a hundred, and the margin of non-inferiority."""
POSSIBLE = 1.25
"""A form that does more than this share of the operations of a matrix product did not do them."""
COSTS = 1.05
PEAKS = {"fp32": "gemm_fp32", "tf32": "gemm_fp32", "bf16": "gemm_bf16"}
WIDER = {"fp32": 1, "tf32": 1, "bf16": 2}
"""Values of a precision that fit where one of fp32 does: at least so many times as many operations,
where a library has no fast product.
"""


def calls(share: Interval) -> int:
    """How many calls a share is of those that it was counted over."""
    return round(share.estimate * share.n)


@dataclass(frozen=True)
class Parity:
    """Of one form against the reference: the share that is called otherwise, accuracy lost, the
    largest difference of probabilities.

    ``timed``: the share that the very form that was timed calls otherwise, at the batch size where
    it is largest; None where it was not asked.
    """

    flipped: Interval
    lost: Interval
    difference: float
    exact: bool
    timed: Interval | None

    @property
    def severity(self) -> str:
        """``clean`` where the form may be used for the reference, ``undermines`` where it surely
        may not, else ``narrows``.
        """
        at_timed = () if self.timed is None else (self.timed,)
        if self.exact:
            broken = any(i.estimate > 0 for i in (self.flipped, *at_timed))
        else:
            broken = self.lost.low > LOST or any(i.low > FLIPPED for i in (self.flipped, *at_timed))
        if broken:
            return "undermines"
        passes = self.exact or (self.flipped.high <= FLIPPED and self.lost.high <= LOST)
        return "clean" if passes and self.timed is not None else "narrows"


def deployment(evidence: Sequence[Evidence], claims: Sequence[Claim]) -> tuple[Finding, ...]:
    """What each run of the ladder shows of its times and answers."""
    return tuple(
        f for e in evidence if _speaks(e) for f in (*_timing(e, claims), *_parities(e, claims))
    )


def _speaks(e: Evidence) -> bool:
    return (
        e.run.experiment == EXPERIMENT
        and e.failure is None
        and e.resolved.get("data", {}).get("source") != "demonstration"
    )


def parity(o: Observations, timed: Observations | None, *, exact: bool) -> Parity:
    """What the splits ``parity_<slug>`` and ``timed_parity_<slug>`` show."""
    return Parity(
        flipped(o),
        lost(o),
        float(o["difference"].max()),
        exact,
        None if timed is None else _worst(timed),
    )


def _worst(timed: Observations) -> Interval:
    """The share that is called otherwise, at the batch size where it is largest."""
    found = (flipped(timed.take(timed["batch"] == batch)) for batch in np.unique(timed["batch"]))
    return max(found, key=lambda i: i.estimate)


def parities(e: Evidence) -> dict[str, Parity]:
    """By slug, of every form that was built and is not the reference."""
    o, seen = e.observations["ladder"], e.observations
    exact = {
        slug: flag == "yes"
        for slug, flag in zip(o["slug"].tolist(), o["exact"].tolist(), strict=True)
    }
    return {
        slug: parity(seen[f"parity_{slug}"], seen.get(f"timed_parity_{slug}"), exact=exact[slug])
        for slug in exact
        if f"parity_{slug}" in seen
    }


def winner(e: Evidence) -> tuple[str, Interval] | None:
    """The fastest form whose parity is clean, with how many times as fast as the baseline it is;
    None where nothing was timed.
    """
    passed = {REFERENCE} | {slug for slug, p in parities(e).items() if p.severity == "clean"}
    speeds = {
        slug: speed(e.observations[SPEED + slug])
        for slug in passed
        if SPEED + slug in e.observations
    }
    best = max(speeds, key=lambda slug: speeds[slug].estimate, default=None)
    return None if best is None else (best, speeds[best])


def speed(o: Observations) -> Interval:
    """How many times as fast as the baseline of the same rounds, geometric mean."""
    return geometric(np.log(o["ratio"]), o["block"])


def _bearing(claims: Sequence[Claim], threat: str, split: str = "") -> tuple[str, ...]:
    """Claims of the part that name the threat and measure a split of that form; all of them without
    a split.
    """
    return tuple(
        c.id
        for c in claims
        if c.part == PART
        and threat in c.threats
        and (
            not split
            or any(m.split in (SPEED + split, f"parity_{split}") for m in c.measure.parts())
        )
    )


def _timing(e: Evidence, claims: Sequence[Claim]) -> Iterator[Finding]:
    every, script = _bearing(claims, TIMING), _bearing(claims, TIMING, "script")
    looks = (
        _same_again(e),
        _warm_ups(e),
        _waits(e),
        _impossible(e),
        _remembered(e),
        _baseline(e),
        _torchscript(e),
        _left_out(e),
    )
    for aspect, severity, statement, figures in looks:
        bearing = script if aspect == "torchscript" else every
        yield Finding(
            TIMING, severity, statement, bearing, figures, id=f"{TIMING}:{aspect}.seed{e.run.seed}"
        )


Look = tuple[str, str, str, Mapping[str, float]]


def _same_again(e: Evidence) -> Look:
    found = speed(e.observations["same_again"])
    holds = found.low <= 1 <= found.high
    return (
        "same_again",
        "clean" if holds else "narrows",
        f"The reference timed against itself is {_times(found)} as fast: "
        + (
            "the timer finds no difference where there is none."
            if holds
            else "differences of that size are the machine’s."
        ),
        {"ratio": found.estimate, "low": found.low, "high": found.high, "n": found.n},
    )


def _warm_ups(e: Evidence) -> Look:
    o = e.observations["warmup"]
    unstable = list(dict.fromkeys(o["slug"][o["stable"] == "no"].tolist()))
    short = insufficient_warm_up(
        {
            s.removeprefix(SPEED): seen["seconds"]
            for s, seen in e.observations.items()
            if s.startswith(SPEED)
        }
    )
    every = len(np.unique(o["slug"]))
    figures = {"unstable": len(unstable), "short": len(short), "configurations": every}
    said = (
        [f"The warm-up of {listed(unstable)} did not become stable before its cap."]
        if unstable
        else []
    )
    said += (
        [
            f"The warm-up of {listed(short)} was too short: rounds get faster than those of the"
            " other forms do."
        ]
        if short
        else []
    )
    if said:
        return "warm_up", "narrows", " ".join(said), figures
    return (
        "warm_up",
        "clean",
        (
            f"All {every} warm-ups became stable before timing, and no form gets faster over the"
            " rounds."
        ),
        figures,
    )


def _guarded(e: Evidence, guard: str) -> dict[str, bool]:
    """By slug, whether a guard found something; empty where it was not asked."""
    return {
        name.removeprefix(guard): bool(value)
        for name, value in e.scalars.items()
        if name.startswith(guard)
    }


def _waits(e: Evidence) -> Look:
    asked = _guarded(e, "does_not_wait_")
    names = [slug for slug, found in asked.items() if found]
    figures = {"forms": len(names), "n": len(asked)}
    if names:
        return (
            "waits",
            "undermines",
            (
                f"The timer of {listed(names)} stops while the device still works: too little is"
                " timed."
            ),
            figures,
        )
    if not asked:
        return (
            "waits",
            "narrows",
            "Whether timers wait until the device is done was not examined.",
            figures,
        )
    return (
        "waits",
        "clean",
        (
            f"After each of {plural(len(asked), 'timer')} has stopped, nothing is left to wait for"
            " on the device."
        ),
        figures,
    )


def _impossible(e: Evidence) -> Look:
    shares, unlike = shares_of_limits(e)
    top = max(shares, key=lambda s: shares[s])
    over = [s for s, share in shares.items() if share > POSSIBLE]
    figures = {"largest_share": shares[top], "over": len(over), "not_examined": len(unlike)}
    beside = (
        f" Not examined, for no product of that precision was measured: {listed(unlike)}."
        if unlike
        else ""
    )
    if over:
        return (
            "impossible",
            "undermines",
            (
                "More operations a second than this machine does in a matrix product would be done"
                f" by {listed(over)}: not all of the work is timed.{beside}"
            ),
            figures,
        )
    return (
        "impossible",
        "clean",
        (
            "None does more operations a second by over a quarter than a matrix product of its"
            f" precision here; the nearest is {top} at {100 * shares[top]:.0f} %.{beside}"
        ),
        figures,
    )


def shares_of_limits(e: Evidence) -> tuple[dict[str, float], list[str]]:
    """By slug, operations a second as a share of those of a matrix product of the form's own
    precision here; and the timed forms for whose precision none was measured.
    """
    o, device = e.observations["ladder"], e.observations["device"]
    peak = dict(zip(device["sample_id"].tolist(), device["per_second"].tolist(), strict=True))
    shares, unlike = {}, []
    for slug, precision, flops in zip(
        o["slug"].tolist(), o["precision"].tolist(), o["flops"].tolist(), strict=True
    ):
        if SPEED + slug in e.observations and PEAKS.get(precision) in peak:
            limit = max(peak[PEAKS[precision]], WIDER[precision] * peak["gemm_fp32"])
            shares[slug] = flops / float(np.median(e.observations[SPEED + slug]["seconds"])) / limit
        elif SPEED + slug in e.observations:
            unlike.append(slug)
    return shares, unlike


def _remembered(e: Evidence) -> Look:
    asked = _guarded(e, "remembers_")
    names = [slug for slug, found in asked.items() if found]
    figures = {"forms": len(names), "n": len(asked)}
    if names:
        return (
            "remembered",
            "undermines",
            f"The same answer to unlike images, remembered and not computed, gave {listed(names)}.",
            figures,
        )
    if not asked:
        return "remembered", "narrows", "Whether answers are remembered was not examined.", figures
    return (
        "remembered",
        "clean",
        "Unlike images get unlike answers from every form that was timed.",
        figures,
    )


def _baseline(e: Evidence) -> Look:
    """Whether ratios are to a model that does no more than answer, and what it would cost if it
    tracked gradients.
    """
    if SPEED + BASELINE not in e.observations:
        return (
            "baseline",
            "narrows",
            f"The form {BASELINE}, as published, was not timed: ratios are to {REFERENCE}.",
            {},
        )
    found, tracks = (
        speed(e.observations[SPEED + REFERENCE]),
        _guarded(e, "tracks_gradients_").get(BASELINE),
    )
    figures = {"ratio": found.estimate, "low": found.low, "high": found.high, "n": found.n}
    cost = attributed(e.observations, (("tracking gradients", TRACKING, BASELINE),))[0].interval
    beside = (
        ""
        if cost is None
        else f" A baseline that tracked gradients would flatter every form by {_times(cost)}."
    )
    said = (
        "Ratios are to the plain model without gradients, as published; in inference mode it is"
        f" {_times(found)} as fast: "
    )
    if tracks or found.low > COSTS:
        why = "its answers carry gradients" if tracks else "it does more than it needs to"
        return (
            "baseline",
            "narrows",
            f"{said}{why}, so ratios overstate by that much what an export gains.{beside}",
            figures,
        )
    if found.high > COSTS or tracks is None:
        return (
            "baseline",
            "narrows",
            f"{said}whether it does more than it needs to is open.{beside}",
            figures,
        )
    return "baseline", "clean", f"{said}it does no more than it needs to.{beside}", figures


def _torchscript(e: Evidence) -> Look:
    steps = (("TorchScript on the same processor", REFERENCE, "script"),)
    found = attributed(e.observations, steps)[0].interval
    device = (
        "what the GPU adds was timed beside it"
        if f"{SPEED}script_cuda" in e.observations
        else "what a GPU adds was not tested: none was there"
    )
    if found is None:
        return "torchscript", "narrows", f"TorchScript was not timed; {device}.", {}
    small = found.high < 2
    return (
        "torchscript",
        "undermines" if small else "narrows",
        (
            f"TorchScript on the same processor makes it {_times(found)} as fast; the published"
            " table itself gives 125.2 / 151.9 = 0.82, and 151.9 / 4.9 = 31.0 for the change of"
            f" device; {device}."
        ),
        {"ratio": found.estimate, "low": found.low, "high": found.high, "n": found.n},
    )


def _left_out(e: Evidence) -> Look:
    o = e.observations["ladder"]
    absent = o["state"] != "built"
    why = "; ".join(
        f"{s}: {r}"
        for s, r in zip(o["slug"][absent].tolist(), o["reason"][absent].tolist(), strict=True)
    )
    said = f"{int((~absent).sum())} of {plural(len(o), 'form')} were built."
    figures = {"built": int((~absent).sum()), "n": len(o)}
    return (
        "forms",
        "narrows" if absent.any() else "clean",
        said + (f" Not built: {why}." if why else ""),
        figures,
    )


def _parities(e: Evidence, claims: Sequence[Claim]) -> Iterator[Finding]:
    for slug, p in parities(e).items():
        verdict = {
            "clean": "it may stand for the reference",
            "narrows": "whether it may stand for the reference is open",
            "undermines": "it may not stand for the reference, and cannot win",
        }[p.severity]
        yield Finding(
            PARITY,
            p.severity,
            f"Of {plural(p.flipped.n, 'image')} {slug} calls {calls(p.flipped):,} otherwise than"
            f" the reference ({100 * p.flipped.low:.2f} to {100 * p.flipped.high:.2f} %) and loses"
            f" {_points(p.lost)} of accuracy; probabilities differ by up to {p.difference:.2g}."
            f" {_of_timed(p)}: {verdict}.",
            _bearing(claims, PARITY, slug),
            {
                "flipped": p.flipped.estimate,
                "low": p.flipped.low,
                "high": p.flipped.high,
                "lost": p.lost.estimate,
                "n": p.flipped.n,
            },
            id=f"{PARITY}:{slug}.seed{e.run.seed}",
        )


def _of_timed(p: Parity) -> str:
    if p.timed is None:
        return "The form that was timed was not asked"
    return (
        f"The very form that was timed calls {calls(p.timed):,} of {p.timed.n:,} otherwise at the"
        " timed size"
    )


def _times(i: Interval) -> str:
    return f"{i.estimate:.2f} times ({i.low:.2f} to {i.high:.2f})"


def _points(i: Interval) -> str:
    return f"{100 * i.estimate:.2f} points ({100 * i.low:.2f} to {100 * i.high:.2f})".replace(
        "-", "\N{MINUS SIGN}"
    )
