"""Grad-CAM (Selvaraju and others 2017) by captum: where a convolutional layer speaks for a
class.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from medpipe.errors import DataError

Explainer = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""``(network, images (B, 3, H, W), classes int64 (B,)) -> relevance (B, h, w)``, on a grid no finer
than the image; more is better.
"""


def grad_cam(layer: str = "layer4") -> Explainer:
    """Grad-CAM on the output of the module with this dotted path, negative relevance set to 0 as
    published.
    """

    def relevance(network: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
        from captum.attr import LayerGradCam

        try:
            module = network.get_submodule(layer)
        except AttributeError as error:
            known = ", ".join(name for name, _ in network.named_children())
            raise DataError(
                f"Grad-CAM: expected a layer {layer!r} in the network, got {known}; name a"
                " convolutional block"
            ) from error
        found = LayerGradCam(network, module).attribute(
            images.detach().requires_grad_(), target=classes, relu_attributions=True
        )
        if not isinstance(found, Tensor) or found.ndim != 4:
            raise DataError(
                f"Grad-CAM: expected maps (B, C, h, w) from the layer {layer!r}, got another shape;"
                " name a convolutional block"
            )
        return found.detach()[:, 0]

    return relevance
