"""Counts differing values over a folder of photos: `python tools/replay_folder.py DIR`, `make replay DATA=DIR`.

Each pipeline runs natively for some epochs, with threads. What was drawn for a sample goes through torchvision, Pillow
and timm, and the values are compared as bytes. The pipelines are the recipes of `torchfeed bench`, each random class by
itself, and all policies of automatic augmentation. A line for each tells the samples, the values and how many of these
differ; ``refused`` are samples that Pillow would posterize to 0 bits, which it refuses. Exit status 1 says that values
differ, that samples are missing, or that a pipeline is not native.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets
from torchvision import transforms as their_transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import v2 as their_v2

from torchfeed import DataLoader
from torchfeed.bench.check import leaves, pil_image
from torchfeed.bench.peers import installed
from torchfeed.bench.recipes import RECIPES
from torchfeed.bench.tasks import MEAN_STD
from torchfeed.epoch.internals import internals
from torchfeed.plan.resolve import Native, resolve
from torchfeed.replay import replayed
from torchfeed.transforms import RandomGaussianBlur

v1: Any = their_transforms
v2: Any = their_v2  # its names are not exported as a type checker has it

if installed("timm"):
    from timm.data import create_transform

BATCH, WORKERS, EPOCHS, SIZE = 32, 2, 2, 160
KEPT = 512
"""Decoded photos that are kept for the next pipeline."""
REFUSED = "posterize"
"""What the installed Pillow may refuse: to posterize to 0 bits."""

TIMM_STRINGS = (
    *("rand-m8-inc1", "rand-m9-mstd0.5-inc1", "rand-m9-n3-mstd101", "rand-n3-t3aw-inc1", "original", "originalr"),
    *("v0", "v0r", "3a"),
)
INTERPOLATIONS = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


def _steps(m: Any) -> dict[str, Any]:
    """Each random class of images in a module of torchvision, by name."""
    steps = {
        "ColorJitter": m.ColorJitter(0.6, (0.2, 3), (0, 5), 0.5),
        "RandomGrayscale": m.RandomGrayscale(0.5),
        "RandomInvert": m.RandomInvert(),
        "RandomPosterize": m.RandomPosterize(3),
        "RandomSolarize": m.RandomSolarize(100.5),
        "RandomAutocontrast": m.RandomAutocontrast(),
        "RandomEqualize": m.RandomEqualize(),
        "RandomAdjustSharpness": m.RandomAdjustSharpness(2.5),
        "GaussianBlur": m.GaussianBlur((9, 23), (0.1, 4.0)),
        "RandomCrop": m.RandomCrop(150, padding=9, pad_if_needed=True, fill=(1, 2, 3)),
        "RandomHorizontalFlip": m.RandomHorizontalFlip(),
        "RandomVerticalFlip": m.RandomVerticalFlip(),
        "RandomApply": m.RandomApply([m.ColorJitter(hue=0.2), m.RandomRotation(20)]),
        "RandomChoice": m.RandomChoice([m.RandomInvert(1), m.RandomEqualize(1), m.RandomSolarize(9, 1)]),
        "RandomOrder": m.RandomOrder([m.RandomPosterize(4), m.RandomAutocontrast(), m.RandomRotation(7)]),
        "TrivialAugmentWide": m.TrivialAugmentWide(),
        "TrivialAugmentWide, bilinear": m.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR, fill=9),
        "RandAugment": m.RandAugment(),
        "RandAugment, 4 of 20": m.RandAugment(4, 20, interpolation=InterpolationMode.BICUBIC, fill=[200, 9, 77]),
    }
    for policy in v1.AutoAugmentPolicy:
        steps[f"AutoAugment, {policy.value}"] = m.AutoAugment(policy)
    for mode in INTERPOLATIONS:
        affine = m.RandomAffine(30, (0.2, 0.1), (0.5, 1.5), (-9, 9, -5, 20), interpolation=mode)
        steps |= {
            f"RandomResizedCrop, {mode.value}": m.RandomResizedCrop(99, interpolation=mode),
            f"RandomRotation, {mode.value}": m.RandomRotation(180, mode, fill=90),
            f"RandomAffine, {mode.value}": affine,
            f"RandomPerspective, {mode.value}": m.RandomPerspective(interpolation=mode, p=0.9),
        }
    return steps


def _of_v2() -> dict[str, Any]:
    """Each random class of images that v2 alone has, and conversions."""
    return {
        "Grayscale": v2.Grayscale(),
        "Grayscale, RGB": v2.Compose([v2.Grayscale(3), v2.RGB()]),
        "RandomChannelPermutation": v2.RandomChannelPermutation(),
        "RandomPhotometricDistort": v2.RandomPhotometricDistort(p=0.8),
        "RandomResize": v2.Compose([v2.RandomResize(40, 200), v2.CenterCrop(150)]),
        "RandomShortestSize": v2.Compose([v2.RandomShortestSize([90, 120, 200], max_size=210), v2.CenterCrop(150)]),
        "ScaleJitter": v2.Compose([v2.ScaleJitter((120, 170), (0.3, 1.5)), v2.CenterCrop(150)]),
        "RandomZoomOut": v2.Compose([v2.RandomZoomOut(fill=(9, 80, 200)), v2.Resize((SIZE, SIZE))]),
    }


def _erasings(m: Any) -> dict[str, Any]:
    return {
        "RandomErasing": m.RandomErasing(),
        "RandomErasing, colour": m.RandomErasing(value=[0.5, -2, 3e9]),
        "RandomErasing, random": m.RandomErasing(value="random"),
    }


def pipelines() -> Iterator[tuple[str, Any]]:
    """Yields the pipelines, each with its name."""
    for name, recipe in RECIPES.items():
        if recipe.data == "given" and installed(recipe.needs):
            yield f"recipe {name}", recipe.ours()
    values = [v1.ToTensor(), v1.Normalize(*MEAN_STD)]
    for kind, m in (("v1", v1), ("v2", v2)):
        crop = m.RandomResizedCrop(SIZE)
        for name, step in _steps(m).items():
            yield f"{kind} {name}", m.Compose([crop, step, m.PILToTensor()])
        for name, step in _erasings(m).items():
            yield f"{kind} {name}", m.Compose([crop, *values, step])
    for name, step in _of_v2().items():
        yield f"v2 {name}", v2.Compose([v2.RandomResizedCrop(SIZE), step, v2.PILToTensor()])
    blur = RandomGaussianBlur((0.1, 12.0))
    yield "torchfeed RandomGaussianBlur", v1.Compose([v1.RandomResizedCrop(SIZE), blur, v1.PILToTensor()])
    if installed("timm"):
        for string in TIMM_STRINGS:
            given: dict[str, Any] = {"interpolation": "random", "re_prob": 0.3, "re_mode": "pixel"}
            yield f"timm {string}", create_transform(SIZE, is_training=True, auto_augment=string, **given)
        for mode in ("const", "rand"):
            given = {"re_prob": 0.7, "re_mode": mode, "re_count": 3, "grayscale_prob": 0.2, "vflip": 0.3}
            yield f"timm, erasing, {mode}", create_transform(SIZE, is_training=True, **given)


@dataclass
class Count:
    """What was compared.

    Attributes:
        samples: how many samples.
        values: how many values.
        differing: of which so many differ.
        refused: samples of which Pillow makes nothing.
        why: what keeps the pipeline from being native, or samples from being made.
    """

    samples: int = 0
    values: int = 0
    differing: int = 0
    refused: int = 0
    why: str = ""


def differing(made: torch.Tensor, expected: torch.Tensor) -> int:
    """Counts the values that are not equal as bytes: NaN is NaN, and 0 is not -0."""
    if (made.dtype, made.shape) != (expected.dtype, expected.shape):
        return made.numel()
    rows = [each.contiguous().reshape(-1, 1).view(torch.uint8) for each in (made, expected)]
    return int((rows[0] != rows[1]).any(1).sum())


class Photos:
    """A folder whose labels are the indices of its photos.

    Args:
        folder: an ImageFolder.
        images: how many at most; 0 for all.
    """

    def __init__(self, folder: Path, images: int = 0) -> None:
        self.samples = [(path, index) for index, (path, _) in enumerate(datasets.ImageFolder(folder).samples)]
        self.samples = self.samples[: images or None]
        self._folder = folder
        self.image = lru_cache(KEPT)(lambda index: pil_image(self.dataset(None), index))

    def dataset(self, transform: Any) -> Any:
        """torchvision's dataset of them."""
        made = datasets.ImageFolder(self._folder, transform)
        made.samples = made.imgs = self.samples
        made.targets = [index for _, index in self.samples]
        return made


