"""What an epoch measures: loss, accuracy, and where its time went."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

__all__ = ["Epoch", "Meter"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the data: mean loss, share of correct answers, seconds, and the share of them spent waiting."""

    loss: float
    accuracy: float
    images_per_second: float
    seconds: float
    waiting: float


class Meter:
    """Adds up one epoch. The sums stay on the device, so that no step has to wait for the GPU.

    Args:
        device: where the outputs are.
        title: what the progress bar says; no bar when empty, or when stderr is not a terminal.

    Example:
        >>> meter = Meter(device, "epoch 1")
        >>> for images, targets in meter.watch(loader):
        ...     outputs = model(images)
        ...     meter.add(criterion(outputs, targets), outputs, targets)
        >>> print(meter.result().accuracy)
    """

    def __init__(self, device: torch.device, title: str = "") -> None:
        self.device = device
        self.title = title if sys.stderr.isatty() else ""
        self.sums = torch.zeros(2, device=device)  # loss, correct answers
        self.images = 0  # all of the epoch, also those before a resume
        self.watched = 0  # those since `watch`
        self.seconds = self.waited = 0.0

    def watch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Passes batches through, and measures how long they were waited for."""
        start = perf_counter()
        iterator = iter(batches)
        while True:
            asked = perf_counter()
            batch = next(iterator, None)
            self.waited += perf_counter() - asked
            if batch is None:
                break
            yield batch
            self.watched += len(batch[0])
            if self.title:
                self._show(perf_counter() - start)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += perf_counter() - start
        if self.title:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Adds one batch.

        Args:
            loss: the mean loss, a scalar.
            outputs: logits ``(N, C)``.
            targets: class indices ``(N,)``, or rows of probabilities ``(N, C)``.
        """
        labels = targets.argmax(1) if targets.ndim == 2 else targets
        correct = (outputs.argmax(1) == labels).sum()
        self.sums += torch.stack([loss.float() * len(outputs), correct.float()])
        self.images += len(outputs)

    def result(self) -> Epoch:
        """Gives the means so far."""
        loss, correct = (self.sums / max(1, self.images)).tolist()
        seconds = max(self.seconds, 1e-9)
        return Epoch(loss, correct, self.watched / seconds, seconds, self.waited / seconds)

    def state_dict(self) -> dict[str, Any]:
        """Gives the sums, for a checkpoint in mid-epoch."""
        return {"sums": self.sums, "images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from saved sums."""
        self.sums = state["sums"].to(self.device)
        self.images = state["images"]

    def _show(self, seconds: float) -> None:
        rate, share = self.watched / seconds, self.waited / seconds
        line = f"\r{self.title}  {self.watched:,} images  {rate:,.0f}/s  waiting {share:.0%}\033[K"
        print(line, end="", file=sys.stderr, flush=True)
