from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("captum.attr", reason="captum is not installed")

from torch import nn  # noqa: E402 - after the check above

from medpipe.errors import DataError  # noqa: E402
from medpipe.pipeline.imaging.grad_cam import grad_cam  # noqa: E402


class Averaging(nn.Module):
    """Convolution, mean over places, linear head: for it Grad-CAM is the class activation map (Zhou
    and others 2016) in closed form.
    """

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.ReLU())
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Any) -> Any:
        return self.fc(self.block(x).mean(dim=(2, 3)))


def test_grad_cam_is_the_class_activation_map_where_that_is_defined() -> None:
    torch.manual_seed(0)
    model, images, classes = (
        Averaging().eval(),
        torch.randn(5, 3, 17, 21),
        torch.tensor([0, 1, 2, 3, 1]),
    )
    found = grad_cam("block")(model, images, classes)
    with torch.no_grad():
        activation = model.block(images)
        expected = (
            torch.einsum("bchw,bc->bhw", activation, model.fc.weight[classes]).relu()
            / activation[0, 0].numel()
        )
    assert found.shape == (5, 4, 5)
    torch.testing.assert_close(found, expected)
    assert (
        found.any() and not images.requires_grad and all(p.grad is None for p in model.parameters())
    )


def test_frozen_weights_and_a_real_resnet_are_explained() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(num_classes=4).eval().requires_grad_(False)
    assert grad_cam()(model, torch.randn(2, 3, 64, 64), torch.tensor([1, 3])).shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("layer", "words"),
    [("layer9", "a layer 'layer9' in the network, got block, fc"), ("fc", "from the layer 'fc'")],
)
def test_a_layer_that_has_no_map_is_refused(layer: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        grad_cam(layer)(Averaging(), torch.randn(1, 3, 17, 17), torch.tensor([0]))
