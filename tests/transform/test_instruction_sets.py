"""The kernels give the same bits with every instruction set, and tests can force each one that the machine has."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from torchfeed import _native

IN_USE, AVAILABLE = _native.instruction_sets()

ONE_EPOCH = """
import hashlib, sys
import torch
from torchfeed import DataLoader, _native, datasets, transforms as T
values = T.Compose([T.ToTensor(), T.Normalize((0.4,) * 3, (0.3,) * 3)])
random = T.Compose([T.RandomResizedCrop(31), T.RandomHorizontalFlip(), values])
padded = T.Compose([T.Resize((40, 40)), T.RandomCrop(40, padding=4), values])
digest = hashlib.sha256()
for memory_format in (torch.contiguous_format, torch.channels_last):
    for transform in (random, padded):
        generator = torch.Generator().manual_seed(3)
        loader = DataLoader(
            datasets.ImageFolder(sys.argv[1], transform), 8, generator=generator, memory_format=memory_format
        )
        for images, _ in loader:
            digest.update(images.contiguous().numpy().tobytes())
print(_native.instruction_sets()[0], digest.hexdigest())
"""


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    command, environment = [sys.executable, "-c", *arguments], {**os.environ, "TORCHFEED_CPU": name}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_every_instruction_set_gives_the_same_bits(photos: Path) -> None:
    assert AVAILABLE[0] == "portable"
    started = [start(name, ONE_EPOCH, str(photos)) for name in AVAILABLE]
    said = [process.communicate(timeout=100) for process in started]
    words = [output.split() for output, _ in said]
    assert [line[:1] for line in words] == [[name] for name in AVAILABLE], said
    assert len({digest for _, digest in words}) == 1
    assert len(words[0][1]) == 2 * hashlib.sha256().digest_size


def test_the_best_one_is_used_unless_another_is_forced() -> None:
    assert os.environ.get("TORCHFEED_CPU", "native") in {"native", IN_USE}
    if "TORCHFEED_CPU" not in os.environ:
        assert AVAILABLE[-1] == IN_USE
    said = start("native", "from torchfeed import _native; print(_native.instruction_sets()[0])").communicate(
        timeout=100
    )
    assert said[0].split() == [AVAILABLE[-1]], said


@pytest.mark.parametrize("name", ["mmx", "", *{"avx2", "avx512"}.difference(AVAILABLE)])
def test_another_one_is_an_error(name: str) -> None:
    process = start(name, "import torchfeed._native")
    _, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert f"ValueError: TORCHFEED_CPU={name}: " in errors
