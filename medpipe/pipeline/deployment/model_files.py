"""The classifier that ``medpipe bench`` and ``medpipe export`` are given: by its name in a
library, or as a TorchScript file.

Nothing is unpickled that could run code: a file of another kind is named, with what to give
instead.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import warnings
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medpipe.errors import DataError, SpecError
from medpipe.formatting import plural
from medpipe.pipeline.deployment.backends import FAILURES, first_line

SEED = 0
WANTED = "torchvision:NAME, timm:NAME or a TorchScript file"
SCRIPT = "torch.jit.script(network.eval()).save('network.pt')"
CHANNELS = (3, 1)
"""Images are made with so many: colour, or grey."""
ONE_AT_A_TIME = (
    "one that answers one image at a time only, as after torch.jit.trace with one image; "
    "save it so that it takes any number: flatten by x.flatten(1), not by x.view(1, -1), "
    "or use torch.jit.script"
)
SIDES = (28, 32, 64, 96, 128, 224, 256, 299, 384, 512)
"""Sizes that are tried where a network does not take the size asked for, to name one that it
takes."""


def network_of(name: str) -> tuple[nn.Module, str]:
    """``torchvision:<name>`` or ``timm:<name>`` with new weights, or a TorchScript file; and what
    its weights are. Raises `SpecError`."""
    kind, _, which = name.partition(":")
    if kind in ("torchvision", "timm") and which:
        return _new(kind, which), f"new weights, drawn with seed {SEED}: it has learnt nothing"
    path = Path(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the end of TorchScript at every call
            jit: Any = torch.jit  # has no types
            loaded: nn.Module = jit.load(str(path), map_location="cpu")
    except (OSError, RuntimeError, ValueError):
        raise SpecError("--models", WANTED, f"{name!r}, {kind_of_file(path)}") from None
    return loaded.eval(), f"those in the file, {digest_of(path)}"


def _new(kind: str, which: str) -> nn.Module:
    try:
        made = importlib.import_module("torchvision.models" if kind == "torchvision" else "timm")
        make = made.get_model if kind == "torchvision" else made.create_model
        torch.manual_seed(SEED)
        network: nn.Module = make(which)
    except ModuleNotFoundError:
        raise SpecError(
            "--models", f"{kind} installed", "it is not; run: pip install " + kind
        ) from None
    except (
        ValueError,
        RuntimeError,
        OSError,
    ) as error:  # OSError: a part of it would have to be downloaded
        expected = f"a model that {kind} has and makes without a download"
        raise SpecError("--models", expected, f"{which!r} ({first_line(error)})") from None
    return network.eval()


def kind_of_file(path: Path) -> str:
    """What a file is that is no TorchScript file, by its first bytes, and what to give instead."""
    if not path.is_file():
        near = (
            f"; for the network of that name in torchvision give torchvision:{path}"
            if _torchvision_has(str(path))
            else ""
        )
        return f"which is {'a folder' if path.is_dir() else 'no file'}{near}"
    with path.open("rb") as file:
        start = file.read(16)
    if zipfile.is_zipfile(path):
        return _kind_of_zip(path)
    if start[:1] == b"\x08" and start[2:3] == b"\x12":
        return f"which is an ONNX file; export the network from PyTorch instead, by {SCRIPT}"
    if start[:4] == b"\x89HDF":
        return (
            "which is an HDF5 file, as Keras writes; load these weights into a PyTorch network "
            f"and save that by {SCRIPT}"
        )
    if start[8:9] == b"{":
        return (
            "which is a safetensors file: weights alone; load them into the network they "
            f"belong to and save that by {SCRIPT}"
        )
    return (
        _kind_of_pickle(path)
        if start[:1] == b"\x80"
        else "which is no file of a network that medpipe knows"
    )


def _kind_of_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    if "data.pkl" in names and "constants.pkl" not in names:
        return _kind_of_pickle(path)
    if "archive_format" in names:
        return (
            "which is an exported program (.pt2), fixed to the shapes that it was made with; "
            f"save the network by {SCRIPT}"
        )
    return f"which is a zip file without a network; save the network by {SCRIPT}"


def _kind_of_pickle(path: Path) -> str:
    """Weights are tensors and plain values, which torch reads without running code; anything else
    is not opened."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on other versions of pickle
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, *FAILURES):
        return (
            "which is a pickled Python object, such as a whole network from torch.save, and is "
            "not opened, for opening it can run code; "
            f"open it where you trust it and save the network by {SCRIPT}"
        )
    tensors = (
        sum(isinstance(v, torch.Tensor) for v in found.values()) if isinstance(found, dict) else 0
    )
    held = (
        f"weights alone ({plural(tensors, 'tensor')})"
        if tensors
        else "a checkpoint of plain values and tensors"
    )
    return (
        f"which torch.save wrote and holds {held}, no network; load it into the network it "
        f"belongs to and save that by {SCRIPT}"
    )


def _torchvision_has(name: str) -> bool:
    from torchvision.models import list_models

    return name in list_models()


def digest_of(path: Path) -> str:
    """``sha256:<hex>`` of a file."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def channels_of(network: nn.Module, side: int) -> int:
    """The channels of the images that a classifier takes at that size, 3 or 1. Raises `DataError`,
    which names what stands against it: the size, the channels, a batch that is fixed at one image,
    or answers that are no logits.
    """
    failure = ""
    for channels in CHANNELS:
        try:
            _refuse_other_answers(_answered(network, 2, channels, side))
            return channels
        except FAILURES as error:
            failure = failure or first_line(error)
    raise DataError(
        f"--models: expected a network that answers two images of 3 x {side} x {side} pixels at "
        "once, got "
        f"{_what_it_takes(network, side) or failure}"
    )


def _answered(network: nn.Module, batch: int, channels: int, side: int) -> Any:
    with torch.inference_mode():
        return network(torch.zeros(batch, channels, side, side))


def _what_it_takes(network: nn.Module, side: int) -> str | None:
    """What a network takes instead, with the next step; None where nothing that is tried suits
    it."""
    sides = (side, *(s for s in SIDES if s != side))
    for batch, wide, channels in product((2, 1), sides, (*CHANNELS, 2, 4)):
        try:
            _answered(network, batch, channels, wide)
        except FAILURES:
            continue
        if batch == 1:
            return ONE_AT_A_TIME
        if channels not in CHANNELS:
            return (
                f"one for images of {channels} channels; put a layer before it that makes "
                f"{channels} channels of 3"
            )
        return f"one for images of {channels} x {wide} x {wide} pixels; give --size {wide}"
    return None


def _refuse_other_answers(found: Any) -> None:
    """Raises `DataError` where two images did not get logits of at least two classes each."""
    if (
        not isinstance(found, torch.Tensor)
        or found.ndim != 2
        or len(found) != 2
        or found.shape[1] < 2
    ):
        if isinstance(found, torch.Tensor) and found.ndim == 2 and len(found) == 1:
            raise DataError(
                "--models: expected a network that answers any number of images, got "
                f"{ONE_AT_A_TIME}"
            )
        got = (
            f"shape {tuple(found.shape)}"
            if isinstance(found, torch.Tensor)
            else type(found).__name__
        )
        raise DataError(
            "--models: expected logits of at least two classes for each of 2 images, shape (2, "
            f"C), got {got}; give the "
            "network an output for every class"
        )
