"""The network whose features and classes stand for what images show: a ResNet-18 of the project, trained on real images of the data set.

Inception weights, which such measures are customarily made with, know no MRI and come from the network; this one is trained here, once for
a data set and a recipe, and kept. Two thirds of all clusters of copies (patients, where they are known) are trained on, drawn by a fixed
seed from the whole data set without regard to its parts or to what any generator sees. So images that a generator saw and images that it
did not see are in its training alike, and distances of features favour neither. The other third tells its accuracy.
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
from torch import nn

from medpipe.pipeline.augmentation import normalise
from medpipe.pipeline.classification import weights_digest
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.places import cache_home
from medpipe.pipeline.imaging.grouping import PATIENT
from medpipe.pipeline.machine import Machine
from medpipe.pipeline.models import resnet
from medpipe.pipeline.prediction import probabilities
from medpipe.pipeline.splits import Index, split_by_patient
from medpipe.pipeline.synthesis import fitting
from medpipe.pipeline.synthesis.generating import Pixels
from medpipe.pipeline.synthesis.sampling import Images
from medpipe.pipeline.synthesis.settings import Audit
from medpipe.pipeline.training import weights_of
from medpipe.running.experiment import Progress

SEED = 20_240_611
UNTRAINED = 1 / 3
BATCH = 256


@dataclass(frozen=True, eq=False)
class AuditNetwork:
    """``accuracy`` on ``n`` real images that it was not trained on; ``digest`` of its weights."""

    network: nn.Module
    accuracy: float
    n: int

    @property
    def digest(self) -> str:
        """SHA-256 over names and values of its weights."""
        return weights_digest(self.network)

    def read(self, pixels: Pixels, device: torch.device) -> tuple[NDArray[np.float16], NDArray[np.float64]]:
        """Of images uint8 ``(N, 64, 64, 3)``: features before the head, float16 ``(N, 512)``, and probabilities ``(N, C)``."""
        *body, head = self.network.children()
        before = nn.Sequential(*body, nn.Flatten()).to(device).eval()
        features, logits = [], []
        with torch.inference_mode():
            for start in range(0, len(pixels), BATCH):
                seen = before(normalise(pixels[start:start + BATCH]).to(device))
                features.append(seen.half().cpu().numpy())
                logits.append(head.to(device)(seen).float().cpu().numpy())
        return np.concatenate(features), probabilities(np.concatenate(logits))


def trained_and_not(images: Images, most: int | None) -> tuple[Index, Index]:
    """Places that the network is trained on, at most ``most`` of them, and places it is not trained on, without a common cluster."""
    related = replace(images.every, groups={PATIENT: images.cluster})
    trained, untrained = split_by_patient(related, UNTRAINED, SEED)
    shuffled = np.random.default_rng(SEED).permutation(trained.index)
    return np.sort(shuffled[:most]), np.sort(untrained.index)


def audit_network(data: ImageData, images: Images, written: Audit, *, machine: Machine, folder: Path, progress: Progress) -> AuditNetwork:
    """The network for a data set: kept under `cache_home`, or trained now, with its checkpoint in ``folder``.

    Of several processes that want the same one, one trains and the others wait.
    """
    key = _key(data, written, machine)
    path = cache_home() / "audit_networks" / f"{key}.safetensors"
    with _one_at_a_time(path):
        kept = _read(path, len(data.classes))
        if kept is not None:
            return kept
        trained, untrained = trained_and_not(images, written.images)
        network, probable = fitting.fit(images.every, len(data.classes), trained, untrained, written.epochs, seed=SEED, machine=machine,
                                        folder=folder, identity={"audit network": key, **machine.describe()}, progress=progress)
        right = float(np.mean(probable.argmax(axis=1) == images.every.label[untrained]))
        made = AuditNetwork(network.cpu(), right, len(untrained))
        with suppress(OSError):  # a full or read-only disk costs time at the next call, nothing else
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, made)
        return made


def is_kept(data: ImageData, written: Audit, machine: Machine) -> bool:
    """Whether `audit_network` has nothing to train."""
    return (cache_home() / "audit_networks" / f"{_key(data, written, machine)}.safetensors").exists()


def _key(data: ImageData, written: Audit, machine: Machine) -> str:
    """Changes with the data, the recipe, the precision, and what trains the network."""
    code = [inspect.getsource(module) for module in (sys.modules[__name__], fitting, resnet)]
    told = [data.digest, *data.classes, written.model_dump_json(), machine.precision, machine.device.type, *code]
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
        with safe_open(path, "pt") as file:
            weights, told = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["told"])  # noqa: SIM118
        network = fitting.new_network(classes)
        network.load_state_dict(weights)
        return AuditNetwork(network, float(told["accuracy"]), int(told["n"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def _write(path: Path, made: AuditNetwork) -> None:
    temporary = path.with_suffix(".tmp")
    save_file(weights_of(made.network), temporary, {"told": json.dumps({"accuracy": made.accuracy, "n": made.n})})
    temporary.replace(path)
