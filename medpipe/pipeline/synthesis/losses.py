"""What the two networks lower, and how large a step it asks for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medpipe.pipeline.synthesis.synthesis_settings import Adversarial


def generator_loss(logits: Tensor, kind: str) -> Tensor:
    """What the generator lowers, from logits ``(B,)`` of its images: -log D, or with ``saturating``
    log(1 - D), mean over the batch.
    """
    if kind == "saturating":
        return -functional.softplus(logits).mean()
    return functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def discriminator_loss(real: Tensor, fake: Tensor, recipe: Adversarial) -> Tensor:
    """The mean of both cross-entropies, from logits ``(B,)`` towards the two targets."""
    parts = [
        functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
        for logits, target in ((real, recipe.real_target), (fake, recipe.fake_target))
    ]
    return (parts[0] + parts[1]) / 2


def gradient_norm(network: nn.Module) -> Tensor:
    """The Euclidean norm of all gradients together."""
    return nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
