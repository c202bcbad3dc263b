"""Images per second with the published augmentation: as published (JPEG files, Pillow, a
DataLoader) and from the cache of planes.

Promised: 8 times as many on 2 cores. Machines differ, so nothing asserts it. The ways take turns in
one run, so that what else the machine does hits all; the published one counts with its better
number of workers, which stay alive between turns. Every way ends with normalised float32 batches of
32 on the device. Decoding into the cache is not included: it happens once for a data set.

Images come from ``MEDPIPE_DATA`` where it holds the published set, else the demonstration's, stored
as JPEG of 512 by 512 pixels, the size of two thirds of the published ones. The number of threads is
torch's, set it with ``OMP_NUM_THREADS``.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from medpipe.pipeline.augmentation import IMAGENET_MEAN, IMAGENET_STD, Augmentation
from medpipe.pipeline.data.data_files import open_files
from medpipe.pipeline.data.images import ImagePart, load_images
from medpipe.pipeline.data.paths import IMAGE_FOLDERS, find
from medpipe.pipeline.imaging.slices import Slices
from medpipe.pipeline.splits import Subset

NAME = "brain-tumor-mri-dataset"
BATCH, SIZE, IMAGES, TURNS, DRAWS = 32, 224, 256, 10, 2000
EPOCHS = {"published, 0 workers": 1, "published, 2 workers": 1, "cached": 8}
"""Passes over the images in a turn, so that a turn takes about as long in either way."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Published(Dataset[torch.Tensor]):
    """Image files through the published transforms."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize((SIZE, SIZE)),
                transforms.RandomHorizontalFlip(0.5),
                transforms.RandomRotation(15),
                transforms.ColorJitter(brightness=0.2, contrast=0.2),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[i]).convert("RGB"))


def stored(part: ImagePart, places: np.ndarray, folder: Path) -> list[Path]:
    """The files of some images, written into ``folder``."""
    found = find(NAME, IMAGE_FOLDERS, None)
    contents: Iterable[bytes] = (
        (as_jpeg(pixels) for pixels in part.planes(512).rgb(places))
        if found is None
        else (
            content for _, content in open_files(found).read_each(part.sample_id[places].tolist())
        )
    )
    paths = [folder / f"{place}.jpg" for place in places]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def as_jpeg(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("L").save(stream, "JPEG", quality=95)
    return stream.getvalue()


def seconds(way: Callable[[int], Iterable[torch.Tensor]], epochs: range, threads: int) -> float:
    """How long it takes to have every batch of some epochs on the device."""
    torch.set_num_threads(threads)
    start = time.perf_counter()
    for epoch in epochs:
        for batch in way(epoch):
            batch.to(DEVICE)
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


@pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
)
def test_image_loading(benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_images([NAME, "demonstration"])
    part = data.parts["Training"]
    places = np.sort(np.random.default_rng(0).permutation(len(part))[:IMAGES])
    files = Published(stored(part, places, tmp_path))
    loaders = [
        DataLoader(files, BATCH, shuffle=True, num_workers=n, persistent_workers=n > 0)
        for n in (0, 2)
    ]
    slices = Slices(
        part.planes(SIZE), Subset(part, places), Augmentation(0.5, 15, 0.2, 0.2), 0, DEVICE
    )

    def cached(epoch: int) -> Iterable[torch.Tensor]:
        order = np.random.default_rng((0, epoch)).permutation(len(places))
        return (
            slices.batch(order[start : start + BATCH], epoch)["x"]
            for start in range(0, len(order), BATCH)
        )

    ways = dict(zip(EPOCHS, [lambda _: loaders[0], lambda _: loaders[1], cached], strict=True))
    threads = (
        torch.get_num_threads()
    )  # one is best for Pillow's way: its tensors are small, and so have a DataLoader's workers
    taken: dict[str, list[float]] = {name: [] for name in ways}

    def turn() -> None:
        for name, way in ways.items():
            done = len(taken[name]) * EPOCHS[name]
            taken[name].append(
                seconds(way, range(done, done + EPOCHS[name]), threads if name == "cached" else 1)
            )

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)

    torch.set_num_threads(threads)
    drawn = np.random.default_rng(0).integers(1, TURNS + 1, (DRAWS, TURNS))  # turn 0 warmed up
    rate = {
        name: EPOCHS[name] * len(files) / np.array(times)[drawn].mean(axis=1)
        for name, times in taken.items()
    }
    mean = {
        name: float(EPOCHS[name] * len(files) / np.mean(times[1:])) for name, times in taken.items()
    }
    best = max([name for name in ways if name != "cached"], key=lambda name: mean[name])
    ratio, (low, high) = (
        mean["cached"] / mean[best],
        np.quantile(rate["cached"] / rate[best], [0.025, 0.975]).tolist(),
    )
    benchmark.extra_info |= {
        "data": data.source,
        "threads": threads,
        "device": DEVICE.type,
        "images_per_s": mean,
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
    }
    said = ", ".join(f"{name}: {value:.0f}" for name, value in mean.items())
    with capsys.disabled():
        print(
            f"\n{data.source}, {threads} thread(s), {DEVICE.type}: images/s {said}; "
            f"ratio {ratio:.1f} (95 % bootstrap interval over {TURNS} turns: {low:.1f} to"
            f" {high:.1f})"
        )
    assert all(len(times) == TURNS + 1 for times in taken.values())
