"""Scenes of a process's life, each in an interpreter of its own: `python native_programs.py NAME FOLDER WORKERS...`.

What they print and how they end is what test_lifecycle.py and test_interrupt.py look at.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from PIL import Image

from torchfeed import DataLoader, datasets
from torchfeed import transforms as T

warnings.simplefilter("error")
Image.MAX_IMAGE_PIXELS = 2 * 89_478_485  # Pillow warns of the largest images here


def loader(folder: str, workers: int) -> DataLoader[Any]:
    dataset = datasets.ImageFolder(folder, T.Compose([T.RandomResizedCrop(224), T.ToTensor()]))
    return DataLoader(dataset, batch_size=16, sampler=list(range(len(dataset))) * 100, num_workers=workers)


def press_ctrl_c() -> None:
    global pressed  # noqa: PLW0603
    pressed = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)


pressed = 0.0


def interrupt(folder: str, workers: int) -> None:
    """Ctrl-C in mid-epoch, twice; prints the seconds until the loop has ended, and then until the threads have."""
    for _ in range(2):
        interrupt_once(folder, workers)


def interrupt_once(folder: str, workers: int, loader: Callable[[str, int], DataLoader[Any]] = loader) -> None:
    threading.Timer(0.3, press_ctrl_c).start()
    iterator = iter(loader(folder, workers))
    try:
        for _ in iterator:
            pass
    except KeyboardInterrupt:
        caught = time.perf_counter() - pressed
        del iterator
        print("seconds", caught, time.perf_counter() - pressed)  # noqa: T201


def crops(folder: str, workers: int) -> DataLoader[Any]:
    dataset = datasets.ImageFolder(folder, T.Compose([T.CenterCrop(224), T.ToTensor()]))
    return DataLoader(dataset, sampler=list(range(len(dataset))) * 100, num_workers=workers)


def interrupt_crop(folder: str, workers: int) -> None:
    """As `interrupt`, where all of an image is decoded and little of it used."""
    for _ in range(2):
        interrupt_once(folder, workers, crops)


def interrupt_index(folder: str, _: int) -> None:
    """Ctrl-C while a sample is made by index, and while an image is decoded by index."""
    dataset = crops(folder, 0).dataset
    for make in (dataset.__getitem__, dataset.image):  # type: ignore[attr-defined]
        threading.Timer(0.2, press_ctrl_c).start()
        try:
            while True:
                make(0)
        except KeyboardInterrupt:
            print("seconds", time.perf_counter() - pressed)  # noqa: T201


def drop(folder: str, workers: int) -> None:
    """An iterator is dropped while its threads are at work."""
    iterator = iter(crops(folder, workers))
    time.sleep(0.2)
    before = time.perf_counter()
    del iterator
    print("seconds", time.perf_counter() - before)  # noqa: T201


def finish(folder: str, workers: int) -> None:
    """The script ends in mid-epoch, with the iterator alive in a global."""
    global kept  # noqa: PLW0603
    kept = iter(loader(folder, workers))
    next(kept)
    print("done")  # noqa: T201


kept: Any = None


def fail(folder: str, workers: int) -> None:
    """An exception in the training step ends the script."""
    for _ in loader(folder, workers):
        raise SystemExit(3)


def in_thread(folder: str, workers: int) -> None:
    """A daemon thread iterates while the interpreter ends."""
    threading.Thread(target=lambda: list(loader(folder, workers)), daemon=True).start()
    time.sleep(0.3)
    print("done")  # noqa: T201


if __name__ == "__main__":
    every = (interrupt, interrupt_crop, interrupt_index, drop, finish, fail, in_thread)
    scenes = {scene.__name__: scene for scene in every}
    for argument in sys.argv[3:]:
        scenes[sys.argv[1]](sys.argv[2], int(argument))
