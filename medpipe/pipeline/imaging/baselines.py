"""Shortcut baselines: what each may see of an image, and the model that it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medpipe.pipeline.config import Section
from medpipe.pipeline.data.image_files import FileMarks
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.planes import Planes

Features = NDArray[np.float64]
Marks = Mapping[str, tuple[FileMarks, ...]]
FRAME = 32
"""Pixels a side of the images whose border is looked at."""


class Majority(Section):
    """The class that most training images have, whatever is seen."""

    kind: Literal["majority"]


class File(Section):
    """Gradient boosting on `FileMarks`: width, height, format, mode, JPEG tables and sampling,
    software, what else the file carries. No pixel is read, nor anything that depends on pixels,
    such as the size in bytes.
    """

    kind: Literal["file"]


class Border(Section):
    """Gradient boosting on the outermost ``width`` of 32 pixels on each side: of the head, what is
    cut by the frame at most.
    """

    kind: Literal["border"]
    width: Annotated[int, Field(ge=1, le=8)]


class Blurred(Section):
    """Gradient boosting on the image as ``side`` by ``side`` grey pixels."""

    kind: Literal["blurred"]
    side: Annotated[int, Field(ge=1, le=32)]


class Nearest(Section):
    """The class of the nearest training image by Euclidean distance of ``side`` by ``side`` grey
    pixels.
    """

    kind: Literal["nearest"]
    side: Annotated[int, Field(ge=1, le=128)]


Model = Majority | File | Border | Blurred | Nearest


def features(data: ImageData, model: Model, marks: Callable[[], Marks]) -> dict[str, Features]:
    """What the baseline may see of each image, float64 ``(N, F)`` by part; ``marks`` is called
    where files are looked at.
    """
    if isinstance(model, File):
        return _encoded(marks())
    if isinstance(model, Majority):
        return {name: np.zeros((len(part), 1)) for name, part in data.parts.items()}
    side = FRAME if isinstance(model, Border) else model.side
    grey = {name: _grey(part.planes(side)) for name, part in data.parts.items()}
    if isinstance(model, Border):
        outside = np.ones((side, side), bool)
        outside[model.width : -model.width, model.width : -model.width] = False
        return {name: planes[:, outside] for name, planes in grey.items()}
    return {name: planes.reshape(len(planes), -1) for name, planes in grey.items()}


def _grey(images: Planes) -> Features:
    """The mean of each image's channels, float64 ``(N, H, W)``."""
    first = np.cumsum(images.channels, dtype=np.int64) - images.channels
    return (
        np.add.reduceat(images.planes, first, axis=0, dtype=np.float64)
        / images.channels[:, None, None]
    )


def _encoded(marks: Marks) -> dict[str, Features]:
    """Numbers as they are, words as numbers that mean nothing: trees split them apart all the
    same.
    """
    every = [m for of_part in marks.values() for m in of_part]
    known = {
        column: {word: i for i, word in enumerate(sorted({getattr(m, column) for m in every}))}
        for column in ("format", "mode", "tables", "sampling", "software", "extras")
    }
    return {
        name: np.array(
            [
                [
                    m.width,
                    m.height,
                    *(number[getattr(m, column)] for column, number in known.items()),
                ]
                for m in of_part
            ],
            np.float64,
        )
        for name, of_part in marks.items()
    }


def classifier(written: Model, seed: int) -> Any:
    """A new classifier of scikit-learn for a baseline."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neighbors import KNeighborsClassifier

    if isinstance(written, Majority):
        return DummyClassifier(strategy="prior")
    if isinstance(written, Nearest):
        return KNeighborsClassifier(1)
    return HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