def compare(photos: Photos, transform: Any, epochs: int = EPOCHS, workers: int = WORKERS) -> Count:
    """Runs a pipeline natively, and counts what differs from torchvision.

    Args:
        photos: the samples.
        transform: the pipeline; the tensors that it makes have one size.
        epochs: how many, each with other draws.
        workers: threads.
    """
    count = Count()
    torch.manual_seed(0)
    # What is refused is left out, and all that is wrong with a sample is listed.
    loader = DataLoader(
        photos.dataset(transform), BATCH, shuffle=True, num_workers=workers, on_error="skip", max_errors=None
    )
    way = resolve(loader.dataset, internals(loader).settings(loader))
    if not isinstance(way, Native):
        return Count(why=f"not native: {way.why if hasattr(way, 'why') else way}")
    plan = way.tree.leaves[0].plan
    for _ in range(epochs):
        for images, labels in _quietly(loader):
            for place, index in enumerate(labels.tolist()):
                expected = leaves(replayed(photos.image(index), transform, loader.drawn(index), plan))
                count.samples += 1
                for view, wanted in zip(leaves(images), expected, strict=True):
                    count.values += wanted.numel()
                    count.differing += differing(view[place], wanted)
    for bad in loader.errors:
        if REFUSED in bad.reason:
            count.refused += bad.count
        else:
            count.why = bad.reason
    wanted_samples = epochs * len(photos.samples)
    if not count.why and count.samples + count.refused != wanted_samples:
        count.why = f"{wanted_samples - count.samples - count.refused} samples are missing"
    return count


