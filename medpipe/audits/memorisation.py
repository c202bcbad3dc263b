"""Memorisation: whether generated images, or the networks that made them, give real images away.

**Purpose.** "No real patient data" is wrong where a synthetic image is a training image seen again, flipped, noised or blended.

**Method.** Every comparison is held against as many held-out images, which nobody can have copied. *Copies*: generated images that
correlate `COPY` or more with a training image. *Pixels* and *features*: those nearer to training than 99 in 100 held-out images are,
counted against those as much nearer to held-out images (exact sign test, each real image once), and the memorised share
(`medpipe.evidence.generated.memorised`). *Membership*: the area under the curve of an attack that scores real images by the discriminator,
or by their nearest generated image (Hayes et al. 2019; Hilprecht et al. 2019).

**Limits.** Training and held-out images must be alike but for having been seen: of the same classes in the same numbers, no copies of each
other. What passes is no proof of anonymity: an attack not tried may succeed. The discriminator is a leak only for who holds it, and in
features alone few modes can look like nearness, so these two narrow at most. Evidence on demonstration data says nothing and is left out.
Rates of right and false alarms: docs/synthesis_audits.md.

**Example.** Some of 1,000 images stand out towards 41 training and 6 held-out images: surely more, so some are near-copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from medpipe.audits.generators import Splits, findings_of
from medpipe.claims.claim import Claim
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.finding import Finding
from medpipe.evidence.generated import COPY, GENERATED, HELD_OUT, measured, membership, memorised, nearest_real, nearness, rows
from medpipe.statistics import clopper_pearson

THREAT = "memorisation"
SURE = 0.005
"""Chance of each sign test to cry wolf; three of them stay below 2 %."""
SOME, MANY = 0.02, 0.15
"""Memorised share: surely above the first it is memorisation. Surely below the second, which is what a thousand images can exclude, and
with nothing that stands out, none was found."""
DIFFERENT = 20
"""Real images that generated ones must be nearest to before their share tells more than where a handful of pictures happens to lie."""
COPIES = 0.01
"""A share of copies below this must be excluded before none is said to be found."""
GUESSING, TELLING = 0.55, 0.60
"""Area under the curve: surely above the first members can be told; surely below the second they cannot to any use."""
WORST = 5
Array = NDArray[np.float64]


def memorisation(evidence: Sequence[Evidence], claims: Sequence[Claim], protocols: Mapping[str, Sequence[str]]) -> tuple[Finding, ...]:
    """The findings for each protocol of a generator; ``protocols`` maps keys of runs to the protocols that plan them."""
    return findings_of(seen_in, evidence, claims, protocols)


def seen_in(splits: Splits) -> Iterator[Finding]:
    """What one run shows of memorisation, without the claims; looks for which it has no split are left out."""
    if "memory" in splits:
        yield _copies(splits["memory"])
        for space in ("pixels", "features"):
            yield _nearer(splits["memory"], space)
    if "membership" in splits:
        for attack in ("discriminator", "generator"):
            yield _membership(splits["membership"], attack)


@dataclass(frozen=True)
class StandingOut:
    """Different training images that some of ``n`` generated images stand out ``towards``, and held-out images the other way, ``away``."""

    towards: int
    away: int
    n: int

    @property
    def chance(self) -> float:
        """How often at least so many of both would be training images, were both sides alike."""
        both = self.towards + self.away
        return float(1 - bdtr(self.towards - 1, both, 0.5)) if self.towards else 1.0


def standing_out(memory: Observations, space: str) -> StandingOut:
    """Count those whom generated images are nearer to, against the other side, than 99 in 100 held-out images are to training.

    Where training and held-out images are alike, so are the two counts, whatever the edge; a real image counts once.
    """
    made, held_out = rows(memory, GENERATED, HELD_OUT)
    edge = max(float(np.quantile(nearness(memory, held_out, space), 0.99)), 0.0)
    lean = nearness(memory, made, space)
    return _counted(memory, lean > edge, lean < -edge)


def _counted(memory: Observations, towards: NDArray[np.bool_], away: NDArray[np.bool_]) -> StandingOut:
    """Different real images on both sides, from flags ``(N,)`` of generated images."""
    made, = rows(memory, GENERATED)
    counts = [len(np.unique(memory[f"nearest_{side}_id"][made][flags])) for side, flags in (("training", towards), ("held_out", away))]
    return StandingOut(counts[0], counts[1], int(made.sum()))


def _finding(aspect: str, severity: str, statement: str, figures: Mapping[str, float], how: str, samples: Sequence[str] = ()) -> Finding:
    return Finding(THREAT, severity, statement, (), figures, tuple(samples), id=f"{THREAT}:{aspect}", arithmetic=how)


def _copies(memory: Observations) -> Finding:
    made, = rows(memory, GENERATED)
    to_training, to_held_out = (measured(memory, f"nearest_{side}", made) for side in ("training", "held_out"))
    out = _counted(memory, (to_training >= COPY) & (to_held_out < COPY), (to_held_out >= COPY) & (to_training < COPY))
    count, n = int((to_training >= COPY).sum()), out.n
    found = clopper_pearson(count, n)
    surely = out.chance < SURE
    severity = "undermines" if surely else "clean" if found.high < COPIES and out.towards <= out.away else "narrows"
    worst = np.argsort(-to_training, kind="stable")[:WORST]
    pairs = [str(i) for k in worst for i in (memory["sample_id"][made][k], memory["nearest_training_id"][made][k])]
    verdict = {"undermines": "surely more than chance makes", "clean": f"more than {100 * found.high:.2g} % are excluded",
               "narrows": f"up to {100 * found.high:.2g} % are not excluded"}[severity]
    return _finding("copies", severity, f"{count:,} of {n:,} generated images correlate {COPY} or more with a training image, "
                    f"of {out.towards:,} training images; the other way, of {out.away:,} held-out ones: {verdict}; the nearest pair "
                    f"reaches {to_training[worst[0]]:.3f}.",
                    {"copies": count, "low": found.low, "high": found.high, "copied": out.towards, "held_out_copied": out.away, "n": n},
                    f"95 % interval: {found.method}; sign test, one-sided p = {out.chance:.2g}", pairs)


def _nearer(memory: Observations, space: str) -> Finding:
    made, = rows(memory, GENERATED)
    out, share = standing_out(memory, space), memorised(memory, space)[0].interval(bounds=(-1.0, 1.0))
    enough = len(np.unique(nearest_real(memory, made))) >= DIFFERENT
    surely = out.chance < SURE or (share.low > SOME and enough)
    severity = "undermines" if surely and space == "pixels" else "clean" if share.high < MANY and not surely else "narrows"
    worst = np.argsort(-nearness(memory, made, space), kind="stable")[:WORST]
    verdict = ("some are surely memorised" if severity == "undermines" else "surely nearer to training, to the network" if surely else
               f"a memorised share of {100 * MANY:.0f} % is {'' if severity == 'clean' else 'not '}excluded")
    shown = " to ".join(f"{100 * v:.1f}" for v in (share.low, share.high)).replace("-", "\N{MINUS SIGN}")
    return _finding(space, severity, f"By {space}, some of {out.n:,} generated images stand out towards {out.towards:,} training and "
                    f"{out.away:,} held-out images; memorised share {100 * share.estimate:.1f} % ({shown}): {verdict}.",
                    {"towards": out.towards, "away": out.away, "share": share.estimate, "low": share.low, "high": share.high, "n": out.n},
                    f"sign test, one-sided p = {out.chance:.2g}; 95 % interval: {share.method}",
                    memory["sample_id"][made][worst].tolist())


def _membership(o: Observations, attack: str) -> Finding:
    found = membership(o, attack)[0].interval(bounds=(0.0, 1.0))
    tells = found.low > GUESSING
    severity = ("undermines" if attack == "generator" else "narrows") if tells else "clean" if found.high < TELLING else "narrows"
    told = "real images trained on can be told from others" if tells else (
        "they cannot be told to any use" if severity == "clean" else "whether they can be told is not decided")
    holder = "whoever holds the discriminator" if attack == "discriminator" else "whoever holds generated images"
    return _finding(f"membership.{attack}", severity, f"For {holder}, {told}: area under the curve {found.estimate:.3f} "
                    f"({found.low:.3f} to {found.high:.3f}) over {found.n:,} real images; 0.5 is guessing.",
                    {"area": found.estimate, "low": found.low, "high": found.high, "n": found.n}, "95 % interval: DeLong")
