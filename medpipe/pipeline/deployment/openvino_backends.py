"""Rungs of OpenVINO: fp32, bf16 where the processor has it, and int8 by NNCF, its ranges from
training images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medpipe.pipeline.deployment.backends import Answer, Backend, Exported, Images, Logits, Source

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
DROP = 0.005
"""Share of the images to calibrate with, which are training images, that int8 may call otherwise.
"""
MOST_RETURNS = 12
"""So many groups of layers go back at the most: each costs up to a minute of asking which of the
others costs most.
"""


def export(rung: Backend, source: Source) -> Exported:
    """A model for any shape."""
    import openvino as ov

    if rung.precision == "bf16" and "BF16" not in ov.Core().get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        raise NotImplementedError("this processor has no bf16")
    with torch.no_grad():
        model = ov.convert_model(
            source.network,
            example_input=source.example(1),
            input=[-1, source.calibration.shape[1], -1, -1],
        )
    if rung.precision == "int8":
        model = _quantised(model, source)
    path = source.folder / f"{rung.slug}.xml"
    ov.save_model(model, str(path), compress_to_fp16=False)
    paths = path, path.with_suffix(".bin")
    return Exported(opened(rung, paths), paths)


def opened(rung: Backend, paths: Sequence[Path]) -> Callable[[int, int], Answer]:
    """A kept model, compiled for the shape that is asked for."""
    import openvino as ov

    def at(batch: int, side: int) -> Answer:
        shaped = ov.Core().read_model(str(paths[0]))
        shaped.reshape([batch, shaped.inputs[0].partial_shape[1].get_length(), side, side])
        compiled = ov.compile_model(
            shaped,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": HINTS[rung.precision],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            },
        )
        request = compiled.create_infer_request()

        def answer(images: Images) -> Logits:
            return np.array(request.infer([images])[0], np.float32)

        return answer

    return at


def _quantised(model: Any, source: Source) -> Any:
    """Layers go back to fp32, those that cost most first, until at most `DROP` of the images to
    calibrate with are called otherwise, or `MOST_RETURNS` groups have gone back.
    """
    import nncf

    with torch.inference_mode():
        wanted = torch.cat(
            [
                source.network(part).argmax(1)
                for part in torch.split(torch.from_numpy(source.calibration), 32)
            ]
        )
    images = nncf.Dataset(
        list(zip(source.calibration[:, None], wanted.tolist(), strict=True)), lambda item: item[0]
    )

    def agreeing(compiled: Any, given: Iterable[tuple[Images, int]]) -> tuple[float, list[float]]:
        same = [
            float(np.argmax(compiled(image)[0]) == want) for image, want in given
        ]  # any of them, in any order
        return float(np.mean(same)), same

    return nncf.quantize_with_accuracy_control(
        model,
        images,
        images,
        agreeing,
        max_drop=DROP,
        drop_type=nncf.DropType.ABSOLUTE,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(source.calibration),
        fast_bias_correction=False,
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            max_num_iterations=MOST_RETURNS
        ),
    )
