"""Pairs: our loader of training pictures against timm's, at the published recipe."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import ImageDataset as TimmDataset
from timm.data import create_loader
from torch import Tensor

from benchmarks.timing import Pair, Runner
from video_uniformer.clip import ImageSpec
from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.image.batches import network_input
from video_uniformer.data.image.dataset import ImageDataset
from video_uniformer.data.image.train_transforms import train_transform
from video_uniformer.demo.motions import find_photos
from video_uniformer.training.datamodule import DataModule

HEIGHT, WIDTH, SIZE = 375, 500, 224  # of ImageNet's pictures most often, and of the input
PER_PHOTO, BATCH_SIZE = 64, 32
NOISE = 4.0  # standard deviation, grey levels: photographs scaled down are too smooth
PROMISED = 1.5
RECIPE = {
    "is_training": True,
    "auto_augment": "rand-m9-mstd0.5-inc1",
    "interpolation": "bicubic",
    "re_prob": 0.25,
    "re_mode": "pixel",
    "color_jitter": 0.4,
}


def picture_pairs(folder: Path) -> list[Pair]:
    """Write the pictures, and pair our loader with both of timm's.

    Args:
        folder: Where the pictures go.

    Raises:
        ModuleNotFoundError: The photographs are not installed.
    """
    num_pictures = write_pictures(folder / "class")
    torch.set_num_threads(1)
    _let_timm_posterise()
    spec = ImageSpec(SIZE)
    transform = train_transform(spec)
    ours = ImageDataset(_read_annotations, root=folder, transform=transform)
    contender = _runner("ours", _Inputs(ours, spec, folder))
    return [
        Pair(
            "training pictures",
            contender,
            _runner(name, _timm_loader(folder, prefetches=prefetches)),
            num_pictures,
            PROMISED,
        )
        for name, prefetches in (("timm", False), ("timm, prefetcher", True))
    ]


def _read_annotations(*, root: Path, class_names: object) -> Annotations:
    return Annotations([Sample(path, 0) for path in sorted(root.rglob("*.jpg"))], ["class"])


def write_pictures(folder: Path) -> int:
    """Write JPEGs of quality 90 to 95 cut out of photographs; every fourth is 4:4:4.

    Args:
        folder: A new one.

    Returns:
        How many there are.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    photos = [path for split in ("train", "val") for path in find_photos(split)]
    for number in range(len(photos) * PER_PHOTO):
        with Image.open(photos[number // PER_PHOTO]) as photo:
            image = photo.convert("RGB")
        height, width = (HEIGHT, WIDTH) if number % 2 else (WIDTH, HEIGHT)
        scale = max(width / image.width, height / image.height) * random.uniform(1.01, 1.5)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        left = int(random.integers(image.width - width + 1))
        top = int(random.integers(image.height - height + 1))
        pixels = np.asarray(image.crop((left, top, left + width, top + height)))
        noisy = pixels + NOISE * random.standard_normal((height, width, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:04d}.jpg",
            quality=int(random.integers(90, 96)),
            subsampling=0 if number % 4 == 3 else 2,
        )
    return len(photos) * PER_PHOTO


def _let_timm_posterise() -> None:
    """Let no bits be black, as in older versions of Pillow; newer ones would end timm's loader."""
    posterize = ImageOps.posterize
    ImageOps.posterize = lambda image, bits: (
        posterize(image, bits) if bits else Image.new(image.mode, image.size)
    )


class _Inputs:
    """Our loader as it trains, up to what the network gets; its worker ends with every round."""

    def __init__(self, dataset: ImageDataset, spec: ImageSpec, root: Path) -> None:
        self.data = DataModule(
            root=root,
            datasets={"train": lambda **_: dataset},
            batch_size=BATCH_SIZE,
            num_workers=1,
            decoder=None,
        )
        self.spec = spec

    def __iter__(self) -> Iterator[Tensor]:
        return (network_input(batch, self.spec) for batch in self.data.train_dataloader())


def _timm_loader(folder: Path, *, prefetches: bool) -> Iterable[object]:
    return create_loader(
        TimmDataset(str(folder)),
        SIZE,
        BATCH_SIZE,
        num_workers=1,
        use_prefetcher=prefetches,
        persistent_workers=False,
        device=torch.device("cpu"),
        **RECIPE,
    )


def _runner(name: str, loader: Iterable[object]) -> Runner:
    def run() -> None:
        for _ in loader:
            pass

    return Runner(name, run, cpu_clock=_seconds_with_workers)


def _seconds_with_workers() -> float:
    """CPU seconds of this process and those that it has waited for."""
    return sum(os.times()[:4])
