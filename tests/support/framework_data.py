"""What the tests of frameworks and their scripts share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets, transforms

from repository import environment

SAMPLES = 26

# Nothing in it is random, so torch's loader and ours must agree on every bit.
STEADY = transforms.Compose([transforms.Resize(20), transforms.CenterCrop(16), transforms.ToTensor()])
RANDOM = transforms.Compose(
    [transforms.RandomResizedCrop(16), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
)


def folder(root: Path, transform: Any = STEADY) -> datasets.ImageFolder:
    """torchvision's own dataset: what a user of the frameworks has."""
    return datasets.ImageFolder(str(root), transform)


def labels(batches: Iterable[Any]) -> list[list[int]]:
    """Which samples the batches hold, where a label is an index."""
    return [targets.tolist() for _, targets in batches]


def flat(lists: Iterable[list[int]]) -> list[int]:
    return [number for numbers in lists for number in numbers]


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def on_two_ranks(script: Path, *arguments: Any, seconds: int = 150) -> None:
    """Runs a script as torchrun does, in two processes on a port that is free; none of them outlives the call."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        env=environment(OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            process.terminate()  # it then ends the ranks, whose sessions are their own
            try:
                process.wait(40)  # it gives them 30 seconds
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert process.returncode == 0, output
