"""One run from its options: build, resume, train, validate, save."""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from torchfeed.transforms.mix import CutMix, Mix, MixUp

from . import checkpoint
from .data import build
from .feed import Feed
from .log import Log
from .loop import evaluate, lr_factor, train_epoch
from .meter import Epoch, Meter
from .model import MODELS
from .options import Options

__all__ = ["Run", "fit"]


class Run:
    """Everything that a step needs and a checkpoint saves.

    Args:
        options: the run's settings.

    Example:
        >>> run = Run(parse(["--data", "photos", "--epochs", "1"]))
        >>> run.train_epoch().loss, run.evaluate().accuracy
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.device = _device(options.device)
        self.amp = options.amp and self.device.type == "cuda"
        torch.use_deterministic_algorithms(options.deterministic)
        if options.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch refuses to use cuBLAS
        torch.backends.cudnn.benchmark = not options.deterministic

        data = build(options, self.device)
        self.classes = data.classes
        self.feed = Feed(data.train, self.device, _mix(options, len(self.classes)))
        self.val_feed = Feed(data.val, self.device)

        checkpoint.seed_everything(options.seed)
        self.model = MODELS[options.model](len(self.classes)).to(self.device)
        self.model.to(memory_format=torch.channels_last)
        # One-hot targets come with their smoothing.
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.0 if options.one_hot else options.label_smoothing)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=options.lr,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            nesterov=options.momentum > 0,
        )
        steps = options.epochs * len(self.feed)
        warmup = min(int(options.warmup * len(self.feed)), steps // 4)
        self.scheduler = LambdaLR(self.optimizer, lambda step: lr_factor(step, warmup, steps))

        self.epoch = 0
        self.meter = Meter(self.device)
        self.in_epoch = False  # a part of this epoch is trained already
        self.steps_left = options.max_steps or sys.maxsize
        if options.resume:
            self.load(options.resume)

    def train_epoch(self) -> Epoch:
        """Trains for one epoch, the rest of one after a resume, or as far as ``--max-steps`` allows."""
        before, self.meter = self.meter, Meter(self.device, f"epoch {self.epoch + 1}/{self.options.epochs}")
        if self.in_epoch:
            self.meter.load_state_dict(before.state_dict())
        else:
            # Whatever is random in an epoch follows from (seed, epoch), so that a resumed run repeats it.
            checkpoint.seed_everything(self.options.seed * 100_003 + self.epoch)
        self.in_epoch = True
        result = train_epoch(
            self.model,
            islice(self.feed, self.steps_left),
            self.criterion,
            self.optimizer,
            self.scheduler,
            meter=self.meter,
            clip=self.options.clip,
            amp=self.amp,
            after_step=self._after_step,
        )
        self.in_epoch = self.feed.position < len(self.feed)
        return result

    def evaluate(self) -> Epoch:
        """Measures the accuracy on the validation images."""
        meter = Meter(self.device, "validation")
        return evaluate(self.model, self.val_feed, nn.CrossEntropyLoss(), meter=meter, amp=self.amp)

    def save(self) -> None:
        """Writes the checkpoint, if a file was named."""
        if self.options.checkpoint:
            state = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "epoch": self.epoch,
                "inside": {"feed": self.feed.state_dict(), "meter": self.meter.state_dict()} if self.in_epoch else None,
                "sameness": self._sameness(),
            }
            checkpoint.save(self.options.checkpoint, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint, at the very batch after which it was written.

        Args:
            path: the file.

        Raises:
            ValueError: it comes from a run with other classes, or, in mid-epoch, with another order of the images.
        """
        state = checkpoint.load(path)
        for name, value in self._sameness().items():
            if state["sameness"][name] != value and (name == "classes" or (state["inside"] and not self.options.eval)):
                raise ValueError(f"{path}: {name} was {state['sameness'][name]}, and is {value} now")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch = state["epoch"]
        if state["inside"]:
            self.in_epoch = True
            checkpoint.seed_everything(self.options.seed * 100_003 + self.epoch)
            self.feed.load_state_dict(state["inside"]["feed"])
            self.meter.load_state_dict(state["inside"]["meter"])

    def _sameness(self) -> dict[str, Any]:
        options = self.options
        return {
            "classes": self.classes,
            "seed": options.seed,
            "batch_size": options.batch_size,
            "loader": options.loader,
            "mixup": options.mixup,
            "cutmix": options.cutmix,
        }

    def _after_step(self) -> None:
        self.steps_left -= 1
        every, position = self.options.save_every, self.feed.position
        if every and position % every == 0 and position < len(self.feed):
            self.save()


def fit(options: Options) -> list[tuple[Epoch, Epoch]]:
    """Trains, prints one line per epoch, and saves.

    Args:
        options: the run's settings.

    Returns:
        For each epoch done, what training and validation measured.

    Example:
        >>> history = fit(parse(["--data", "photos", "--epochs", "3"]))
    """
    log = Log(None if options.eval else options.log_dir)
    run = Run(options)
    if options.eval:
        result = run.evaluate()
        print(f"loss {result.loss:.4f}  accuracy {result.accuracy:.2%}  {result.images_per_second:,.0f} images/s")
        return []
    history = []
    while run.epoch < options.epochs and run.steps_left:
        trained = run.train_epoch()
        if not run.in_epoch:
            validated = run.evaluate()
            run.epoch += 1
            history.append((trained, validated))
            print(
                f"epoch {run.epoch}/{options.epochs}  loss {trained.loss:.4f}  accuracy {trained.accuracy:.2%}"
                f"  validation {validated.loss:.4f} {validated.accuracy:.2%}"
                f"  {trained.images_per_second:,.0f} images/s  waiting {trained.waiting:.0%}",
                flush=True,
            )
            log.images("train", run.feed.latest, run.epoch)
            log.epoch(run.epoch, trained, validated, run.optimizer.param_groups[0]["lr"], run.model)
        run.save()
    log.close()
    return history


def _mix(options: Options, classes: int) -> Mix | None:
    if options.mixup:
        return MixUp(alpha=options.mixup, num_classes=classes)
    return CutMix(alpha=options.cutmix, num_classes=classes) if options.cutmix else None


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
