"""Pinned memory: what is laid out where. The blocks are plain memory here; on a GPU test_cuda.py has real ones."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.data import ConcatDataset, TensorDataset

from equality import equal
from pictures import encode, in_memory, picture, pixels
from pinning import pretend_to_pin
from torchfeed import DataLoader, _native
from torchfeed import transforms as T
from torchfeed.batch import pinned
from torchfeed.batch.pinned import Layout, take
from torchfeed.datasets import NativeDataset


class Blocks:
    """Stands in for torch's allocator: remembers the blocks that it gave out, and what was copied to others."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begin: list[int] = []
        self.copied: list[Any] = []

    def block(self, nbytes: int) -> torch.Tensor:
        made = torch.full((nbytes,), 77, dtype=torch.uint8)
        self.sizes.append(nbytes)
        self.begin.append(made.data_ptr())
        return made

    def pin(self, batch: Any) -> Any:
        self.copied.append(batch)
        return batch

    def hold(self, tensor: torch.Tensor) -> bool:
        start = tensor.data_ptr()
        return any(a <= start and start + tensor.nbytes <= a + n for a, n in zip(self.begin, self.sizes, strict=True))


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    blocks = Blocks()
    monkeypatch.setattr(pinned, "block", blocks.block)
    monkeypatch.setattr(pinned, "pin", blocks.pin)
    pretend_to_pin(monkeypatch)
    return blocks


def test_layouts_are_those_of_torch(blocks: Blocks) -> None:
    for shape in ((2, 3, 4, 5), (2, 1, 4, 5), (7,), (2, 9), (), (0, 3), (3, 0)):
        for dtype in (torch.uint8, torch.float16, torch.float32, torch.int64):
            for memory_format in (torch.contiguous_format, torch.channels_last):
                if memory_format == torch.channels_last and len(shape) != 4:
                    continue
                (made,) = take([Layout(shape, dtype, memory_format)])
                expected = torch.empty(shape, dtype=dtype, memory_format=memory_format)
                assert (made.shape, made.dtype, made.stride()) == (shape, dtype, expected.stride())
                assert made.is_contiguous(memory_format=memory_format)
                assert made.data_ptr() % made.element_size() == 0


def test_no_byte_is_given_out_twice(blocks: Blocks) -> None:
    taken = []
    for number in range(20):
        taken.append(take([Layout((5, 3, 7, 11), torch.float32), Layout((5,), torch.int64)]))
        for tensor in taken[-1]:
            tensor.fill_(number)
            assert blocks.hold(tensor)
    assert all((tensor == number).all() for number, batch in enumerate(taken) for tensor in batch)
    # torch's allocator knows a block by the storage that it made.
    assert all(tensor.data_ptr() in blocks.begin for batch in taken for tensor in batch)
    versions = [tensor._version for batch in taken for tensor in batch]
    taken[0][0].add_(1)
    assert [tensor._version for batch in taken for tensor in batch][1:] == versions[1:]


def alone(tensor: torch.Tensor) -> None:
    """Whoever keeps, saves, pickles or copies a tensor keeps, saves and copies that tensor, as in torch."""
    assert tensor.untyped_storage().nbytes() == tensor.nbytes
    saved = io.BytesIO()
    torch.save(tensor, saved)
    assert tensor.nbytes <= saved.tell() < tensor.nbytes + 4096
    assert len(pickle.dumps(tensor)) < tensor.nbytes + 4096
    assert copy.deepcopy(tensor).untyped_storage().nbytes() == tensor.nbytes


class WithOwn(NativeDataset):
    """Images and targets that Python brings."""

    def sample_source(self, index: int) -> Any:
        return pixels(20, 20, seed=index), (index, torch.full((3,), index))


def images(one_hot: torch.dtype | None = None, kind: Any = None) -> Any:
    dataset = in_memory([pixels(20, 20, seed=i) for i in range(10)], T.Compose([T.CenterCrop(16), T.ToTensor()]))
    dataset.target_transform = None if one_hot is None else T.OneHot(30, dtype=one_hot)
    dataset.__class__ = kind or dataset.__class__
    return dataset


