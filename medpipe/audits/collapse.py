"""Mode collapse: what the generator was shown and does not make, and how often it makes the same.

**Purpose.** "No mode collapse" says that something does not happen, so it depends on what the
search could have found.

**Method.** Five looks at the evidence of a generator. *Shown*: classes of the data that no training
image has. *Classes*: those surely made, above what an audit network misreads, by its calls of
held-out real images. *Modes* and *support*: `medpipe.audits.diversity`. *Similarity*: MS-SSIM of
random pairs of generated images against pairs of training images. Each says what loss it excludes
at 95 %.

**Limits.** The network that tells classes and features was trained on real images, and says
something of any image. A mode smaller than the evidence can resolve may be lost unseen; the finding
names the size. A class never shown is no collapse, but narrows what "none" means. Evidence on
demonstration data says nothing and is left out. Rates of right and false alarms:
docs/synthesis_audits.md.

**Example.** 3 of 4 classes were shown: never pituitary. Of 1,000 images each of the three is surely
made; a class with a share of 0.3 % or more would have been seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from medpipe.audits.diversity import Support, modes, nearly, support
from medpipe.audits.generators import Leading, Splits, findings_of
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.finding import Finding
from medpipe.formatting import agree, listed, plural
from medpipe.metrics.generator_splits import (
    GENERATED,
    HELD_OUT,
    TRAINING,
    class_counts,
    likeness_excess,
    measured,
    rows,
)
from medpipe.specs.claim import Claim

THREAT = "mode_collapse"
FEW_IMAGES = 1000
"""A generator with fewer different images than this is a small collection of pictures."""
OPEN = 0.10
"""Up to this share of the real images may lie in modes that are not surely kept."""
ALIKE, MUCH_ALIKE = 0.05, 0.20
"""Excess of MS-SSIM: what other random pairs differ by, and what no reader would overlook."""
LEADING: Leading = {
    "shown": (("shown", -1),),
    "classes": (("lost", 1), ("covered", -1)),
    "modes": (("lost_share", 1), ("open_share", 1)),
    "support": (("low", -1),),
    "likeness": (("excess", 1),),
}


def collapse(
    evidence: Sequence[Evidence], claims: Sequence[Claim], protocols: Mapping[str, Sequence[str]]
) -> tuple[Finding, ...]:
    """The findings for each protocol of a generator; ``protocols`` maps keys of runs to the
    protocols that plan them.
    """
    return findings_of(seen_in, evidence, claims, protocols, LEADING)


def seen_in(splits: Splits) -> Iterator[Finding]:
    """What one run shows of collapse, without the claims; looks for which its evidence has no split
    or no real images are left out.
    """
    quality = splits.get("quality")
    if quality is not None and "seen" in splits:
        yield _shown(quality, splits["seen"])
    if quality is not None and _has(quality, GENERATED, HELD_OUT):
        shown = _labels(splits.get("seen"), quality)
        yield _classes(quality, shown)
        yield _support(quality)
        if _has(quality, TRAINING):
            yield _modes(quality, shown)
    if "pairs" in splits and _has(splits["pairs"], GENERATED, TRAINING):
        yield _likeness(splits["pairs"])


def _has(o: Observations, *origins: str) -> bool:
    return all((o["origin"] == origin).any() for origin in origins)


def _labels(seen: Observations | None, quality: Observations) -> tuple[str, ...]:
    """The classes that the generator was shown; all of them where that was not kept."""
    return (
        quality.classes
        if seen is None
        else tuple(c for c in quality.classes if (seen["label"] == c).any())
    )


def _finding(
    aspect: str, severity: str, statement: str, figures: Mapping[str, float], arithmetic: str = ""
) -> Finding:
    return Finding(
        THREAT, severity, statement, (), figures, id=f"{THREAT}:{aspect}", arithmetic=arithmetic
    )


def _shown(quality: Observations, seen: Observations) -> Finding:
    shown = _labels(seen, quality)
    never = [c for c in quality.classes if c not in shown]
    counts = listed(f"{c} {int((seen['label'] == c).sum()):,}" for c in shown)
    figures = {"shown": len(shown), "classes": len(quality.classes), "n": len(seen)}
    if not never:
        return _finding(
            "shown",
            "clean",
            f"All {len(shown)} classes of the data were shown to the generator: {counts}.",
            figures,
        )
    return _finding(
        "shown",
        "narrows",
        f"Only {len(shown)} of {len(quality.classes)} classes were shown to the generator"
        f" ({counts}), never {listed(never)}: what is said of its variety holds for the others at"
        " most.",
        figures,
    )


def _classes(quality: Observations, shown: Sequence[str]) -> Finding:
    found = class_counts(quality)
    asked = [k for k, c in enumerate(found.classes) if c in shown]
    made, lost = (
        [found.classes[k] for k in asked if flags[k]] for flags in (found.made, found.lost)
    )
    counts = listed(f"{found.classes[k]} {found.counts[k]:,}" for k in asked)
    figures = {
        "covered": len(made),
        "shown": len(asked),
        "lost": len(lost),
        "n": found.n,
        "excluded_share": 1 - 0.05 ** (1 / found.n),
    }
    told = (
        f"Of {len(asked)} classes shown, {len(made)} are surely among"
        f" {plural(found.n, 'generated image')} ({counts})"
    )
    how = (
        "each class at 95 %: above 1 % (Clopper-Pearson) and above what real images of any other"
        " class are misread for it (Newcombe)"
    )
    if lost:
        return _finding(
            "classes",
            "undermines",
            f"{told}; made less than a quarter as often as shown: {listed(lost)}.",
            figures,
            how,
        )
    if len(made) < len(asked):
        return _finding(
            "classes",
            "narrows",
            f"{told}; of the others there are too few to tell from misreading.",
            figures,
            how,
        )
    return _finding(
        "classes",
        "clean",
        f"{told}; one with a share of {100 * figures['excluded_share']:.2g} % or more would have"
        " been seen (95 %).",
        figures,
        how,
    )


def _modes(quality: Observations, shown: Sequence[str]) -> Finding:
    known = np.isin(quality["label"], shown)
    made, seen = (
        measured(quality, "features", part) for part in rows(quality, GENERATED, TRAINING)
    )
    real = (quality["origin"] == HELD_OUT) & known
    found = modes(
        made,
        seen,
        measured(quality, "features", real if real.any() else quality["origin"] == HELD_OUT),
    )
    lost, unsure = int(found.lost.sum()), found.open_share
    figures = {
        "modes": len(found.share),
        "lost": lost,
        "lost_share": found.lost_share,
        "open_share": unsure,
        "smallest_mode": found.smallest,
        "n": len(made),
    }
    how = (
        "k-means of held-out images; exact intervals of the ratio to training images, 95 % for all"
        " modes together"
    )
    told = (
        f"Of {len(found.share)} modes, as features divide real images, {lost} "
        f"{agree(lost, 'is', 'are')}"
    )
    least = (
        f"a mode with at least {100 * found.smallest:.2g} % of the images could have been shown"
        " lost"
    )
    if lost:
        return _finding(
            "modes",
            "undermines",
            f"{told} made less than a quarter as often as in training; they hold"
            f" {100 * found.lost_share:.0f} % of the training images, and up to {100 * unsure:.0f}"
            " % may be lost.",
            figures,
            how,
        )
    severity = "clean" if unsure <= OPEN else "narrows"
    return _finding(
        "modes",
        severity,
        f"{told} surely lost; a loss of modes that hold more than {100 * unsure:.2g} % of training"
        f" images is excluded at 95 %; {least}.",
        figures,
        how,
    )


def _support(quality: Observations) -> Finding:
    made, real = (
        measured(quality, "features", part) for part in rows(quality, GENERATED, HELD_OUT)
    )
    limit = nearly(real)
    found, usual = support(made, limit), support(real, limit)
    few = found.high < FEW_IMAGES and usual.low > found.high
    severity = "undermines" if few else "clean" if found.low >= FEW_IMAGES else "narrows"
    figures = {
        "low": found.low,
        "close_pairs": found.close,
        "pairs": found.pairs,
        "real_close_pairs": usual.close,
        "real_pairs": usual.pairs,
        "n": found.n,
    }
    told = (
        f"Of {found.pairs:,} pairs of generated images {found.close:,} are nearly the same, of"
        f" {usual.pairs:,} pairs of real images {usual.close:,}: {_as_many(found)}"
    )
    verdict = {
        "undermines": "a small collection",
        "clean": f"fewer than {FEW_IMAGES:,} are excluded",
        "narrows": f"fewer than {FEW_IMAGES:,} are not excluded",
    }[severity]
    return _finding(
        "support",
        severity,
        f"{told}; {verdict}.",
        figures,
        "birthday bound; 95 % interval: Poisson and influences, the wider",
    )


def _as_many(found: Support) -> str:
    if not found.close:
        return f"as of at least {found.low:,.0f} equally likely images (95 %)"
    return (
        f"as of {found.estimate:,.0f} equally likely images ({found.low:,.0f} to {found.high:,.0f})"
    )


def _likeness(pairs: Observations) -> Finding:
    found = likeness_excess(pairs)[0].interval()
    severity = (
        "undermines" if found.low > MUCH_ALIKE else "clean" if found.high < ALIKE else "narrows"
    )
    verdict = {
        "undermines": "they are much more alike",
        "clean": "they are as varied",
        "narrows": "less variety is not excluded",
    }[severity]
    return _finding(
        "likeness",
        severity,
        f"MS-SSIM of random pairs of generated images is {found.estimate:+.3f} ({found.low:+.3f} to"
        f" {found.high:+.3f}) against pairs of training images: {verdict}.".replace(
            "-0", "\N{MINUS SIGN}0"
        ),
        {"excess": found.estimate, "low": found.low, "high": found.high, "n": found.n},
        f"95 % interval: {found.method}",
    )
