"""Scenes of a process's life, each in an interpreter of its own: `python scenes.py NAME FOLDER WORKERS...`.

What they print and how they end is what test_lifecycle.py looks at.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

from torchfeed import DataLoader, datasets
from torchfeed import transforms as T

warnings.simplefilter("error")


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


def interrupt_once(folder: str, workers: int) -> None:
    threading.Timer(0.3, press_ctrl_c).start()
    iterator = iter(loader(folder, workers))
    try:
        for _ in iterator:
            pass
    except KeyboardInterrupt:
        caught = time.perf_counter() - pressed
        del iterator
        print("seconds", caught, time.perf_counter() - pressed)  # noqa: T201


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
    scenes = {"interrupt": interrupt, "finish": finish, "fail": fail, "in_thread": in_thread}
    for argument in sys.argv[3:]:
        scenes[sys.argv[1]](sys.argv[2], int(argument))