ALONE: dict[str, Any] = {
    "classes": images,
    "one-hot": lambda: images(torch.float16),
    "brought": lambda: images(kind=WithOwn),
    "columns": lambda: TensorDataset(
        torch.randn(10, 3, 40), torch.arange(10), torch.rand(10), torch.zeros(10, 2).bool()
    ),
}


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("name", "batch_size"),
    # Single rows are torch's own views of the dataset.
    [(name, size) for name in ALONE for size in (1, 4, None) if (name, size) != ("columns", None)],
)
def test_each_tensor_has_memory_of_its_own(
    blocks: Blocks, name: str, batch_size: int | None, memory_format: torch.memory_format
) -> None:
    options: Any = {} if name == "columns" else {"memory_format": memory_format, "num_workers": 2}
    batches = list(DataLoader(ALONE[name](), batch_size, pin_memory=True, **options))
    tensors = [leaf for batch in batches for leaf in tree_leaves(batch) if isinstance(leaf, torch.Tensor)]
    assert len(tensors) >= len(batches)
    for tensor in tensors:
        alone(tensor)
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == len(tensors)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("one_hot", [False, True])
def test_workers_write_to_pinned_memory(
    blocks: Blocks, workers: int, memory_format: torch.memory_format, one_hot: bool
) -> None:
    dataset = in_memory([pixels(20, 20, seed=i) for i in range(30)], T.Compose([T.CenterCrop(16), T.ToTensor()]))
    dataset.target_transform = T.OneHot(30, dtype=torch.float16) if one_hot else None
    options: Any = {"batch_size": 4, "num_workers": workers, "memory_format": memory_format}
    held = list(DataLoader(dataset, pin_memory=True, **options))
    assert all(blocks.hold(tensor) for batch in held for tensor in batch)
    assert not blocks.copied, "there is no second copy"
    expected = list(DataLoader(dataset, **options))
    equal(held, expected)
    assert all(one[0].stride() == other[0].stride() for one, other in zip(held, expected, strict=True))
    single = next(iter(DataLoader(dataset, batch_size=None, pin_memory=True)))
    assert blocks.hold(single[0])


def test_what_is_not_made_there_is_copied(blocks: Blocks) -> None:
    """Images whose size is not known beforehand, and targets that came from Python."""
    images = [pixels(20, 20, seed=i) for i in range(8)]
    files = _native.Source.blobs([encode(picture(20, 20, seed=i), "PNG") for i in range(8)])
    unknown = NativeDataset(files, range(8), T.Compose([T.Resize(7), T.ToTensor()]), None)
    held = list(DataLoader(unknown, 4, pin_memory=True))
    assert [len(copied) for copied in blocks.copied] == [2, 2], "both parts of both batches"
    equal(held, list(DataLoader(unknown, 4)))

    class Own(NativeDataset):
        def sample_source(self, index: int) -> Any:
            return images[index], {"id": index}

    blocks.copied.clear()
    own = in_memory(images, T.Compose([T.Resize((16, 16)), T.ToTensor()]))
    own.__class__ = Own
    held = list(DataLoader(own, 4, pin_memory=True, num_workers=2))
    assert all(blocks.hold(images) for images, _ in held)
    assert [targets for _, targets in blocks.copied] == [targets for _, targets in held]
    equal(held, list(DataLoader(own, 4)))


def test_batches_of_no_bytes(blocks: Blocks) -> None:
    empty = TensorDataset(torch.zeros(6, 0))
    assert [tuple(rows.shape) for (rows,) in DataLoader(empty, 4, pin_memory=True)] == [(4, 0), (2, 0)]


def test_rows_are_gathered_to_pinned_memory(blocks: Blocks) -> None:
    columns = TensorDataset(torch.randn(10, 3, 4), torch.arange(10), torch.zeros(10, 0))
    held = list(DataLoader(columns, 4, pin_memory=True))
    assert all(blocks.hold(tensor) for batch in held for tensor in batch[:2])
    equal(held, list(DataLoader(columns, 4)))
    several: Any = ConcatDataset([columns, columns])
    equal(list(DataLoader(several, 4, pin_memory=True)), list(DataLoader(several, 4)))
