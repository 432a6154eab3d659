"""Python threads that do something at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

THREADS = 6


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """What `work` gives for each number, called in as many threads, which begin together."""
    start = threading.Barrier(count)
    found: list[Any] = [None] * count

    def run(number: int) -> None:
        start.wait()
        try:
            found[number] = work(number)
        except BaseException as error:  # noqa: BLE001  (raised below)
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found
