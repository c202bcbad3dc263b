"""The architecture as coded, counted without building it.

**Purpose.** Numbers of parameters, kinds of layers and the size of saved weights follow from the
code, whatever is said.

**Method.** Each layer's parameters by its formula, summed; layers of a kind counted; saved size as
four bytes for each parameter and buffer. What is printed is held against the count. A size printed
in MB that only fits in units of 2**20 bytes is said to be MiB.

**Limits.** A network whose forward pass leaves a layer out, or shares weights between layers, is
not told apart here. Container formats add to a saved file; up to `CONTAINER` of it and
`CONTAINER_BYTES` are allowed for. ``medpipe audit-figures --build`` builds the layers with torch
and counts again.

**Example.** An embedding of 8,000 × 128, two bidirectional LSTM layers of 256 and a linear layer to
5 classes have 3,394,053 parameters, not 4.2 million.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from medpipe.audits.result import AuditResult, at
from medpipe.audits.rounding import Range, printed_range, rough_range
from medpipe.specs.figures import Architecture, Figures, Layer, Printing, Quantity
from medpipe.specs.printed_values import Printed

CONTAINER = Fraction(1, 100)
"""The share of a saved file that names, headers and code may take."""
CONTAINER_BYTES = 20_000
"""What they may take in any file, however small."""
SIZES = {"MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
OTHER_BASE = {"MB": "MiB", "MiB": "MB", "GB": "GiB", "GiB": "GB"}


@dataclass(frozen=True)
class Counted:
    """Trainable numbers, numbers that are saved beside them, and how many layers of each kind."""

    parameters: int
    buffers: int
    layers: Counter[str]

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.parameters + other.parameters,
            self.buffers + other.buffers,
            self.layers + other.layers,
        )

    def __mul__(self, times: int) -> Counted:
        return Counted(
            self.parameters * times,
            self.buffers * times,
            Counter({k: v * times for k, v in self.layers.items()}),
        )


NOTHING = Counted(0, 0, Counter())


def count(layers: tuple[Layer, ...]) -> Counted:
    """Everything that can be counted of a network."""
    total = NOTHING
    for layer in layers:
        total += LAYERS[layer.kind](layer) * layer.times
    return total


def _one(kind: str, parameters: int, buffers: int = 0) -> Counted:
    return Counted(parameters, buffers, Counter({kind: 1}))


def _embedding(layer: Layer) -> Counted:
    return _one("embedding", layer.rows * layer.width)


def _linear(layer: Layer) -> Counted:
    return _one("linear", layer.inputs * layer.outputs + layer.bias * layer.outputs)


def _conv(layer: Layer) -> Counted:
    kind = "transposed_conv" if layer.transposed else "conv"
    return _one(kind, layer.inputs * layer.outputs * layer.kernel**2 + layer.bias * layer.outputs)


def _batch_norm(layer: Layer) -> Counted:
    return _one(
        "batch_norm", 2 * layer.features, 2 * layer.features + 2
    )  # mean, variance, and a 64-bit count of batches


def _layer_norm(layer: Layer) -> Counted:
    return _one("layer_norm", 2 * layer.features)


def _lstm(layer: Layer) -> Counted:
    directions = 2 if layer.bidirectional else 1
    total, inputs = 0, layer.inputs
    for _ in range(layer.layers):
        total += (
            directions * 4 * layer.hidden * (inputs + layer.hidden + 2 * layer.bias)
        )  # four gates, two biases each
        inputs = directions * layer.hidden
    return _one("lstm", total)


def _conv_norm(inputs: int, outputs: int, kernel: int) -> Counted:
    conv = _conv(Layer("conv", inputs=inputs, outputs=outputs, kernel=kernel, bias=False))
    return conv + _batch_norm(Layer("batch_norm", features=outputs))


def _basic_block(layer: Layer) -> Counted:
    """A ResNet block of two 3 × 3 convolutions, ``inputs`` → ``outputs``."""
    own = _conv_norm(layer.inputs, layer.outputs, 3) + _conv_norm(layer.outputs, layer.outputs, 3)
    return own + _conv_norm(layer.inputs, layer.outputs, 1) if layer.downsample else own


def _bottleneck(layer: Layer) -> Counted:
    """A ResNet block of 1 × 1, 3 × 3 and 1 × 1 convolutions, ``inputs`` → ``width`` →
    ``outputs``.
    """
    own = (
        _conv_norm(layer.inputs, layer.width, 1)
        + _conv_norm(layer.width, layer.width, 3)
        + _conv_norm(layer.width, layer.outputs, 1)
    )
    return own + _conv_norm(layer.inputs, layer.outputs, 1) if layer.downsample else own


def _without_parameters(layer: Layer) -> Counted:
    return _one(layer.kind, 0)


LAYERS: dict[str, Callable[[Layer], Counted]] = {
    "embedding": _embedding,
    "linear": _linear,
    "conv": _conv,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "lstm": _lstm,
    "basic_block": _basic_block,
    "bottleneck": _bottleneck,
    "activation": _without_parameters,
    "dropout": _without_parameters,
    "upsample": _without_parameters,
}


def architecture(figures: Figures) -> Iterator[AuditResult]:
    """One result for every value that is printed of something that can be counted, and for every
    saved size.
    """
    for network in figures.architectures:
        counted = count(network.layers)
        for what, name in network.counts.items():
            quantity = figures.quantity(name)
            found = counted.parameters if what == "parameters" else counted.layers[what]
            yield from (_held(network, quantity, group, found, what) for group in quantity.values())
        if network.saved_size is not None:
            quantity = figures.quantity(network.saved_size)
            yield from (
                _size(network, quantity, group, 4 * (counted.parameters + counted.buffers))
                for group in quantity.values()
            )


def _held(
    network: Architecture,
    quantity: Quantity,
    printings: tuple[Printing, ...],
    found: int,
    what: str,
) -> AuditResult:
    printing, printed, where = _shown(quantity, printings)
    named = "parameters" if what == "parameters" else f"layers of the kind {what.replace('_', ' ')}"
    shown = f"{network.what} as coded: {found:,} {named}"
    seen = partial(
        AuditResult, "architecture", f"{network.id}.{printing.id}", rests_on=where, bears_on=where
    )
    exactly = Range(Fraction(found), Fraction(found))
    if printed_range(printed).meets(exactly):
        return seen(
            "clean",
            f"{at(printing)} prints {printing.text}; {network.what} as coded has {found:,}"
            f" {named}.",
            shown,
        )
    said = (
        f"{at(printing)} prints {printing.text} as {quantity.what}; {network.what} as coded has"
        f" {found:,}."
    )
    if rough_range(printed).meets(exactly):
        return seen(
            "narrows",
            f"{said} The two agree only if the round figure is meant roughly, or digits were cut"
            " off.",
            shown,
            certain=False,
        )
    return seen("refutes", said, shown)


def _shown(
    quantity: Quantity, printings: tuple[Printing, ...]
) -> tuple[Printing, Printed, tuple[str, ...]]:
    """The first printing of a value, its number, and the ids of all."""
    return (
        printings[0],
        {p.id: n for p, n in quantity.numbers()}[printings[0].id],
        tuple(p.id for p in printings),
    )


def _size(
    network: Architecture, quantity: Quantity, printings: tuple[Printing, ...], weights: int
) -> AuditResult:
    printing, printed, where = _shown(quantity, printings)
    seen = partial(
        AuditResult, "architecture", f"{network.id}.{printing.id}", rests_on=where, bears_on=where
    )
    shown = (
        f"{weights:,} bytes of weights and buffers: {weights / SIZES['MB']:.1f} MB (10^6 bytes),"
        f" {weights / SIZES['MiB']:.1f} MiB (2^20 bytes)"
    )
    unit = printed.unit if printed.unit in SIZES else "MB"
    other = OTHER_BASE[unit]
    said = f"{at(printing)} prints {printing.text} as {quantity.what}"
    if _admits(printed, weights, unit):
        return seen("clean", f"{said}, which fits the weights.", shown)
    if _admits(printed, weights, other):
        return seen(
            "narrows",
            f"{said}; {network.what} has {weights / SIZES[unit]:.1f} {unit} of weights. The figure"
            f" is in {other}.",
            shown,
        )
    return seen("undermines", f"{said}, which does not fit the weights.", shown)


def _admits(printed: Printed, weights: int, unit: str) -> bool:
    saved = weights * (1 + CONTAINER) + CONTAINER_BYTES
    return rough_range(printed).meets(Range(Fraction(weights, SIZES[unit]), saved / SIZES[unit]))
