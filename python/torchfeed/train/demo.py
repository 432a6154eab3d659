"""``python -m torchfeed.train.demo``: train on drawn pictures, then time the same epoch with torchvision.

Both sides get the same files, transforms, number of workers, weights and order. The files are in the page cache and
the workers are running before the clock starts. "Waiting" is the share of an epoch in which the loop had no batch.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from .drawings import write_dataset
from .meter import Epoch, Meter
from .options import Options
from .run import Run, fit

__all__ = ["Side", "compare", "main", "table"]

ROUNDS = 2  # of loading alone, after one to warm up; the better one counts


@dataclass(frozen=True)
class Side:
    """What one library did: a training epoch, and the images/s of its loader alone."""

    epoch: Epoch
    loading: float


def compare(options: Options, loaders: Sequence[str] = ("torchfeed", "torch")) -> dict[str, Side]:
    """Times the first epoch with each loader, from the same weights and in the same order.

    Args:
        options: the run's settings; `loader` is ignored.
        loaders: names of the loaders.

    Returns:
        For each loader, what was measured.
    """
    runs = {name: Run(replace(options, loader=name, persistent_workers=True)) for name in loaders}
    loading = dict.fromkeys(loaders, 0.0)
    for round_ in range(1 + ROUNDS):
        for name, run in runs.items():
            meter = Meter(run.device, f"loading alone, {name}")
            for _ in meter.watch(run.feed):
                pass
            if round_ > 0:
                loading[name] = max(loading[name], meter.result().images_per_second)
    return {name: Side(run.train_epoch(), loading[name]) for name, run in runs.items()}


def table(sides: dict[str, Side]) -> str:
    """Sets the measurements side by side.

    Args:
        sides: what `compare` gave.

    Returns:
        One line per figure, with the ratio of the first to the last column where it says something.
    """
    first, *_, last = sides.values() if len(sides) > 1 else [*sides.values()] * 2
    rows = [
        ("", ["torchvision" if name == "torch" else name for name in sides], ""),
        (
            "training, images/s",
            [f"{side.epoch.images_per_second:,.0f}" for side in sides.values()],
            f"{first.epoch.images_per_second / last.epoch.images_per_second:.2f} x",
        ),
        ("  seconds per epoch", [f"{side.epoch.seconds:.2f}" for side in sides.values()], ""),
        ("  waiting for data", [f"{side.epoch.waiting:.1%}" for side in sides.values()], ""),
        ("  loss", [f"{side.epoch.loss:.4f}" for side in sides.values()], ""),
        ("  accuracy", [f"{side.epoch.accuracy:.2%}" for side in sides.values()], ""),
        (
            "loading alone, images/s",
            [f"{side.loading:,.0f}" for side in sides.values()],
            f"{first.loading / last.loading:.2f} x",
        ),
    ]
    return "\n".join(
        (f"{title:<26}" + "".join(f"{cell:>12}" for cell in cells) + f"{ratio:>10}").rstrip()
        for title, cells, ratio in rows
    )


def main(argv: Sequence[str] | None = None, loaders: Sequence[str] = ("torchfeed", "torch")) -> dict[str, Side]:
    """Runs the demo.

    Args:
        argv: the arguments; those of the process when omitted.
        loaders: the first one trains, then all are compared.

    Returns:
        What `compare` measured.
    """
    parser = argparse.ArgumentParser(
        "python -m torchfeed.train.demo", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="an ImageFolder or a CIFAR-10 folder; drawn when omitted")
    add("--cache", type=Path, default=Path("demo-data"), metavar="DIR", help="keeps the drawn dataset (150 MB)")
    add("--images", type=int, nargs=2, default=(4000, 1000), metavar="N", help="drawn to train, and to validate")
    add("--epochs", type=int, default=3, metavar="N", help="before the comparison")
    add("--batch-size", type=int, default=32, metavar="N", help="images per step")
    add("--workers", type=int, default=min(8, os.cpu_count() or 1), metavar="N", help="the same for both loaders")
    add("--device", default="auto", help="auto, cpu, cuda, ...")
    args = parser.parse_args(argv)

    data = args.data or write_dataset(args.cache, *args.images)
    options = Options(
        data=data,
        loader=loaders[0],
        epochs=args.epochs,
        batch_size=args.batch_size,
        lr=0.1,
        workers=args.workers,
        device=args.device,
    )
    print(f"training the small CNN on {data} with {loaders[0]}, {args.workers} workers", flush=True)
    fit(options)
    if "torch" in loaders and find_spec("torchvision") is None:
        print("torchvision is not installed: nothing to compare with (pip install torchvision)")
        return {}
    print("\nthe first epoch again, the same for both", flush=True)
    sides = compare(options, loaders)
    print(table(sides))
    return sides


if __name__ == "__main__":
    main()
