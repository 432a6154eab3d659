"""A model of a device: two streams whose work is done as late, and in as odd an order, as CUDA allows."""

from __future__ import annotations

import random
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor


class Memory:
    """Blocks of equal length that are given out again when nobody holds them any more."""

    def __init__(self) -> None:
        self.free: list[Tensor] = []
        self.given = 0

    def take(self, length: int, when_free: Callable[[Tensor], None] | None = None) -> Tensor:
        """Gives out a tensor; `when_free` gets its block, instead of the list, once the tensor is gone."""
        block = self.free.pop() if self.free else torch.full((length,), -1.0)
        self.given += 1
        tensor = block[:]
        weakref.finalize(tensor, when_free or self.free.append, block)
        return tensor


class LazyDevice:
    """Implements `torchfeed.device.streams.Streams`, and counts what goes wrong by what is left out.

    Args:
        seed: of the order in which work is done.
        without: names of methods that do nothing, to see that something goes wrong then.
    """

    def __init__(self, seed: int, without: str = "") -> None:
        self.rng = random.Random(seed)
        self.without = without
        self.memory = Memory()
        self.work: dict[str, deque[Callable[[], bool]]] = {"copies": deque(), "consumer": deque()}
        self.passed: set[int] = set()
        self.marks = 0
        self.shared: dict[int, bool] = {}
        self.waits = 0

    # The device itself

    def advance(self, most: int | None = None) -> None:
        """Does some of the work: a random number of steps, or all."""
        steps = self.rng.randrange(8) if most is None else most
        for _ in range(steps):
            names = [name for name, work in self.work.items() if work]
            self.rng.shuffle(names)
            for name in names:
                if self.work[name][0]():
                    self.work[name].popleft()
                    break
            else:
                return

    def run(self, stream: str, work: Callable[[], Any]) -> None:
        self.work[stream].append(lambda: (work(), True)[1])

    def _mark(self, stream: str) -> int:
        self.marks += 1
        number = self.marks
        self.run(stream, lambda: self.passed.add(number))
        return number

    # Streams

    def check(self) -> None:
        pass

    def receive(self, tensors: Iterable[Tensor]) -> None:
        pass

    def copies(self) -> Any:
        return nullcontext()

    def empty(self, like: Tensor) -> Tensor:
        """Memory of the stream of the copies: free at once, or where the consumer shares it, once that is done."""
        block: Tensor

        def when_free(block: Tensor) -> None:
            if self.shared.pop(block.data_ptr(), False):
                self.run("consumer", lambda: self.memory.free.append(block))
            else:
                self.memory.free.append(block)

        block = self.memory.take(len(like), when_free)
        return block

    def copy(self, tensor: Tensor, out: Tensor | None) -> Tensor:
        out = self.empty(tensor) if out is None else out
        # What is captured does not keep the tensors alive: a device does not know who holds its memory.
        to, source = out.data, tensor.data
        self.run("copies", lambda: to.copy_(source))
        return out

    def mark_copies(self) -> int:
        return self._mark("copies")

    def mark_consumer(self) -> int:
        return self._mark("consumer")

    def copies_wait(self, mark: int) -> None:
        if self.without != "copies_wait":
            self.work["copies"].append(lambda: mark in self.passed)

    def hand_over(self, mark: int, tensors: Iterable[Tensor]) -> None:
        if self.without != "wait_event":
            self.work["consumer"].append(lambda: mark in self.passed)
        for tensor in tensors:
            if self.without != "record_stream":
                self.shared[tensor.data_ptr()] = True

    def is_past(self, mark: int) -> bool:
        return mark in self.passed or self.without == "is_past"

    def wait(self, mark: int) -> None:
        self.waits += 1
        while mark not in self.passed:
            self.advance(1)
