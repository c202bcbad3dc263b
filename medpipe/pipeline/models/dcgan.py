"""The published DCGAN for images of 64 by 64 pixels, as coded and as described, each of its
stabilisers with a switch.

Generator as coded: linear 100 -> 512 x 8 x 8, batch normalisation, three times (nearest upsampling,
3 x 3 convolution, batch normalisation, ReLU), a 3 x 3 convolution to three channels, tanh. As
described it has "4 ConvTranspose" and 4.86M parameters: 3 x 3 transposed convolutions in the place
of the four have exactly as many. Discriminator: four 3 x 3 convolutions of stride 2, each with
LeakyReLU 0.2, dropout of whole channels, and batch normalisation from the second on, in this order;
then a linear layer to one logit.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 100
SIDE = 64
SLOPE = 0.2
SPREAD = 0.02
"""The standard deviation of new weights with ``initialisation="normal"``."""

Upsampling = Literal["nearest", "transposed"]
Activation = Literal["leaky", "sigmoid"]
Normalisation = Literal["batch", "none"]
Output = Literal["tanh", "none"]
Initialisation = Literal["normal", "torch"]


class UpsampledConv2d(nn.Conv2d):
    """Nearest upsampling by two, then this 3 x 3 convolution, ``(B, C, H, W)`` to ``(B, O, 2H,
    2W)``.

    Three of four values that the convolution meets are repeats, so its weights are added up first
    and the sum is applied to the small image as a transposed convolution of 4 x 4: the same to
    rounding, in less than half of the multiplications.
    """

    def forward(self, input: Tensor) -> Tensor:
        weight = sum(
            (functional.pad(self.weight, (x, 1 - x, y, 1 - y)) for x in (0, 1) for y in (0, 1)),
            start=self.weight.new_zeros(()),
        )
        return functional.conv_transpose2d(
            input, weight.flip(2, 3).transpose(0, 1), self.bias, stride=2, padding=1
        )


def build_generator(
    *,
    width: int = 64,
    upsampling: Upsampling = "nearest",
    normalisation: Normalisation = "batch",
    output: Output = "tanh",
    initialisation: Initialisation = "normal",
) -> nn.Module:
    """Latent points ``(B, 100)`` to images ``(B, 3, 64, 64)``, in [-1, 1] with ``output="tanh"``.

    ``width``: channels before the last layer, 64 as published; all others are multiples of it.
    ``upsampling``: ``nearest`` as coded, ``transposed`` as described.
    """
    channels = (8 * width, 4 * width, 2 * width, width)
    enlarged = UpsampledConv2d if upsampling == "nearest" else _transposed
    layers = [
        nn.Linear(LATENT, 8 * width * 8 * 8),
        nn.Unflatten(1, (8 * width, 8, 8)),
        *_normalised(8 * width, normalisation),
    ]
    for inputs, outputs in pairwise(channels):
        layers += [
            enlarged(inputs, outputs, 3, padding=1),
            *_normalised(outputs, normalisation),
            nn.ReLU(),
        ]
    last = nn.Conv2d if upsampling == "nearest" else nn.ConvTranspose2d
    layers += [last(width, 3, 3, padding=1), *([nn.Tanh()] if output == "tanh" else [])]
    return _initialised(nn.Sequential(*layers), initialisation)


def build_discriminator(
    *,
    width: int = 64,
    dropout: float = 0.25,
    spectral: bool = False,
    activation: Activation = "leaky",
    normalisation: Normalisation = "batch",
    initialisation: Initialisation = "normal",
) -> nn.Module:
    """Images ``(B, 3, 64, 64)`` to logits ``(B,)``; the published sigmoid of them is the
    probability of being real.

    ``spectral``: spectral normalisation of every weight (Miyato et al. 2018).
    """
    layers: list[nn.Module] = []
    for inputs, outputs in (
        (3, width),
        (width, 2 * width),
        (2 * width, 4 * width),
        (4 * width, 8 * width),
    ):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
            nn.LeakyReLU(SLOPE) if activation == "leaky" else nn.Sigmoid(),
            *([nn.Dropout2d(dropout)] if dropout else []),
            *(_normalised(outputs, normalisation) if inputs != 3 else []),
        ]
    layers += [nn.Flatten(), nn.Linear(8 * width * 4 * 4, 1), nn.Flatten(0)]
    network = _initialised(nn.Sequential(*layers), initialisation)
    for layer in layers if spectral else ():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)
    return network


def _transposed(inputs: int, outputs: int, kernel: int, padding: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=padding, output_padding=1)


def _normalised(channels: int, normalisation: Normalisation) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if normalisation == "batch" else []


def _initialised(network: nn.Module, initialisation: Initialisation) -> nn.Module:
    """With the weights of convolutions from N(0, 0.02) and of batch normalisation from N(1, 0.02),
    its bias 0, as DCGAN is customarily begun; linear layers keep torch's. ``torch``: everything as
    torch makes it.
    """
    if initialisation == "torch":
        return network
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, SPREAD)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, SPREAD)
            nn.init.zeros_(layer.bias)
    return network
