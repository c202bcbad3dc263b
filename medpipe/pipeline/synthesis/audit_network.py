"""The network whose features and classes stand for what images show: a ResNet-18 of the project,
trained on real images of the data set.

Inception weights, which such measures are customarily made with, know no MRI and come from the
network; this one is trained here, once for a data set and a recipe, and kept. Two thirds of all
clusters of copies (patients, where they are known) are trained on, drawn by a fixed seed from the
whole data set without regard to its parts or to what any generator sees. So images that a generator
saw and images that it did not see are in its training alike, and distances of features favour
neither. The other third tells its accuracy.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sklearn.decomposition import PCA
from torch import nn

from medpipe.pipeline.augmentation import normalise
from medpipe.pipeline.classifier_run import weights_digest
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.paths import cache_home
from medpipe.pipeline.imaging.grouping import PATIENT
from medpipe.pipeline.machine import Machine
from medpipe.pipeline.models import resnet
from medpipe.pipeline.prediction import probabilities
from medpipe.pipeline.splits import Index, split_by_patient
from medpipe.pipeline.synthesis import fitting
from medpipe.pipeline.synthesis.generating import Pixels
from medpipe.pipeline.synthesis.generator_data import Images
from medpipe.pipeline.synthesis.synthesis_settings import Audit
from medpipe.pipeline.training import weights_of
from medpipe.running.experiment import Progress, declare_read

SEED = 20_240_611
UNTRAINED = 1 / 3
BATCH = 256
COMPONENTS = 64
"""Principal components of the 512 features that are kept: those of few classes lie in few
directions, and evidence is to be carried.
"""
LOOKED_AT = 2000
"""At most so many images trained on tell the components."""


@dataclass(frozen=True, eq=False)
class AuditNetwork:
    """``accuracy`` on ``n`` real images that it was not trained on; ``digest`` of its weights.

    ``centre`` ``(512,)`` and ``axes`` ``(D, 512)``: of the features before its head, on images that
    it was trained on, the mean and the principal components that are kept; they hold ``kept`` of
    the variance.
    """

    network: nn.Module
    accuracy: float
    n: int
    centre: torch.Tensor
    axes: torch.Tensor
    kept: float

    @property
    def digest(self) -> str:
        """SHA-256 over names and values of its weights."""
        return weights_digest(self.network)

    def read(
        self, pixels: Pixels, device: torch.device
    ) -> tuple[NDArray[np.float16], NDArray[np.float64]]:
        """Of images uint8 ``(N, 64, 64, 3)``: features, float16 ``(N, D)``, and probabilities ``(N,
        C)``.
        """
        *_, head = self.network.children()
        before = _before_head(self.network, pixels, device)
        with torch.inference_mode():
            features = (before - self.centre) @ self.axes.T
            logits = head.cpu()(before)
        return features.half().numpy(), probabilities(logits.numpy())


def _before_head(network: nn.Module, pixels: Pixels, device: torch.device) -> torch.Tensor:
    """Float ``(N, 512)`` on the CPU."""
    body = nn.Sequential(*list(network.children())[:-1], nn.Flatten()).to(device).eval()
    with torch.inference_mode():
        return torch.cat(
            [
                body(normalise(pixels[start : start + BATCH]).to(device)).float().cpu()
                for start in range(0, len(pixels), BATCH)
            ]
        )


def _principal(
    network: nn.Module, pixels: Pixels, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Mean, principal components, and the share of the variance that these hold."""
    features = _before_head(network, pixels, device).double()
    found = PCA(min(COMPONENTS, *features.shape), svd_solver="full").fit(features.numpy())
    centre, axes = (
        torch.from_numpy(np.ascontiguousarray(values, np.float32))
        for values in (found.mean_, found.components_)
    )
    return centre, axes, float(found.explained_variance_ratio_.sum())


def trained_and_not(images: Images, most: int | None) -> tuple[Index, Index]:
    """Places that the network is trained on, at most ``most`` of them, and places it is not trained
    on, without a common cluster.
    """
    related = replace(images.every, groups={PATIENT: images.cluster})
    trained, untrained = split_by_patient(related, UNTRAINED, SEED)
    shuffled = np.random.default_rng(SEED).permutation(trained.index)
    return np.sort(shuffled[:most]), np.sort(untrained.index)


def audit_network(
    data: ImageData,
    images: Images,
    written: Audit,
    *,
    machine: Machine,
    folder: Path,
    progress: Progress,
) -> AuditNetwork:
    """The network for a data set: kept under `cache_home`, or trained now, with its checkpoint in
    ``folder``.

    Of several processes that want the same one, one trains and the others wait.
    """
    key = _key(data, written, machine)
    path = cache_home() / "audit_networks" / f"{key}.safetensors"
    with _one_at_a_time(path):
        kept = _read(path, len(data.classes))
        if kept is not None:
            return kept
        trained, untrained = trained_and_not(images, written.images)
        network, probable = fitting.fit(
            images.every,
            len(data.classes),
            trained,
            untrained,
            written.epochs,
            seed=SEED,
            machine=machine,
            folder=folder,
            identity={"audit network": key, **machine.describe()},
            progress=progress,
        )
        right = float(np.mean(probable.argmax(axis=1) == images.every.label[untrained]))
        looked_at = images.planes(64).rgb(
            np.random.default_rng(SEED).permutation(trained)[:LOOKED_AT].tolist()
        )
        made = AuditNetwork(
            network.cpu(), right, len(untrained), *_principal(network, looked_at, machine.device)
        )
        with suppress(
            OSError
        ):  # a full or read-only disk costs time at the next call, nothing else
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, made)
        return made


def is_kept(data: ImageData, written: Audit, machine: Machine) -> bool:
    """Whether `audit_network` has nothing to train."""
    return (
        cache_home() / "audit_networks" / f"{_key(data, written, machine)}.safetensors"
    ).exists()


def _key(data: ImageData, written: Audit, machine: Machine) -> str:
    """Changes with the data, the recipe, the precision, and what trains the network."""
    code = [inspect.getsource(module) for module in (sys.modules[__name__], fitting, resnet)]
    told = [
        data.digest,
        *data.classes,
        written.model_dump_json(),
        machine.precision,
        machine.device.type,
        *code,
    ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except OSError:  # where nothing can be kept there is nothing to wait for
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path, classes: int) -> AuditNetwork | None:
    try:
        declare_read(path)
        with safe_open(path, "pt") as file:
            weights = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118 - no mapping
            told = json.loads(file.metadata()["told"])
        centre, axes = weights.pop("principal.centre"), weights.pop("principal.axes")
        network = fitting.new_network(classes)
        network.load_state_dict(weights)
        return AuditNetwork(
            network, float(told["accuracy"]), int(told["n"]), centre, axes, float(told["kept"])
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def _write(path: Path, made: AuditNetwork) -> None:
    temporary = path.with_suffix(".tmp")
    tensors = {
        **weights_of(made.network),
        "principal.centre": made.centre,
        "principal.axes": made.axes,
    }
    save_file(
        tensors,
        temporary,
        {"told": json.dumps({"accuracy": made.accuracy, "n": made.n, "kept": made.kept})},
    )
    temporary.replace(path)
