"""The training loop: ordinary PyTorch, to be pasted into a project of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from .meter import Epoch, Meter

__all__ = ["evaluate", "lr_factor", "train_epoch"]

Batches = Iterable[tuple[Tensor, Tensor]]


def lr_factor(step: int, warmup_steps: int, total_steps: int) -> float:
    """Gives the share of the learning rate at a step: a linear warm-up, then half a cosine down to 0.

    Args:
        step: from 0.
        warmup_steps: step `warmup_steps - 1` is the first at the full rate.
        total_steps: steps of the whole run.

    Returns:
        A factor in [0, 1].

    Example:
        >>> [lr_factor(step, 2, 6) for step in (0, 1, 2, 4, 6)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def train_epoch(
    model: nn.Module,
    batches: Batches,
    criterion: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    *,
    meter: Meter,
    clip: float = 0.0,
    amp: bool = False,
    after_step: Callable[[], None] = lambda: None,
) -> Epoch:
    """Trains on every batch once.

    Args:
        model: from images ``(N, 3, H, W)`` to logits ``(N, C)``.
        batches: images and targets, on the model's device; targets are ``(N,)`` int64 or ``(N, C)`` float.
        criterion: the loss.
        optimizer: over the model's parameters.
        scheduler: stepped after each batch.
        meter: adds up loss, accuracy and time.
        clip: largest norm of the gradient; 0 means any.
        amp: compute in bfloat16 where that is safe.
        after_step: called after each step.

    Returns:
        The epoch's figures.
    """
    model.train()
    for images, targets in meter.watch(batches):
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=amp):
            outputs = model(images)
            loss = criterion(outputs, targets)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        scheduler.step()
        meter.add(loss, outputs, targets)
        after_step()
    return meter.result()


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches, criterion: nn.Module, *, meter: Meter, amp: bool = False) -> Epoch:
    """Measures loss and accuracy without learning from it.

    Args:
        model: from images ``(N, 3, H, W)`` to logits ``(N, C)``.
        batches: images and targets ``(N,)`` int64, on the model's device.
        criterion: the loss.
        meter: adds up loss, accuracy and time.
        amp: compute in bfloat16 where that is safe.

    Returns:
        The epoch's figures.
    """
    model.eval()
    for images, targets in meter.watch(batches):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=amp):
            outputs = model(images)
            loss = criterion(outputs, targets)
        meter.add(loss, outputs, targets)
    return meter.result()
