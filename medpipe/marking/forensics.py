"""What a single image file says about where it came from: watermark, manifests, C2PA.

Three signs that an image is synthetic, each enough alone. None of them found means "unmarked" and
never "real": a mark is lost by cropping, resizing or turning, metadata by saving again, and most
generators leave none of them. Where neither a key nor a manifest was given it means "not looked
for".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence.files import sha256
from medpipe.marking.content_credentials import Credentials, read_credentials
from medpipe.marking.key import Key
from medpipe.marking.manifest import SyntheticManifest, pixel_digest
from medpipe.marking.watermark import FALSE_ALARM, SMALLEST, Detection, detect

NOTE: Final = "Unmarked does not mean real: absence of a mark proves nothing."


@dataclass(frozen=True)
class Listed:
    """Where a file is listed: the manifest's place, the generator's run (None: not known), the name
    there, and ``by`` what it is known again: ``"bytes"`` or ``"pixels"``.
    """

    manifest: str
    run: str | None
    name: str
    by: str


@dataclass(frozen=True)
class Examined:
    """One file. ``detection`` is None where no key was given; ``manifests``: how many were;
    ``width``, ``height`` in pixels.
    """

    file: str
    width: int
    height: int
    detection: Detection | None
    manifests: int
    listed: tuple[Listed, ...]
    credentials: Credentials | None

    @property
    def found(self) -> tuple[str, ...]:
        """Of ``"marked"``, ``"listed"`` and ``"c2pa"`` what applies, else one alone:
        ``"unmarked"``, or ``"not looked for"``.
        """
        signs = {
            "marked": self.detection is not None and self.detection.marked,
            "listed": bool(self.listed),
            "c2pa": self.credentials is not None,
        }
        nothing = "not looked for" if self.detection is None and not self.manifests else "unmarked"
        return tuple(name for name, there in signs.items() if there) or (nothing,)

    def as_json(self) -> dict[str, Any]:
        """For ``medpipe forensics --json``; docs/formats.md tells the keys."""
        d, c = self.detection, self.credentials
        return {
            "file": self.file,
            "found": list(self.found),
            "width": self.width,
            "height": self.height,
            "watermark": (
                None
                if d is None
                else {
                    "marked": d.marked,
                    "z": d.z,
                    "false_alarm": d.false_alarm,
                    "blocks": d.blocks,
                }
            ),
            "listed": [vars(where) for where in self.listed],
            "c2pa": None if c is None else {**vars(c), "problems": list(c.problems)},
        }

    def sentence(self) -> str:
        """What was found, for people."""
        return f"{self.file}: {'; '.join([*self._watermark(), *self._lists(), *self._c2pa()])}"

    def _watermark(self) -> list[str]:
        d = self.detection
        if d is None:
            if self.found == ("not looked for",):
                return [
                    "not looked for: there is no C2PA manifest, and neither a key nor a manifest"
                    " was given; give --key or --manifest"
                ]
            return [
                f"{'unmarked, but ' if self.found == ('unmarked',) else ''}the watermark was not"
                " looked for, no key was given"
            ]
        if d.marked:
            return [
                f"marked (z {d.z:.1f}; without the mark so large a z has a probability of at most"
                f" {max(d.false_alarm, 1e-300):.0e})"
            ]
        small = (
            f", but below {SMALLEST} pixels a mark may be too weak"
            if min(self.width, self.height) < SMALLEST
            else ""
        )
        word = "unmarked" if self.found == ("unmarked",) else "no watermark found"
        return [
            f"{word} (z {d.z:.1f}, probability {d.false_alarm:.2g}, {FALSE_ALARM:.0e} was asked"
            f" for){small}"
        ]

    def _lists(self) -> list[str]:
        return [
            f"listed in {where.manifest} as {where.name} by its {where.by}, run"
            f" {where.run or 'not known'}"
            for where in self.listed
        ]

    def _c2pa(self) -> list[str]:
        c = self.credentials
        if c is None:
            return []
        if c.state == "unread":
            return [
                "a C2PA manifest, not read: that needs c2pa-python; run: pip install"
                " 'medpipe[c2pa]'"
            ]
        says = (
            "which says that a trained algorithm created the image"
            if c.synthetic
            else "which does not say that the image is synthetic"
        )
        who = f", signed as {c.signer!r}" if c.signer else ""
        why = f" ({', '.join(c.problems)})" if c.problems else ""
        return [f"a C2PA manifest, {c.state}{why}, {says}{who}"]


def examine(
    file: str,
    content: bytes,
    image: NDArray[np.uint8],
    key: Key | None,
    manifests: Mapping[str, SyntheticManifest],
) -> Examined:
    """Look for all three signs. ``image``: the pixels of ``content``, uint8 ``(H, W)`` or ``(H, W,
    3)``; ``manifests`` by place.

    Raises `DataError` for other pixels.
    """
    digest, pixels = sha256(content), pixel_digest(image)
    listed = [
        Listed(place, manifest.run, entry.name, "bytes" if entry.sha256 == digest else "pixels")
        for place, manifest in manifests.items()
        if (entry := manifest.find(digest, pixels)) is not None
    ]
    detection = None if key is None else detect(image, key)
    return Examined(
        file,
        image.shape[1],
        image.shape[0],
        detection,
        len(manifests),
        tuple(listed),
        read_credentials(content),
    )
