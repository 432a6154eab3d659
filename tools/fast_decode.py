"""What `decode="fast"` costs and gains: pixels, time, and what a network makes of it. `--help` says how.

The figures of docs/fast.md are what this prints.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Subset
from torchvision import datasets
from torchvision import transforms as T

import torchfeed
from torchfeed.train.model import cnn

MODES = ("exact", "fast")
GEOMETRY = {
    "train, RandomResizedCrop(224)": [T.RandomResizedCrop(224), T.RandomHorizontalFlip()],
    "val, Resize(256), CenterCrop(224)": [T.Resize(256), T.CenterCrop(224)],
    "train, RandomResizedCrop(32)": [T.RandomResizedCrop(32), T.RandomHorizontalFlip()],
}
VALUES = [T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]


def enlarge(source: Path, to: Path, count: int, sigma: float) -> Path:
    """Makes photos of 12 megapixels of some of the files below `source`: enlarged, with the noise of a camera."""
    files = sorted(path for path in source.glob("*/*") if path.is_file())
    rng = np.random.default_rng(0)
    for number, path in enumerate(files[:: max(1, len(files) // count)][:count]):
        with Image.open(path) as image:
            large = image.convert("RGB").resize((4000, 3000), Image.Resampling.LANCZOS)
        noisy = np.asarray(large) + rng.normal(0, sigma, (3000, 4000, 3)).astype(np.float32)
        (to / f"class{number % 2}").mkdir(exist_ok=True)
        Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(
            to / f"class{number % 2}" / f"{number:03d}.jpg", quality=90
        )
    return to


def loader(
    root: Path, steps: list[Any], decode: Any, count: int | None = None, **settings: Any
) -> torchfeed.DataLoader[Any]:
    dataset: Any = datasets.ImageFolder(root, T.Compose(steps))
    if count is not None:
        dataset = Subset(dataset, range(0, len(dataset), max(1, len(dataset) // count))[:count])
    return torchfeed.DataLoader(dataset, decode=decode, native="require", **settings)


def batches(root: Path, steps: list[Any], decode: str, **settings: Any) -> Iterator[Any]:
    torch.manual_seed(0)
    yield from loader(root, steps, decode, **settings)


def fraction(file: str, drawn: list[Any]) -> int:
    """The denominator, by the rule."""
    call = drawn[0][1]
    with Image.open(file) as image:
        width, height = (call.get("width", image.width), call.get("height", image.height))
    shrunk = min(height // call["size"][0], width // call["size"][1])
    return max((s for s in (1, 2, 4, 8) if s <= shrunk), default=1)


def pixels(root: Path, steps: list[Any]) -> str:
    """The difference between the modes, over the samples that are decoded at a fraction."""
    counts: Counter[int] = Counter()
    means, worst, psnr = [], 0, []
    replay = loader(root, [*steps, T.PILToTensor()], "exact")
    torch.manual_seed(0)
    iter(replay)
    files = [file for file, _ in replay.dataset.samples]  # type: ignore[attr-defined]
    for index, ((exact, _), (fast, _)) in enumerate(
        zip(*(batches(root, [*steps, T.PILToTensor()], mode) for mode in MODES), strict=True)
    ):
        denominator = fraction(files[index], replay.drawn(index))
        counts[denominator] += 1
        difference = (exact.to(torch.float64) - fast.to(torch.float64)).abs()
        if denominator == 1:
            assert not difference.any(), files[index]
            continue
        means.append(difference.mean().item())
        worst = max(worst, int(difference.max().item()))
        psnr.append(10 * np.log10(255**2 / max(difference.square().mean().item(), 1e-9)))
    shares = " / ".join(f"{100 * counts[s] / counts.total():.0f}" for s in (1, 2, 4, 8))
    if not means:
        return f"{shares} | | | |"
    return f"{shares} | {np.mean(means):.2f} | {worst} | {np.mean(psnr):.1f} dB | {min(psnr):.1f} dB |"


def seconds(root: Path, steps: list[Any], rounds: int) -> str:
    """Images per second of one core: torchvision, exact, fast; the three take turns."""
    steps = [*steps, *VALUES]
    dataset = datasets.ImageFolder(root, T.Compose(steps))
    loaders: dict[str, Any] = {"torchvision": TorchDataLoader(dataset, 8)}
    loaders |= {mode: loader(root, steps, mode, batch_size=8) for mode in MODES}
    total = dict.fromkeys(loaders, 0.0)
    for turn, name in itertools.product(range(rounds + 1), loaders):
        torch.manual_seed(turn)
        start = time.process_time()
        for _ in loaders[name]:
            pass
        total[name] += time.process_time() - start if turn else 0  # the first warms up
    rates = {name: len(dataset) * rounds / total[name] for name in loaders}
    exact, fast = (rates[mode] / rates["torchvision"] for mode in MODES)
    return f"{rates['torchvision']:.0f} | {rates['exact']:.0f} ({exact:.1f} x) | {rates['fast']:.0f} ({fast:.1f} x) |"


def probe(root: Path, epochs: int, seeds: int, photos: int) -> dict[tuple[str, str], list[float]]:
    """Accuracies of the reference network that tells photos apart: trained in one mode, measured in either.

    Each photo is a class: it is trained on random crops, and measured on the middle.
    """
    accuracies: dict[tuple[str, str], list[float]] = {(a, b): [] for a in MODES for b in MODES}
    crop = [T.RandomResizedCrop(32, scale=(0.35, 1.0)), T.RandomHorizontalFlip(), *VALUES]
    middle = [T.Resize(36), T.CenterCrop(32), *VALUES]

    def own_class(batch: Any, first: int) -> Any:
        return batch[0], torch.arange(first, first + len(batch[0]))

    for mode, seed in itertools.product(MODES, range(seeds)):
        train = loader(root, crop, mode, photos, batch_size=50, num_workers=1)
        torch.manual_seed(seed)
        model = cnn(len(train.dataset))  # type: ignore[arg-type]
        steps = epochs * len(train)
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        for _ in range(epochs):
            for number, batch in enumerate(train):
                images, targets = own_class(batch, number * 50)
                loss = torch.nn.functional.cross_entropy(model(images), targets)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        model.eval()
        for other in MODES:
            right = 0
            with torch.no_grad():
                for number, batch in enumerate(loader(root, middle, other, photos, batch_size=50)):
                    images, targets = own_class(batch, number * 50)
                    right += int((model(images).argmax(1) == targets).sum())
            accuracies[mode, other].append(right / len(train.dataset))  # type: ignore[arg-type]
    return accuracies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="an ImageFolder of photos")
    parser.add_argument("--large", type=int, default=24, metavar="N", help="enlarge so many to 12 megapixels; 0: none")
    parser.add_argument("--noise", type=float, default=3.0, metavar="SIGMA", help="levels of noise in these")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="epochs that are timed; 0: none")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="train the reference network in both modes")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="as often")
    parser.add_argument("--photos", type=int, default=100, metavar="N", help="with so many photos, each a class")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        roots = {"as they are": options.data}
        if options.large:
            roots["12 megapixels"] = enlarge(options.data, Path(folder), options.large, options.noise)
            bytes_each = np.mean([path.stat().st_size for path in Path(folder).glob("*/*")])
            print(f"12 megapixels: {options.large} files, {bytes_each / 1e6:.1f} MB each\n")
        print("| photos | pipeline | full / half / quarter / eighth, % | mean | largest | PSNR | lowest PSNR |")
        print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
        for (name, root), (pipeline, steps) in itertools.product(roots.items(), GEOMETRY.items()):
            print(f"| {name} | {pipeline} | {pixels(root, steps)}")
        if options.rounds:
            print("\n| photos | pipeline | torchvision | exact | fast |\n| --- | --- | ---: | ---: | ---: |")
            for (name, root), (pipeline, steps) in itertools.product(roots.items(), GEOMETRY.items()):
                print(f"| {name} | {pipeline} | {seconds(root, steps, options.rounds)}", flush=True)
    if options.epochs:
        print("\n| trained | measured | accuracy of each seed |\n| --- | --- | --- |")
        for (trained, measured), found in probe(options.data, options.epochs, options.seeds, options.photos).items():
            print(f"| {trained} | {measured} | {', '.join(f'{accuracy:.1%}' for accuracy in found)} |")


if __name__ == "__main__":
    main()
