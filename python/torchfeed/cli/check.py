"""``torchfeed check DIR``: finds the images of a folder that cannot be decoded."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from torchfeed.datasets import ImageList
from torchfeed.datasets.folder import IMG_EXTENSIONS
from torchfeed.util.cores import usable_cores

__all__ = ["BadImage", "check", "find", "main"]

_BAR = 30
"""Characters of the progress bar."""

_CHUNK = 8
"""Images that a thread takes at once: a million tasks of one each would take as long as some of them, and memory."""

_INTERVAL = 0.1
"""Seconds between two looks of it."""


class BadImage(NamedTuple):
    """An image file that cannot be decoded."""

    path: str
    format: str | None
    """What Pillow takes it for, by its first bytes; `None` where that is no image."""
    reason: str


def find(folder: str | os.PathLike[str]) -> list[str]:
    """Lists the image files in a folder and in all below, sorted: those with an extension that `ImageFolder` knows.

    Raises:
        OSError: a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    found = [
        os.path.join(place, name)  # noqa: PTH118  (of a million files)
        for place, _, names in os.walk(folder, onerror=fail, followlinks=True)
        for name in names
        if name.lower().endswith(IMG_EXTENSIONS)
    ]
    return sorted(found)


def check(paths: Sequence[str], workers: int, progress: Callable[[int, int], None] | None = None) -> list[BadImage]:
    """Decodes image files from beginning to end, by the decoders that a loader has, and tells which are bad.

    Args:
        paths: the files.
        workers: the number of threads.
        progress: called after each image with how many were decoded, and how many of them were bad.

    Returns:
        The bad ones, in the order of `paths`.
    """
    dataset = ImageList(paths)

    def reason(number: int) -> str | None:
        try:
            dataset.image(number)
        except Exception as error:  # noqa: BLE001  (whatever it is, it would come up in training)
            return f"{type(error).__name__}: {error}"
        return None

    bad: list[BadImage] = []
    with ThreadPool(workers) as pool:
        for number, why in enumerate(pool.imap(reason, range(len(paths)), _CHUNK)):
            if why is not None:
                bad.append(BadImage(paths[number], _format(paths[number]), why))
            if progress is not None:
                progress(number + 1, len(bad))
    return bad


def _format(path: str) -> str | None:
    try:
        with Image.open(path) as image:
            return image.format
    except Exception:  # noqa: BLE001  (that it is bad is known)
        return None


@contextmanager
def _bar(total: int) -> Generator[Callable[[int, int], None] | None]:
    """Shows progress, if there is a terminal to show it on."""
    if not sys.stderr.isatty():
        yield None
        return
    start = shown = time.monotonic()

    def show(done: int, bad: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < _INTERVAL and done < total:
            return
        shown = now
        filled = _BAR * done // total
        rate = done / max(now - start, 1e-9)
        bar = f"{'#' * filled}{'.' * (_BAR - filled)}"
        sys.stderr.write(f"\r[{bar}] {done} of {total}, {bad} bad, {rate:.0f} images/s ")
        sys.stderr.flush()

    yield show
    sys.stderr.write("\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "torchfeed check",
        description="Decodes all images in a folder and in those below, and lists the bad ones: path, format, reason.",
        epilog="The exit status is 1 where anything is bad. on_error= of DataLoader says what training does about it.",
    )
    parser.add_argument("folder", type=Path, help="of images, in folders of classes or any others")
    parser.add_argument("--workers", type=int, default=None, help="threads; one for each core when left out")
    parser.add_argument("--json", action="store_true", help="write JSON instead of text")
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is no folder")
    if args.workers is not None and args.workers < 1:
        parser.error(f"--workers must be at least 1, got {args.workers}")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process when omitted.

    Returns:
        The exit status: 1 where an image is bad, or there is none.
    """
    args = _parse(argv)
    paths = find(args.folder)
    bad: list[BadImage] = []
    if paths:
        with _bar(len(paths)) as progress:
            bad = check(paths, args.workers or usable_cores(), progress)
    if args.json:
        rows = [row._asdict() for row in bad]
        result: dict[str, Any] = {"folder": str(args.folder), "images": len(paths), "bad": rows}
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
    else:
        for row in bad:
            sys.stdout.write(f"{row.path}  {row.format or 'no image'}  {' '.join(row.reason.split())}\n")
        sys.stdout.write(f"{len(bad)} of {len(paths)} images in {args.folder} are bad\n")
    return int(bool(bad) or not paths)
