"""MixUp and CutMix: torchvision's, bit by bit, from what was drawn and from the same seed."""

from __future__ import annotations

import random
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from device_batches import loader
from oracle import same, v2
from torchfeed import DataLoader, to_device
from torchfeed import transforms as T

CLASSES = 30
KINDS = ("MixUp", "CutMix")
MAKE_PARAMS = "make_params" if hasattr(v2.MixUp, "make_params") else "_get_params"  # before torchvision 0.21


def batch(dtype: torch.dtype = torch.float32, memory_format: Any = torch.contiguous_format) -> Any:
    images = torch.randn(6, 3, 20, 34).to(dtype).to(memory_format=memory_format)
    return images, torch.randint(CLASSES, (6,))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
@pytest.mark.parametrize("name", KINDS)
def test_torchvision_s_bits(name: str, alpha: float, dtype: torch.dtype, memory_format: Any) -> None:
    ours, theirs = (getattr(library, name)(alpha=alpha, num_classes=CLASSES) for library in (T, v2))
    for seed in range(20):
        images, labels = batch(dtype, memory_format)
        before = images.clone()
        torch.manual_seed(seed)
        expected = theirs(images, labels)
        torch.manual_seed(seed)
        from_global = ours(images, labels)
        made = ours(images, labels, generator=torch.Generator().manual_seed(seed))
        # And by what was drawn.
        drawn = ours.draw(20, 34, torch.Generator().manual_seed(seed))
        parameters = {"lam": drawn["lam"]} if name == "MixUp" else {"box": drawn["box"], "lam_adjusted": drawn["lam"]}
        with mock.patch.object(type(theirs), MAKE_PARAMS, return_value=parameters):
            replayed = theirs(images, labels)
        for some in (made, from_global, replayed):
            same(some[0], expected[0])
            same(some[1], expected[1])
        assert 0 <= drawn["lam"] <= 1
        assert torch.equal(images, before), "the caller's batch stays as it is"


@pytest.mark.parametrize("name", KINDS)
def test_rows_instead_of_indices(name: str) -> None:
    ours, theirs = (getattr(library, name)() for library in (T, v2))
    images, labels = batch()
    for rows in (torch.eye(CLASSES)[labels], torch.eye(CLASSES, dtype=torch.float64)[labels]):
        torch.manual_seed(1)
        expected = theirs(images, rows)
        torch.manual_seed(1)
        same(ours(images, rows)[1], expected[1])
    assert ours(images, torch.eye(CLASSES, dtype=torch.int64)[labels])[1].dtype == torch.float32


@pytest.mark.parametrize("name", KINDS)
def test_wrong_arguments(name: str) -> None:
    kind = getattr(T, name)
    images, labels = batch()
    with pytest.raises(ValueError, match="alpha must be positive"):
        kind(alpha=0)
    with pytest.raises(ValueError, match="needs num_classes"):
        kind()(images, labels)
    with pytest.raises(ValueError, match="rows of 7 classes, where num_classes is 5"):
        kind(num_classes=5)(images, torch.zeros(6, 7))
    for wrong in ((images[0], labels), (images, labels[:3]), (images, labels[:, None, None])):
        with pytest.raises(ValueError, match=r"takes images \(N, C, H, W\)"):
            kind(num_classes=CLASSES)(*wrong)
    assert repr(kind(alpha=0.5, num_classes=3)) == f"{name}(alpha=0.5, num_classes=3)"


@pytest.mark.parametrize("transform", [T.MixUp(num_classes=30), v2.CutMix(num_classes=30)], ids=["ours", "theirs"])
def test_a_batch_depends_on_the_epoch_s_seed_and_its_number_alone(transform: Any) -> None:
    def batches(**options: Any) -> Any:
        return to_device(loader(**options), "cpu", batch_transform=transform)

    def states() -> Any:
        numpy: Any = np.random.get_state()  # noqa: NPY002
        return torch.get_rng_state().tolist(), random.getstate(), numpy[1].tolist()

    before = states()
    expected: list[Any] = list(batches())
    assert states() == before
    assert expected[0][1].shape == (4, 30)
    assert isinstance(expected[0], list)
    for workers in (1, 2):
        for made, other in zip(batches(num_workers=workers), expected, strict=True):
            same(made[0], other[0])
            same(made[1], other[1])
    # Batches and epochs differ.
    assert len({made[1].max().item() for made in expected}) > len(expected) / 2
    again: Any = batches()
    first = [rows for _, rows in again]
    assert not any(torch.equal(one, two) for one, (_, two) in zip(first, again, strict=True))
    # In the middle of an epoch.
    interrupted: Any = batches(num_workers=2)
    iterator = iter(interrupted)
    for _ in range(3):
        next(iterator)
    resumed = batches(generator=torch.Generator())
    resumed.load_state_dict(interrupted.state_dict())
    rest = list(resumed)
    assert len(rest) == len(expected) - 3
    for made, other in zip(rest, expected[3:], strict=True):
        same(made[0], other[0])
        same(made[1], other[1])


def test_any_function_of_the_batch() -> None:
    """Whatever generator it draws from is seeded; what it returns is handed over."""

    def noisy(images: torch.Tensor, targets: torch.Tensor) -> Any:
        assert images.ndim == 4
        return {"a": torch.rand(1), "b": random.random(), "c": np.random.rand(), "targets": targets}  # noqa: NPY002

    first, second = (list(to_device(loader(), "cpu", batch_transform=noisy)) for _ in range(2))
    assert [made["a"] for made in first] == [made["a"] for made in second]
    assert [(made["b"], made["c"]) for made in first] == [(made["b"], made["c"]) for made in second]
    assert len({made["b"] for made in first}) == len(first)


def test_other_loaders_batches_are_mixed_too() -> None:
    dataset = torch.utils.data.TensorDataset(torch.randn(8, 3, 4, 4), torch.arange(8))

    def made(cls: Any) -> Any:
        torch.manual_seed(5)
        return list(to_device(cls(dataset, 4, shuffle=True), "cpu", batch_transform=T.MixUp(num_classes=8)))

    for cls in (torch.utils.data.DataLoader, DataLoader):
        for one, other in zip(made(cls), made(cls), strict=True):
            same(one[1], other[1])
    plain = list(
        to_device([[torch.zeros(2, 1, 4, 4), torch.tensor([0, 1])]], "cpu", batch_transform=T.CutMix(num_classes=2))
    )
    assert plain[0][1].shape == (2, 2)
