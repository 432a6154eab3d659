"""Loaders whose batches go to a device, and checks of what arrives there: on the CPU, on a GPU, or on a fake one."""

from __future__ import annotations

import random
from collections import OrderedDict, namedtuple
from typing import Any

import torch

from oracle import same
from pictures import in_memory, pixels
from torchfeed import DataLoader, explain, to_device
from torchfeed import transforms as T

Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024

N = 30
TRANSFORM = T.Compose([T.RandomCrop(16, padding=2), T.ToTensor()])


def loader(**options: Any) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(2)
    options = {"batch_size": 4, "generator": generator, "shuffle": True, **options}
    return DataLoader(in_memory([pixels(20, 20, seed=i) for i in range(N)], TRANSFORM), **options)


def nested() -> list[Any]:
    return [
        {"a": torch.ones(2), "b": [torch.zeros(1), "text", 3], "c": Point(torch.ones(1), None)},
        OrderedDict(x=(torch.ones(1), 2.5)),
        torch.ones(3),
        "nothing",
    ]


def places(batch: Any) -> list[str]:
    if isinstance(batch, torch.Tensor):
        return [batch.device.type]
    if isinstance(batch, dict):
        return [place for value in batch.values() for place in places(value)]
    return [place for value in batch for place in places(value)] if isinstance(batch, (list, tuple)) else []


def normalized(channels: int, dtype: torch.dtype) -> Any:
    scale: Any = T.ToDtype(dtype, scale=True) if dtype != torch.float32 else T.ConvertImageDtype(dtype)
    mean_std = ((0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels])
    return T.Compose([T.RandomCrop(16, padding=2), T.PILToTensor(), scale, T.Normalize(*mean_std)])


def check_normalized(device: str, channels: int, dtype: torch.dtype, **options: Any) -> None:
    """The table on the device gives the bits and the layout of the table in the loader."""
    images = [pixels(20, 20, channels, seed=i) for i in range(10)]
    dataset = in_memory(images, normalized(channels, dtype))
    expected = list(DataLoader(dataset, generator=torch.Generator().manual_seed(2), **options))
    inner: Any = DataLoader(dataset, generator=torch.Generator().manual_seed(2), **options)
    wrapped = to_device(inner, device, device_normalize=True)
    assert "looked up in the table there" in explain(wrapped)
    found = list(wrapped)
    for (made, target), (image, label) in zip(found, expected, strict=True):
        assert made.device.type == device
        same(made.cpu(), image)
        assert made.stride() == image.stride()
        assert torch.equal(torch.as_tensor(target).cpu(), torch.as_tensor(label))


def hold_drop_and_copy(device: str, count: int, **options: Any) -> None:
    """Holds, drops and copies batches at random; every byte of them is looked at when they go."""
    images = torch.randint(0, 256, (64, 12, 12, 3), dtype=torch.uint8)
    dataset = in_memory(list(images.numpy()), T.Compose([T.ToTensor()]))
    expected = torch.stack([dataset[i][0] for i in range(len(dataset))]).to(device)
    rng, wrong, held = random.Random(0), torch.zeros((), dtype=torch.int64, device=device), []
    order = [rng.randrange(64) for _ in range(count * 4)]
    inner: Any = DataLoader(dataset, 4, sampler=order, num_workers=2, drop_last=True)
    weight = torch.randn(256, 256, device=device)

    def look(made: torch.Tensor, targets: torch.Tensor) -> None:
        nonlocal wrong
        wrong = wrong + (made != expected[targets]).sum()

    seen = 0
    for made, targets in to_device(inner, device, **options):
        seen += 1
        if rng.random() < 0.2:
            weight = torch.tanh(weight @ weight)  # the device falls behind the loop
        look(made, targets)
        chance = rng.random()
        if options.get("ring") is None and chance < 0.3:
            held.append((made, targets))
        elif chance < 0.5:
            held.append((made.clone(), targets.clone()))
        elif chance < 0.6:
            held.append((made.to("cpu", non_blocking=True, copy=True).to(device), targets.clone()))
        while len(held) > rng.randrange(12):
            look(*held.pop(rng.randrange(len(held))))
        del made, targets
    for batch in held:
        look(*batch)
    assert seen == count
    assert wrong.item() == 0
