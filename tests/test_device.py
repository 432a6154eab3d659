"""The device stage: batches arrive where the model is, one ahead; on the CPU nothing happens."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch

from pictures import in_memory, pixels
from replay import same
from test_batch import equal
from torchfeed import DataLoader, to_device
from torchfeed import transforms as T

Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024

N = 30
TRANSFORM = T.Compose([T.RandomCrop(16, padding=2), T.ToTensor()])

needs_cuda = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def cuda(test: Any) -> Any:
    for mark in needs_cuda:
        test = mark(test)
    return test


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


def test_the_cpu_is_a_pass_through() -> None:
    batches = nested()
    for device in ("cpu", torch.device("cpu")):
        assert all(one is other for one, other in zip(to_device(batches, device), batches, strict=True))
    equal(list(to_device(loader(), "cpu")), list(loader()))


def test_nested_structures_keep_their_types() -> None:
    moved = list(to_device(nested(), "meta"))
    for batch, original in zip(moved, nested(), strict=True):
        assert type(batch) is type(original)
        assert set(places(batch)) <= {"meta"}
        assert len(places(batch)) == len(places(original))
    assert moved[0]["b"][1:] == ["text", 3]
    assert type(moved[0]["c"]) is Point
    assert moved[1]["x"][1] == 2.5


def test_length_and_attributes_are_the_loader_s() -> None:
    inner = loader()
    wrapped = to_device(inner, "cpu")
    assert len(wrapped) == len(inner) == 8
    assert wrapped.batch_size == 4
    assert wrapped.dataset is inner.dataset
    assert wrapped.loader is inner
    next(iter(wrapped))
    assert wrapped.drawn(3) == inner.drawn(3)
    with pytest.raises(AttributeError):
        wrapped.nothing  # noqa: B018
    with pytest.raises(TypeError):
        len(to_device(iter([]), "cpu"))


def test_it_can_be_copied() -> None:
    wrapped = to_device([torch.ones(1)], "cpu")
    for again in (copy.copy(wrapped), copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
        assert [batch.item() for batch in again] == [1]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_each_epoch_is_an_epoch(device: str) -> None:
    wrapped, plain = to_device(loader(), device), loader()
    for _ in range(2):
        for (images, _), (expected, _) in zip(wrapped, plain, strict=True):
            assert images.shape == expected.shape
            assert images.device.type == device


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_position(device: str) -> None:
    wrapped, expected = to_device(loader(), device), list(loader())
    iterator = iter(wrapped)
    for _ in range(3):
        next(iterator)
    resumed = to_device(loader(generator=torch.Generator()), "cpu")
    resumed.load_state_dict(wrapped.state_dict())
    equal(list(resumed), expected[3:])


# On a GPU


@cuda
@pytest.mark.parametrize("pin_memory", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_batches_arrive_on_cuda(memory_format: torch.memory_format, workers: int, pin_memory: bool) -> None:
    options = {"num_workers": workers, "memory_format": memory_format}
    wrapped = to_device(loader(pin_memory=pin_memory, **options), "cuda")
    for _ in range(3):
        expected = list(loader(**options))
        wrapped.loader.generator.manual_seed(2)  # type: ignore[attr-defined]
        for (images, targets), (image, target) in zip(wrapped, expected, strict=True):
            assert images.device.type == targets.device.type == "cuda"
            assert images.is_contiguous(memory_format=memory_format)
            same(images.cpu(), image)
            same(targets.cpu(), target)


@cuda
def test_pinned_batches() -> None:
    held = list(loader(pin_memory=True, num_workers=2))
    assert all(images.is_pinned() and targets.is_pinned() for images, targets in held)
    equal(held, list(loader()))


@cuda
def test_pinned_batches_whose_size_depends_on_the_image() -> None:
    dataset = in_memory([pixels(20, 20)] * 4, T.Compose([T.Resize(7), T.ToTensor()]))
    ((images, _),) = DataLoader(dataset, 4, pin_memory=True)
    assert images.is_pinned()


@cuda
def test_a_slow_step_does_not_see_the_next_batch() -> None:
    """The step's kernels run late; the memory of its batch must not be given to a later one."""
    expected = [images.double().sum().item() for images, _ in loader()]
    weight = torch.randn(2000, 2000, device="cuda")
    sums = []
    for images, _ in to_device(loader(pin_memory=True, num_workers=2), "cuda"):
        for _ in range(20):
            weight = weight @ weight
            weight /= weight.abs().max()
        sums.append(images.double().sum())
        del images
    assert [total.item() for total in sums] == pytest.approx(expected)


@cuda
def test_nested_structures_on_cuda() -> None:
    for batch, original in zip(to_device(nested(), "cuda:0"), nested(), strict=True):
        assert set(places(batch)) <= {"cuda"}
        assert type(batch) is type(original)


@cuda
def test_position_is_that_of_the_batch_in_use() -> None:
    wrapped, expected = to_device(loader(num_workers=2), "cuda"), list(loader())
    iterator = iter(wrapped)
    for _ in range(3):
        next(iterator)
    resumed = loader(generator=torch.Generator())
    resumed.load_state_dict(wrapped.state_dict())
    equal(list(resumed), expected[3:])