def _quietly(batches: Iterable[Any]) -> Iterator[Any]:
    """Yields batches without a warning of what is left out: it is counted."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "epoch .* is bad and was left out", UserWarning)
        yield from batches


def replay(photos: Photos, chosen: Iterable[tuple[str, Any]], epochs: int = EPOCHS, workers: int = WORKERS) -> int:
    """Compares pipelines, and prints a line for each, and their sums.

    Returns:
        The exit status.
    """
    total = Count()
    print("| pipeline | samples | values | differing | refused | |\n| --- | ---: | ---: | ---: | ---: | --- |")
    for name, transform in chosen:
        count = compare(photos, transform, epochs, workers)
        print(_row(name, count), flush=True)
        total.samples += count.samples
        total.values += count.values
        total.differing += count.differing
        total.refused += count.refused
        total.why = total.why or (f"{name}: {count.why}" if count.why else "")
    print(_row("all", total))
    return int(total.differing > 0 or bool(total.why) or total.samples == 0)


def _row(name: str, count: Count) -> str:
    numbers = (count.samples, count.values, count.differing, count.refused)
    return f"| {name} | {' | '.join(f'{number:,}' for number in numbers)} | {count.why.replace('|', '/')} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="an ImageFolder of photos")
    parser.add_argument("--images", type=int, default=0, metavar="N", help="so many of them; 0: all (the default)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N", help=f"of each pipeline (default: {EPOCHS})")
    parser.add_argument("--workers", type=int, default=WORKERS, metavar="N", help=f"threads (default: {WORKERS})")
    parser.add_argument("--only", default="", metavar="TEXT", help="the pipelines whose names have this in them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [each for each in pipelines() if args.only in each[0]]
    if not chosen:
        parser.error(f"--only: no pipeline has {args.only!r} in its name")
    return replay(Photos(args.folder, args.images), chosen, args.epochs, args.workers)


if __name__ == "__main__":
    sys.exit(main())
