"""Rungs that begin with an ONNX file: ONNX Runtime on either device, int8 calibrated on training
images, and TensorRT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medpipe.pipeline.deployment.backends import Answer, Backend, Exported, Images, Logits, Source

INPUT, OUTPUT = "images", "logits"
OPSET = 18


def onnx_file(source: Source) -> Path:
    """The network as an ONNX file, made once and checked: for batches of any size, and squares of
    any size where the network takes them."""
    import onnx
    import onnxscript  # noqa: F401  # torch exports by it: imported here, its version is part of what evidence is made of

    path = source.folder / "network.onnx"
    if not path.exists():
        any_size = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
        program = torch.onnx.export(
            source.network,
            (source.example(2),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=(any_size,),
            verbose=False,
        )
        assert program is not None
        program.save(str(path), external_data=False)
        onnx.checker.check_model(str(path))
    return path


def export(rung: Backend, source: Source) -> Exported:
    """The session of a rung. Raises `NotImplementedError` for one that ONNX Runtime does not offer
    here.
    """
    import onnxruntime

    provider, _ = _provider(rung)
    if provider not in onnxruntime.get_available_providers():
        raise NotImplementedError(f"this ONNX Runtime has no {provider}")
    path = onnx_file(source)
    if rung.precision == "int8":
        path = _quantised(path, source)
    return Exported(opened(rung, (path,)), (path,))


def opened(rung: Backend, paths: Sequence[Path]) -> Callable[[int, int], Answer]:
    """A kept ONNX file in a session."""
    import onnxruntime

    provider, settings = _provider(rung)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    with _raising_runtime_errors():
        session = onnxruntime.InferenceSession(
            str(paths[0]), options, providers=[(provider, settings)]
        )

    def answer(images: Images) -> Logits:
        with _raising_runtime_errors():
            return np.asarray(session.run([OUTPUT], {INPUT: images})[0], np.float32)

    return lambda batch, side: answer


@contextmanager
def _raising_runtime_errors() -> Iterator[None]:
    """ONNX Runtime's own exceptions are of no common kind; raised as `RuntimeError` they are told
    as those of other runtimes.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = tuple(
        kind
        for kind in vars(state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    )
    try:
        yield
    except own as error:
        raise RuntimeError(str(error)) from error


def _provider(rung: Backend) -> tuple[str, dict[str, Any]]:
    """What executes the graph, with its settings; TensorRT by the provider of ONNX Runtime, which
    makes its engine at the first answer.
    """
    if rung.name == "tensorrt":
        return "TensorrtExecutionProvider", {"trt_fp16_enable": rung.precision == "fp16"}
    return ("CUDAExecutionProvider" if rung.device == "cuda" else "CPUExecutionProvider"), {}


def _quantised(path: Path, source: Source) -> Path:
    """Static int8 by channels, in the QDQ form, its ranges from the images to calibrate with."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self.rest = iter(source.calibration)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.rest, None)
            return None if image is None else {INPUT: image[None]}

    prepared, made = source.folder / "prepared.onnx", source.folder / "int8.onnx"
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(made),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return made
