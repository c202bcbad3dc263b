"""Progress over a run of several stages, each with a progress of its own."""

from __future__ import annotations

from collections.abc import Mapping

from medpipe.pipeline.synthesis.synthesis_settings import ImageSynthesis
from medpipe.running.experiment import Progress

RESNET = 1.0
"""What training a ResNet-18 on one image of 64 pixels costs; the unit of the others, measured on a
processor.
"""
WIDE, NARROW = 3.0, 0.25
"""What a step of the game costs for each image at width 64, and what of it does not grow with the
square of the width.
"""
READ = 0.3


class Stages:
    """Stages in their order, with what each is expected to cost."""

    def __init__(self, progress: Progress, expected: Mapping[str, float]) -> None:
        self._progress, self._expected, self._before, self._now = progress, dict(expected), 0.0, 0.0

    def next(self, name: str) -> Progress:
        """The stage before is over; the progress of the one of that name."""
        self._before += self._now
        self._now = self._expected[name]
        before, cost, total = self._before, self._now, max(1, round(sum(self._expected.values())))

        def progress(done: int, of: int, message: str) -> None:
            self._progress(
                min(total - 1, int(before + cost * done / max(1, of))),
                total,
                f"{name}: {message}" if message != name else name,
            )

        progress(0, 1, name)
        return progress

    def finish(self) -> None:
        """Everything is done."""
        total = max(1, round(sum(self._expected.values())))
        self._progress(total, total, "done")


def costs(written: ImageSynthesis, seen: int, every: int) -> dict[str, float]:
    """What each stage is expected to cost, for ``seen`` images to learn from in a data set of
    ``every``.
    """
    game, asked = written.training, written.observe
    step = WIDE * (written.model.width / 64) ** 2 + NARROW
    found = {
        "the audit network": (
            RESNET * written.audit.epochs * min(every * 2 / 3, written.audit.images or every)
        ),
        "training": game.epochs * seen * step * (1 + game.generator_steps) / 2,
        "observing": READ * (asked.generated + 2 * asked.real),
    }
    return found | (
        {"usefulness": 3.5 * RESNET * asked.useful_epochs * asked.useful_images}
        if asked.usefulness
        else {}
    )
