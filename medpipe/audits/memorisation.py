"""Memorisation: whether generated images, or the networks that made them, give real images away.

**Purpose.** "No real patient data" is wrong where a synthetic image is a training image seen again,
flipped, noised or blended.

**Method.** Every comparison is held against as many held-out images, which should be no copies of
those trained on. *Copies*: generated images that correlate `COPY` or more with a training image, of
all that the generator saw where the run kept its worst pairs. *Pixels* and *features*: those nearer
to training than 99 in 100 held-out images are, counted against those as much nearer to held-out
images (exact sign test, each real image once), and the memorised share
(`medpipe.metrics.generator_splits.memorised`). *Membership*: the area under the curve of an attack
that scores real images by the discriminator, or by their nearest generated image (Hayes et al.
2019; Hilprecht et al. 2019).

**Limits.** Training and held-out images must be alike but for having been seen: of the same classes
in the same numbers, no copies of each other. Held-out images may be of the same patients as
training ones, which the evidence does not tell (*patients*, which always narrows): what a generator
keeps of a patient is then as near to held-out images, and all but copies is understated. Memories
of images that were not compared with are not seen; a share is said to be excluded only where it is
if all that was seen is memorised alike. What passes is no proof of anonymity: an attack not tried
may succeed, and an average over images says nothing of a single one. The discriminator is a leak
only for who holds it, and in features alone few modes can look like nearness, so these two narrow
at most. Evidence on demonstration data says nothing and is left out. Rates of right and false
alarms: docs/synthesis_audits.md.

**Example.** Some of 1,000 images stand out towards 41 training and 6 held-out images: surely more,
so some are near-copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from medpipe.audits.generators import Leading, Splits, findings_of
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.finding import Finding
from medpipe.formatting import plural
from medpipe.metrics.generator_splits import (
    COPY,
    GENERATED,
    HELD_OUT,
    Compared,
    compared,
    measured,
    membership,
    memorised,
    nearest_real,
    nearness,
    rows,
)
from medpipe.metrics.intervals import clopper_pearson
from medpipe.specs.claim import Claim

THREAT = "memorisation"
SURE = 0.005
"""Chance of each sign test to cry wolf; three of them stay below 2 %."""
SOME, MANY = 0.02, 0.15
"""Memorised share: surely above the first it is memorisation. Surely below the second, which is
what a thousand images can exclude, and with nothing that stands out, none was found.
"""
DIFFERENT = 20
"""Real images that generated ones must be nearest to before their share tells more than where a
handful of pictures happens to lie.
"""
COPIES = 0.01
"""A share of copies below this must be excluded before none is said to be found."""
COPIED = 5
"""Different training images copied, and no held-out one, from which on it is no accident: held-out
images, being no copies of those trained on, do not correlate so with them.
"""
GUESSING, TELLING = 0.55, 0.60
"""Area under the curve: surely above the first members can be told; surely below the second so good
an attack is excluded.
"""
WORST = 5
LEADING: Leading = {
    "copies": (("copies", 1), ("nearest", 1)),
    "pixels": (("share", 1),),
    "features": (("share", 1),),
    "membership.discriminator": (("area", 1),),
    "membership.generator": (("area", 1),),
    "patients": (),
}
Array = NDArray[np.float64]


def memorisation(
    evidence: Sequence[Evidence], claims: Sequence[Claim], protocols: Mapping[str, Sequence[str]]
) -> tuple[Finding, ...]:
    """The findings for each protocol of a generator; ``protocols`` maps keys of runs to the
    protocols that plan them.
    """
    return findings_of(
        lambda splits: (*seen_in(splits), *_patients(splits)), evidence, claims, protocols, LEADING
    )


def seen_in(splits: Splits) -> Iterator[Finding]:
    """What one run shows of memorisation, without the claims; looks for which it has no split are
    left out.
    """
    if "memory" in splits:
        pool = compared(splits["memory"], splits.get("seen"))
        yield _copies(splits["memory"], pool, splits.get("worst"))
        for space in ("pixels", "features"):
            yield _nearer(splits["memory"], space, pool)
    if "membership" in splits:
        for attack in ("discriminator", "generator"):
            yield _membership(splits["membership"], attack)


def _patients(splits: Splits) -> Iterator[Finding]:
    """What no comparison with held-out images can tell, where they are not known to be of other
    patients.
    """
    if "memory" in splits or "membership" in splits:
        yield _finding(
            "patients",
            "narrows",
            "Held-out images may be of the same patients as those trained on; the evidence does not"
            " show which are. What a generator keeps of a patient is then as similar to them, and"
            " memorised shares and membership are understated.",
            {},
            "",
        )


@dataclass(frozen=True)
class StandingOut:
    """Different training images that some of ``n`` generated images stand out ``towards``, and
    held-out images the other way, ``away``.
    """

    towards: int
    away: int
    n: int

    @property
    def chance(self) -> float:
        """How often at least so many of both would be training images, were both sides alike."""
        both = self.towards + self.away
        return float(1 - bdtr(self.towards - 1, both, 0.5)) if self.towards else 1.0


def standing_out(memory: Observations, space: str) -> StandingOut:
    """Count those whom generated images are nearer to, against the other side, than 99 in 100
    held-out images are to training.

    Where training and held-out images are alike, so are the two counts, whatever the edge; a real
    image counts once.
    """
    made, held_out = rows(memory, GENERATED, HELD_OUT)
    edge = max(float(np.quantile(nearness(memory, held_out, space), 0.99)), 0.0)
    lean = nearness(memory, made, space)
    return _counted(memory, lean > edge, lean < -edge)


def _counted(
    memory: Observations, towards: NDArray[np.bool_], away: NDArray[np.bool_]
) -> StandingOut:
    """Different real images on both sides, from flags ``(N,)`` of generated images."""
    (made,) = rows(memory, GENERATED)
    counts = [
        len(np.unique(memory[f"nearest_{side}_id"][made][flags]))
        for side, flags in (("training", towards), ("held_out", away))
    ]
    return StandingOut(counts[0], counts[1], int(made.sum()))


def _finding(
    aspect: str,
    severity: str,
    statement: str,
    figures: Mapping[str, float],
    how: str,
    samples: Sequence[str] = (),
) -> Finding:
    return Finding(
        THREAT,
        severity,
        statement,
        (),
        figures,
        tuple(samples),
        id=f"{THREAT}:{aspect}",
        arithmetic=how,
    )


@dataclass(frozen=True)
class Copies:
    """Generated images that are copies of training images: ``count`` of ``n``, at least where not
    ``exact``, the likest pairs first.

    ``copied``: different training images; ``pairs``: ids of a generated and a training image after
    each other; ``likeness`` of the first.
    """

    count: int
    n: int
    copied: int
    exact: bool
    likeness: float
    pairs: tuple[str, ...]


def _copied(made: Sequence[NDArray[np.str_]], likeness: Array, n: int) -> Copies:
    """From ids of generated and of training images and their likeness, of all ``n`` generated
    images or of the likest.
    """
    order, copy = np.argsort(-likeness, kind="stable"), likeness >= COPY
    pairs = [str(side[k]) for k in order[:WORST] for side in made]
    return Copies(
        int(copy.sum()),
        n,
        len(np.unique(made[1][copy])),
        len(likeness) == n or not copy.all(),
        float(likeness[order[0]]),
        tuple(pairs),
    )


def _copies(memory: Observations, pool: Compared, worst: Observations | None) -> Finding:
    """Copies of all images seen by the ``worst`` pairs, else of those in ``memory``; the sign test
    goes by those in ``memory``.
    """
    (made,) = rows(memory, GENERATED)
    to_training, to_held_out = (
        measured(memory, f"nearest_{side}", made) for side in ("training", "held_out")
    )
    out = _counted(
        memory,
        (to_training >= COPY) & (to_held_out < COPY),
        (to_held_out >= COPY) & (to_training < COPY),
    )
    if worst is None:
        found = _copied(
            (memory["sample_id"][made], memory["nearest_training_id"][made]), to_training, out.n
        )
    else:
        found = _copied(
            (worst["sample_id"], worst["training_id"]),
            np.asarray(worst["likeness"], np.float64),
            out.n,
        )
        pool = Compared(pool.of, pool.of)
    share = clopper_pearson(found.count, found.n)
    high = min(share.high * pool.times, 1.0) if found.exact else 1.0
    surely = out.chance < SURE or (
        worst is not None and found.copied >= COPIED and not (to_held_out >= COPY).any()
    )
    severity = (
        "undermines"
        if surely
        else "clean"
        if high < COPIES and max(out.towards, found.copied) <= out.away
        else "narrows"
    )
    return _finding(
        "copies",
        severity,
        f"{_said(found)} correlate {COPY} or more with one of {pool} ({found.copied:,} different"
        f" ones; the other way {out.away:,} held-out ones):"
        f" {_verdict(severity, share.high, high, pool)}; the nearest pair reaches"
        f" {found.likeness:.3f}.",
        {
            "copies": found.count,
            "low": share.low,
            "high": high,
            "copied": found.copied,
            "held_out_copied": out.away,
            "nearest": found.likeness,
            "n": found.n,
            "compared": pool.n,
            "seen": pool.of,
        },
        f"95 % interval: {share.method}; sign test, one-sided p = {out.chance:.2g}",
        found.pairs,
    )


def _said(found: Copies) -> str:
    return (
        f"{'' if found.exact else 'At least '}{found.count:,} of "
        f"{plural(found.n, 'generated image')}"
    )


def _verdict(severity: str, of_compared: float, of_all: float, pool: Compared) -> str:
    """What the count of copies excludes; ``of_compared`` and ``of_all`` are upper ends of their
    share.
    """
    if severity == "undermines":
        return "surely more than chance makes"
    if of_all == 1:
        return "no share of copies is excluded"
    if pool.times == 1:
        return (
            f"{'more than' if severity == 'clean' else 'up to'} {100 * of_all:.2g} % are"
            f" {'' if severity == 'clean' else 'not '}excluded"
        )
    return (
        f"more than {100 * of_compared:.2g} % are excluded of these, which is {100 * of_all:.2g} %"
        f" of all {pool.of:,} if they are copied alike"
    )


def _nearer(memory: Observations, space: str, pool: Compared) -> Finding:
    """Those that stand out, and the share memorised from the images compared with; excluded only
    where it is of all that were seen.
    """
    (made,) = rows(memory, GENERATED)
    out, share = (
        standing_out(memory, space),
        memorised(memory, space)[0].interval(bounds=(-1.0, 1.0)),
    )
    enough = len(np.unique(nearest_real(memory, made))) >= DIFFERENT
    surely = out.chance < SURE or (share.low > SOME and enough)
    of_all = min(share.high * pool.times, 1.0)
    severity = (
        "undermines"
        if surely and space == "pixels"
        else "clean"
        if of_all < MANY and not surely
        else "narrows"
    )
    worst = np.argsort(-nearness(memory, made, space), kind="stable")[:WORST]
    verdict = (
        "some are surely memorised"
        if severity == "undermines"
        else (
            "surely nearer to training, to the network"
            if surely
            else (
                f"a memorised share of {100 * MANY:.0f} % is"
                f" {'' if severity == 'clean' else 'not '}excluded"
            )
        )
    )
    alike = (
        ""
        if pool.times == 1
        else (
            f", of all {pool.of:,} if they are memorised alike at most {100 * max(of_all, 0):.0f} %"
        )
    )
    shown = " to ".join(_signed(v) for v in (share.low, share.high))
    return _finding(
        space,
        severity,
        f"By {space}, some of {out.n:,} generated images stand out towards {out.towards:,} training"
        f" and {out.away:,} held-out images; share memorised from {pool} {_signed(share.estimate)}"
        f" % ({shown}){alike}: {verdict}.",
        {
            "towards": out.towards,
            "away": out.away,
            "share": share.estimate,
            "low": share.low,
            "high": share.high,
            "high_of_all": of_all,
            "n": out.n,
            "compared": pool.n,
            "seen": pool.of,
        },
        f"sign test, one-sided p = {out.chance:.2g}; 95 % interval: {share.method}",
        memory["sample_id"][made][worst].tolist(),
    )


def _signed(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "\N{MINUS SIGN}")


def _membership(o: Observations, attack: str) -> Finding:
    """An attack; one that is surely better than guessing, however little, is not clean."""
    found = membership(o, attack)[0].interval(bounds=(0.0, 1.0))
    tells, weak, led = found.low > GUESSING, found.high < TELLING, found.low > 0.5
    severity = (
        ("undermines" if attack == "generator" else "narrows")
        if tells
        else "clean"
        if weak and not led
        else "narrows"
    )
    least = f"an area of {TELLING:.2f} or more is excluded; single images may still be told"
    told = (
        "real images trained on can be told from others"
        if tells
        else (
            "whether images trained on can be told is open"
            if not weak
            else (
                f"guessing is excluded, a lead that is small but real; {least}"
                if led
                else f"guessing is not excluded, and {least}"
            )
        )
    )
    holder = (
        "whoever holds the discriminator"
        if attack == "discriminator"
        else "whoever holds generated images"
    )
    return _finding(
        f"membership.{attack}",
        severity,
        f"For {holder}, {told}: area under the curve {found.estimate:.3f} "
        f"({found.low:.3f} to {found.high:.3f}) over {found.n:,} real images; 0.5 is guessing.",
        {"area": found.estimate, "low": found.low, "high": found.high, "n": found.n},
        "95 % interval: DeLong",
    )
