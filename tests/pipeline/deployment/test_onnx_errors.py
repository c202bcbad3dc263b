"""A file that ONNX Runtime refuses makes its form fail in a sentence, not the whole ladder."""

from __future__ import annotations

from pathlib import Path

import pytest

from medpipe.pipeline.deployment import onnx_backends
from medpipe.pipeline.deployment.backends import FAILURES, ladder

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def test_a_refused_file_is_a_failure_that_the_ladder_knows(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(b"no graph")
    (rung,) = [r for r in ladder("cpu") if r.slug == "onnxruntime"]
    with pytest.raises(FAILURES, match="ONNXRuntimeError"):
        onnx_backends.opened(rung, (path,))
