"""Building the ladder: each form is made by the library it needs, or what became of it is told.

A form that is not installed, does not exist on this device or fails to build is listed with its
reason; none is left out in silence.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from medpipe.pipeline.deployment import onnx_backends, openvino_backends, torch_backends
from medpipe.pipeline.deployment.backends import (
    FAILURES,
    Answer,
    Backend,
    Built,
    Source,
    first_line,
)

BUILDERS = {
    "torch": torch_backends.export,
    "onnxruntime": onnx_backends.export,
    "openvino": openvino_backends.export,
    "tensorrt": onnx_backends.export,
}
"""By family. They are imported by name, so that evidence is bound to their code and to the packages
that they import when they run.
"""


def build(rung: Backend, source: Source) -> Built:
    """Make the form, or say why there is none."""
    absent = [name for name in rung.needs if find_spec(name) is None]
    if absent:
        return Built(rung, "not_installed", f"needs {', '.join(absent)}")
    if rung.device == "cuda" and not torch.cuda.is_available():
        return Built(rung, "not_supported", "there is no CUDA device")
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # exporters announce their own deprecation on every call
            exported = BUILDERS[rung.family](rung, source)
    except NotImplementedError as error:
        return Built(rung, "not_supported", first_line(error))
    except FAILURES as error:  # what an exporter raises is evidence about that exporter
        return Built(rung, "failed", first_line(error))
    return Built(rung, "built", "", exported, time.perf_counter() - start, _version(rung))


def opened(
    rung: Backend, paths: Sequence[Path], network: nn.Module
) -> Callable[[int, int], Answer]:
    """A form that was kept, read from its files as `Exported.at` of it was; ``network`` takes the
    weights where only those are kept.
    """
    if rung.family == "torch":
        return torch_backends.opened(rung, paths, torch_backends.fitted(rung, network))
    return (
        openvino_backends.opened(rung, paths)
        if rung.family == "openvino"
        else onnx_backends.opened(rung, paths)
    )


def _version(rung: Backend) -> str:
    found = []
    for name in ("torch", *rung.needs) if rung.family == "torch" else rung.needs:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} of unknown version")
    return ", ".join(found)
