"""How many parameters do the published models have? Built without weights or data, so nothing is
loaded or computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from medpipe.pipeline.config import Section, parse
from medpipe.pipeline.models.dcgan import build_discriminator, build_generator
from medpipe.pipeline.models.lstm import LSTMClassifier
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "architecture"
TEXT_CLASSES, TUMOUR_CLASSES = 5, 4


class Architecture(Section):
    """The parameters of the experiment."""

    models: Annotated[
        list[Literal["lstm", "biobert", "resnet18", "resnet50", "generator", "discriminator"]],
        Field(min_length=1),
    ]


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Scalars ``<model>_parameters``: all trainable values of each model as published, embeddings
    and heads included.
    """
    written = parse(Architecture, config, NAME)
    builders: Mapping[str, Callable[[], nn.Module]] = {
        "lstm": _lstm,
        "biobert": _biobert,
        "resnet18": _resnet18,
        "resnet50": _resnet50,
        "generator": build_generator,
        "discriminator": build_discriminator,
    }
    scalars: dict[str, float] = {}
    for done, name in enumerate(written.models):
        context.progress(done, len(written.models), f"building {name}")
        with torch.device("meta"):  # shapes without memory
            scalars[f"{name}_parameters"] = sum(p.numel() for p in builders[name]().parameters())
    context.progress(len(written.models), len(written.models), "parameters counted")
    return ExperimentResult(written.model_dump(), scalars=scalars)


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """None: no data is used."""
    parse(Architecture, config, NAME)
    return {}


def _lstm() -> nn.Module:
    return LSTMClassifier(
        vocabulary=8000,
        classes=TEXT_CLASSES,
        embedding=128,
        hidden=256,
        layers=2,
        bidirectional=True,
        dropout=0.3,
        masked=False,
    )


def _biobert() -> nn.Module:
    from medpipe.pipeline.models.transformer import biobert  # takes seconds to import

    return biobert(TEXT_CLASSES)


def _resnet18() -> nn.Module:
    from medpipe.pipeline.models.resnet import build_resnet  # takes seconds to import

    return build_resnet("resnet18", classes=TUMOUR_CLASSES, weights="none", head_dropout=0.0)


def _resnet50() -> nn.Module:
    from medpipe.pipeline.models.resnet import build_resnet

    return build_resnet("resnet50", classes=TUMOUR_CLASSES, weights="none", head_dropout=0.5)
