"""How far back the gradient of a loss reaches, and how it is spread over layers.

Definition. For a sentence and its own loss L, let x_d be the embedding of the token that lies d
recurrent steps before the state that is read. The *ratio at distance D* is ||dL/dx_D|| /
||dL/dx_1||: what a token D steps away still says to the loss, compared with the token next to the
state. A model's gradients *vanish* at distance D where the median ratio over sentences is below
`VANISHED`.

Why so: Bengio, Simard, Frasconi (1994) and Hochreiter (1991; with Bengio, Frasconi, Schmidhuber
2001) show that where an RNN latches information, the derivative with respect to distant inputs
falls exponentially with distance beside that of near ones; Pascanu, Mikolov, Bengio (2013) define
vanishing as the long-term components going exponentially fast to norm 0, which is a statement about
the ratio of norms at different times, never about norms of different layers. None of them names a
threshold. One thousandth is what the published analysis itself calls vanishing ("3-4 order of
magnitude difference"), and at 31 steps it is a factor of 0.8 a step.

Distance. A recurrent layer that reads from left to right reaches the word t from its last state
over at least T - 1 - t steps, in however many layers. A bidirectional network also reads a state at
the other end; it is held constant here, so that no shorter way exists. With unmasked padding the
state stands at the end of the padding, and so does distance 0. A transformer reads its first token,
which every token reaches in one step; its distance counts tokens, and its ratio shows what no
recurrence does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medpipe.pipeline.machine import Index
from medpipe.pipeline.models.lstm import LSTMClassifier
from medpipe.pipeline.text.samples import Sentences

VANISHED = 1e-3
BATCH = 32
Norms = NDArray[np.float32]


def norms_by_distance(model: nn.Module, samples: Sentences, distances: Sequence[int]) -> Norms:
    """||dL/dx_d|| for each sentence and distance, float32 ``(N, D)``; NaN where a sentence is too
    short for it.

    Dropout is off. Weights, their gradients and the generators are left as they are.
    """
    found = np.full((len(samples.label), len(distances)), np.nan, np.float32)
    training, device = model.training, next(model.parameters()).device
    model.eval()
    for start in range(0, len(found), BATCH):
        index = np.arange(start, min(start + BATCH, len(found)))
        batch = {name: value.to(device) for name, value in samples.batch(index, None).items()}
        label = torch.as_tensor(samples.label[index], device=device)
        norms, last = (
            _of_lstm(model, batch, label)
            if isinstance(model, LSTMClassifier)
            else _of_transformer(model, batch, label)
        )
        for column, distance in enumerate(distances):
            place = (last - distance).abs()  # a transformer's distance runs the other way, from 0
            there = (
                (last >= distance)
                if isinstance(model, LSTMClassifier)
                else (batch["attention_mask"].sum(1) > distance)
            )
            rows = torch.arange(len(index), device=device)[there]
            found[index[there.cpu().numpy()], column] = norms[rows, place[there]].cpu().numpy()
    model.train(training)
    return found


def _of_lstm(
    model: LSTMClassifier, batch: Mapping[str, Tensor], label: Tensor
) -> tuple[Tensor, Tensor]:
    """||dL/dx|| ``(B, L)`` through the state of the forward direction, and the place ``(B,)`` at
    which that state stands.
    """
    embedded = model.embedding(batch["words"]).detach().requires_grad_()
    states = model.read(embedded, batch["lengths"])
    hidden = model.lstm.hidden_size
    read = torch.cat([states[:, :hidden], states[:, hidden:].detach()], dim=1)
    loss = functional.cross_entropy(
        model.linear(read), label, reduction="sum"
    )  # each row's gradient is that of its own loss
    (gradient,) = torch.autograd.grad(loss, embedded)
    last = (
        batch["lengths"] - 1
        if model.masked
        else torch.full_like(batch["lengths"], embedded.shape[1] - 1)
    )
    return gradient.norm(dim=2), last


def _of_transformer(
    model: nn.Module, batch: Mapping[str, Tensor], label: Tensor
) -> tuple[Tensor, Tensor]:
    """The same for a transformer, which reads its first token."""
    table = cast(nn.Module, model.get_input_embeddings())  # type: ignore[operator]  # transformers' own, untyped here
    embedded = table(batch["input_ids"]).detach().requires_grad_()
    logits = model(inputs_embeds=embedded, attention_mask=batch["attention_mask"]).logits
    (gradient,) = torch.autograd.grad(
        functional.cross_entropy(logits.float(), label, reduction="sum"), embedded
    )
    return gradient.float().norm(dim=2), torch.zeros_like(label)


def norms_by_layer(model: nn.Module, samples: Sentences, index: Index) -> dict[str, float]:
    """The norm of the mean loss's gradient with respect to all weights of a layer, by its name, for
    the samples ``index``.

    Layers of the LSTM: ``embedding``, ``lstm_l0`` and so on (both directions), ``linear``; of a
    transformer: ``embedding``, ``layer_0`` and so on, its pooler and its head. Dropout is off.
    """
    training, device = model.training, next(model.parameters()).device
    model.eval()
    out = model(**{name: value.to(device) for name, value in samples.batch(index, None).items()})
    logits = out if isinstance(out, Tensor) else out.logits
    loss = functional.cross_entropy(
        logits.float(), torch.as_tensor(samples.label[index], device=device)
    )
    named = [
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    ]
    gradients = torch.autograd.grad(loss, [parameter for _, parameter in named], allow_unused=True)
    model.train(training)
    squares: dict[str, float] = {}
    for (name, _), gradient in zip(named, gradients, strict=True):
        if gradient is not None:
            layer = _layer(name)
            squares[layer] = squares.get(layer, 0.0) + gradient.double().square().sum().item()
    return {layer: square**0.5 for layer, square in squares.items()}


def _layer(name: str) -> str:
    steps = name.split(".")
    numbered = [i for i, step in enumerate(steps) if step.isdecimal()]
    if numbered:
        return "_".join(steps[numbered[0] - 1 : numbered[0] + 1])
    recurrent = steps[-1].removesuffix("_reverse").rpartition("_l")[2]
    if recurrent.isdecimal():
        return f"{steps[0]}_l{recurrent}"
    if any("embedding" in step for step in steps):
        return "embedding"
    return (
        steps[0] if len(steps) == 2 else steps[1]
    )  # a transformer's own name stands before its pooler's


def ratios(norms: Norms, distances: Sequence[int], far: int, near: int = 1) -> Norms:
    """The ratio of each sentence that reaches as far, float32 ``(M,)``; a gradient of exactly 0
    near the state is left out.
    """
    of = dict(zip(distances, norms.T, strict=True))
    usable = np.isfinite(of[far]) & (of[near] > 0)
    return cast(Norms, of[far][usable] / of[near][usable])
