"""The arguments of ``torchfeed bench``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torchfeed.util.cores import usable_cores

from .operators import OPERATORS
from .peers import CHOICES, PEERS
from .recipes import RECIPES, recipe_task
from .tasks import TASKS, Task, load_transform

__all__ = ["EXTRAS", "Options", "parse"]

EXTRAS = (*OPERATORS, "stages")

EPILOG = """
tasks:
  train     RandomResizedCrop(224), flip, ToTensor, Normalize
  val       Resize(256), CenterCrop(224), ToTensor, Normalize
  large     train, on copies of 28 of the images, enlarged to 12 megapixels
  png       train, on copies of the images as PNG
  cifar     10,240 made images of 32 x 32 pixels, in memory
  collate   default_collate of 128 float32 images, beside a copy in memory
  one-hot   4096 rows of 1000 classes, beside scatter_ into a reused tensor
  stages    how long reading, decoding, transforming and batching take, on one core

recipes (--recipe): the transforms of public training code, beside torchvision's own loader
{recipes}

Each loader runs in processes of its own, pinned to the cores, where it makes the same epoch: the same files, shuffled,
with labels, as normalized float32 (N, C, H, W). torchfeed's batches are first compared with torchvision's, bit by bit.
"""


@dataclass(frozen=True)
class Options:
    """The settings of one run; `parse` fills them from the command line."""

    folder: Path
    tasks: tuple[Task, ...]
    extras: tuple[str, ...]
    peers: tuple[str, ...]
    cores: tuple[int, ...]
    batch_size: int
    workers: int | None
    rounds: int
    images: int
    json: Path | None
    markdown: Path | None
    plots: Path | None


def parse(argv: Sequence[str] | None = None) -> Options:
    """Reads the command line.

    Args:
        argv: the arguments; those of the process when omitted.

    Raises:
        SystemExit: 2, after a message, where they are wrong.
    """
    parser = argparse.ArgumentParser(
        "torchfeed bench",
        description="Times torchfeed's loader beside others on a folder of your own images.",
        epilog=EPILOG.replace("{recipes}", "\n".join(f"  {name:<15} {each.title}" for name, each in RECIPES.items())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what").add_argument
    add("folder", type=Path, metavar="DIR", help="an ImageFolder: DIR/class/image.jpg")
    names = [*TASKS, *EXTRAS]
    add("--task", metavar="LIST", help=f"some of {','.join(names)}, or all (default: train,val)")
    add("--transform", metavar="WHERE", help="your own, module:attribute or file.py:attribute, in the place of --task")
    add("--recipe", metavar="LIST", help="some of the recipes below, or all, in the place of --task")
    add("--peers", metavar="LIST", help=f"some of {','.join(CHOICES)} (default: those that are installed)")
    add("--images", type=_count, default=512, metavar="N", help="so many of the images; 0: all (default: 512)")
    add = parser.add_argument_group("how").add_argument
    add("--cores", default="1,all", metavar="LIST", help="numbers of cores, or all (default: 1,all)")
    add("--workers", type=_count, metavar="N", help="num_workers (default: as many as cores; 0 on one core)")
    add("--batch-size", type=_positive, default=64, metavar="N", help="images in a batch (default: 64)")
    add(
        "--rounds", type=_positive, default=5, metavar="N", help="epochs of each loader, by turns; medians (default: 5)"
    )
    add = parser.add_argument_group("results").add_argument
    add("--json", type=Path, metavar="FILE", help="everything that was measured, the machine and the versions")
    add("--markdown", type=Path, metavar="FILE", help="the tables")
    add("--plots", type=Path, metavar="DIR", help="SVG files, if matplotlib is installed")
    args = parser.parse_args(argv)

    if not args.folder.is_dir():
        parser.error(f"{args.folder} is no folder")
    if not any(entry.is_dir() for entry in args.folder.iterdir()):
        parser.error(f"{args.folder} has no class folders in it: an ImageFolder is DIR/class/image.jpg")
    tasks: tuple[Task, ...]
    extras: tuple[str, ...]
    if sum(1 for given in (args.task, args.transform, args.recipe) if given) > 1:
        parser.error("--transform and --recipe are tasks of their own: leave --task out, and one of the two")
    if args.recipe:
        chosen = RECIPES if args.recipe == "all" else _list(parser, "--recipe", args.recipe, [*RECIPES])
        tasks, extras = tuple(map(recipe_task, chosen)), ()
    elif args.transform:
        try:
            load_transform(args.transform)
        except ValueError as error:
            parser.error(str(error))
        tasks = (Task("own", f"{args.folder.name}: {args.transform}", args.transform, first=True),)
        extras = ()
    else:
        chosen = names if args.task == "all" else _list(parser, "--task", args.task or "train,val", names)
        tasks = tuple(TASKS[name] for name in chosen if name in TASKS)
        extras = tuple(name for name in chosen if name in EXTRAS)
    usable = usable_cores()
    numbers = [str(number) for number in range(1, usable + 1)]
    cores = [usable if text == "all" else int(text) for text in _list(parser, "--cores", args.cores, [*numbers, "all"])]
    # The others have no classes for the transforms of recipes.
    every = ["torchvision"] if args.recipe else list(CHOICES)
    peers = _list(parser, "--peers", args.peers, CHOICES) if args.peers else every
    return Options(
        folder=args.folder,
        tasks=tasks,
        extras=extras,
        peers=tuple(name for name in PEERS if name in peers),
        cores=tuple(dict.fromkeys(cores)),
        batch_size=args.batch_size,
        workers=args.workers,
        rounds=args.rounds,
        images=args.images,
        json=args.json,
        markdown=args.markdown,
        plots=args.plots,
    )


def _list(parser: argparse.ArgumentParser, option: str, text: str, known: Sequence[str]) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part not in known:
            parser.error(f"{option}: {part!r} is none of {', '.join(known)}")
    if not parts:
        parser.error(f"{option} names nothing")
    return parts


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _positive(text: str) -> int:
    value = _count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
