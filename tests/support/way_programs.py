"""Ends of a process's life, on each path: `python way_programs.py NAME PATH FOLDER WORKERS...`.

What they print and how they end is what test_ways.py looks at.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from ways import loader

warnings.simplefilter("error")

kept: Any = None


def end(one: Any) -> None:
    """The script ends in mid-epoch, with the iterator alive in a global."""
    global kept  # noqa: PLW0603
    kept = iter(one)
    next(kept)
    print("done")  # noqa: T201


def interrupt(one: Any) -> None:
    """Ctrl-C in mid-epoch; prints the seconds until the loop has ended, and how many processes are left then."""
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    iterator = iter(one)
    next(iterator)
    threading.Timer(0.3, press).start()
    try:
        for _ in iterator:
            time.sleep(0.001)
    except KeyboardInterrupt:
        caught = time.perf_counter() - pressed[0]
    del iterator  # of which the exception held frames
    until = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < until:
        time.sleep(0.01)
    print("caught", caught, len(multiprocessing.active_children()))  # noqa: T201


if __name__ == "__main__":
    name, path, folder, *numbers = sys.argv[1:]
    options: dict[str, Any] = {"shuffle": False, "sampler": list(range(26)) * 1000} if name == "interrupt" else {}
    for workers in map(int, numbers):
        {"end": end, "interrupt": interrupt}[name](loader(path, Path(folder), workers, **options))  # type: ignore[arg-type]
