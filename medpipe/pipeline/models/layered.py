"""Networks built layer by layer from their records, to count what a formula says they have."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from medpipe.specs.figures import Architecture, Layer


def built(network: Architecture) -> dict[str, Any]:
    """Build the layers of a record and count.

    Returns ``id``, ``what``, ``parameters``, ``layers`` (kind → count), and ``saved_bytes`` of the
    file that ``torch.save`` makes.
    """
    modules = nn.ModuleList([module for layer in network.layers for module in _repeated(layer)])
    buffer = io.BytesIO()
    torch.save(modules.state_dict(), buffer)
    kinds = Counter(kind for m in modules.modules() for kind, of in KINDS.items() if type(m) in of)
    return {
        "id": network.id,
        "what": network.what,
        "parameters": sum(p.numel() for p in modules.parameters()),
        "layers": dict(sorted(kinds.items())),
        "saved_bytes": buffer.tell(),
    }


def _repeated(layer: Layer) -> list[nn.Module]:
    return [BUILDERS[layer.kind](layer) for _ in range(layer.times)]


def _conv(layer: Layer) -> nn.Module:
    kind = nn.ConvTranspose2d if layer.transposed else nn.Conv2d
    return kind(layer.inputs, layer.outputs, layer.kernel, stride=layer.stride, bias=layer.bias)


def _lstm(layer: Layer) -> nn.Module:
    return nn.LSTM(
        layer.inputs, layer.hidden, layer.layers, bias=layer.bias, bidirectional=layer.bidirectional
    )


def _shortcut(layer: Layer) -> nn.Module | None:
    if not layer.downsample:
        return None
    return nn.Sequential(
        nn.Conv2d(layer.inputs, layer.outputs, 1, bias=False), nn.BatchNorm2d(layer.outputs)
    )


BUILDERS: dict[str, Callable[[Layer], nn.Module]] = {
    "embedding": lambda layer: nn.Embedding(layer.rows, layer.width),
    "linear": lambda layer: nn.Linear(layer.inputs, layer.outputs, bias=layer.bias),
    "conv": _conv,
    "lstm": _lstm,
    "batch_norm": lambda layer: nn.BatchNorm2d(layer.features),
    "layer_norm": lambda layer: nn.LayerNorm(layer.features),
    "basic_block": lambda layer: BasicBlock(
        layer.inputs, layer.outputs, downsample=_shortcut(layer)
    ),
    "bottleneck": lambda layer: Bottleneck(layer.inputs, layer.width, downsample=_shortcut(layer)),
    "activation": lambda layer: nn.Identity(),
    "dropout": lambda layer: nn.Identity(),
    "upsample": lambda layer: nn.Identity(),
}
KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "embedding": (nn.Embedding,),
    "linear": (nn.Linear,),
    "conv": (nn.Conv2d,),
    "transposed_conv": (nn.ConvTranspose2d,),
    "lstm": (nn.LSTM,),
    "batch_norm": (nn.BatchNorm2d,),
    "layer_norm": (nn.LayerNorm,),
}
