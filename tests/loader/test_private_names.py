"""Names of torch's loader and iterators that are not public, and that classes in the wild use all the same.

Each case is a small class as a well-known project writes it, run with torch's loader and with ours.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import TensorDataset
from torch.utils.data import dataloader as torch_dataloader

import torchfeed
from oracle import theirs
from torchfeed import datasets

N, BATCH = 6, 2
_Base = torch_dataloader._BaseDataLoaderIter


class Invert:
    """A step that is not native."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return 255 - image


class Numbers:
    """A dataset that only torch makes samples of."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> int:
        return index


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from PIL import Image  # noqa: PLC0415

    root: Path = tmp_path_factory.mktemp("six")
    (root / "all").mkdir()
    for number in range(N):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(root / "all" / f"{number}.png")
    crop = [theirs.CenterCrop(8), theirs.PILToTensor()]
    return {
        "native": datasets.ImageFolder(root, theirs.Compose(crop)),
        "in part": datasets.ImageFolder(root, theirs.Compose([*crop, Invert()])),
        "gathered": TensorDataset(torch.arange(N), torch.arange(N)),
        "torch's": Numbers(),
    }


def plain(batches: Any) -> list[Any]:
    """Batches as lists; of images, the first pixel tells which they are."""
    found = []
    for batch in batches:
        parts = batch if isinstance(batch, (list, tuple)) else [batch]
        found.append([part.reshape(len(part), -1)[:, 0].tolist() for part in parts])
    return found


class Endless:
    """A batch sampler that begins again for ever: ultralytics, YOLOv5, timm."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield from iter(self.sampler)


def ultralytics(base: Any, dataset: Any, **options: Any) -> Any:
    class InfiniteDataLoader(base):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            object.__setattr__(self, "batch_sampler", Endless(self.batch_sampler))
            self.iterator = super().__iter__()

        def __len__(self) -> int:
            return len(self.batch_sampler.sampler)

        def __iter__(self) -> Iterator[Any]:
            for _ in range(len(self)):
                yield next(self.iterator)

        def reset(self) -> None:
            self.iterator = self._get_iterator()

    loader = InfiniteDataLoader(dataset, BATCH, **options)
    found = [plain(loader) for _ in range(2)]
    loader.reset()
    found.append(plain(loader))
    if hasattr(loader.iterator, "_workers"):
        for worker in loader.iterator._workers:
            worker.terminate()
        loader.iterator._shutdown_workers()
    return found


def timm(base: Any, dataset: Any, **options: Any) -> Any:
    class MultiEpochsDataLoader(base):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._DataLoader__initialized = False
            self.batch_sampler: Any = Endless(self.batch_sampler)
            self._DataLoader__initialized = True
            self.iterator = super().__iter__()

        def __len__(self) -> int:
            return len(self.batch_sampler.sampler)

        def __iter__(self) -> Iterator[Any]:
            for _ in range(len(self)):
                yield next(self.iterator)

    loader = MultiEpochsDataLoader(dataset, BATCH, **options)
    return [plain(loader) for _ in range(2)]


class Wrapped:
    """PyG's iterator over an iterator."""

    def __init__(self, iterator: Any) -> None:
        self.iterator = iterator

    def __iter__(self) -> Wrapped:
        return self

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        self.iterator._reset(loader, first_iter)

    def __len__(self) -> int:
        return len(self.iterator)

    def __next__(self) -> Any:
        return next(self.iterator)


def geometric(base: Any, dataset: Any, **options: Any) -> Any:
    made = []

    class NodeLoader(base):
        def _get_iterator(self) -> Any:
            made.append(Wrapped(super()._get_iterator()))
            return made[-1]

    loader = NodeLoader(dataset, BATCH, **options)
    return [(type(iter(loader)).__name__, len(iter(loader)), plain(loader)) for _ in range(2)], len(made)


def own_iterator(base: Any, dataset: Any, **options: Any) -> Any:
    class Loader(base):
        def _get_iterator(self) -> Any:
            return iter(["mine"])

    options.pop("persistent_workers", None)
    return list(Loader(dataset, BATCH, **options))


def lightning(base: Any, dataset: Any, **options: Any) -> Any:
    loader = base(dataset, BATCH, **options)
    iterator = iter(loader)
    next(iterator)
    assert isinstance(iterator, _Base)
    if loader._iterator is not None:
        loader._iterator._shutdown_workers()
        loader._iterator = None
    return plain(loader)


def persistent(base: Any, dataset: Any, **options: Any) -> Any:
    if not options["num_workers"]:
        return None
    loader = base(dataset, BATCH, **{**options, "persistent_workers": True})
    same = iter(loader) is iter(loader) is loader._iterator
    found = [plain(loader) for _ in range(2)]
    shut = loader._iterator._shutdown
    loader._iterator._shutdown_workers()
    again = loader._iterator._shutdown
    loader._iterator = loader._get_iterator()
    return same, found, shut, again, plain(loader._iterator)


def direct(base: Any, dataset: Any, **options: Any) -> Any:
    loader = base(dataset, BATCH, **options)
    iterator = loader._get_iterator()
    names = ("_num_workers", "_timeout", "_drop_last", "_auto_collation", "_num_yielded", "_persistent_workers")
    before = [getattr(iterator, name) for name in names]
    torch.manual_seed(8)
    seed = loader._get_iterator()._base_seed
    first = plain([iterator._next_data()])
    next(iterator)
    same = iterator._dataset is dataset, iterator._collate_fn is loader.collate_fn
    return before, seed, first, iterator._num_yielded, same, isinstance(iterator, _Base), len(iterator)


def fetcher(base: Any, dataset: Any, **options: Any) -> Any:
    if options["num_workers"]:
        return None
    fetcher = iter(base(dataset, BATCH, **options))._dataset_fetcher
    return len(fetcher.dataset), type(fetcher).__name__


def begun_again(base: Any, dataset: Any, **options: Any) -> Any:
    if options["num_workers"] and not options["persistent_workers"]:
        return None
    loader = base(dataset, BATCH, **options)
    iterator = iter(loader)
    next(iterator)
    iterator._reset(loader)
    return plain(iterator)


def unbatched(base: Any, dataset: Any, **options: Any) -> Any:
    class Loader(base):
        @property
        def _auto_collation(self) -> bool:
            return False

    loader = Loader(dataset, BATCH, sampler=[3, 1], collate_fn=lambda sample: sample, **options)
    return [torch.as_tensor(sample[1] if isinstance(sample, (list, tuple)) else sample).item() for sample in loader]


def own_order(base: Any, dataset: Any, **options: Any) -> Any:
    class Loader(base):
        @property
        def _index_sampler(self) -> Any:
            return [[5, 0], [3]]

    return plain(Loader(dataset, BATCH, **options))


def torchs_own_method(base: Any, dataset: Any, **options: Any) -> Any:
    loader = base(dataset, BATCH, **options)
    return plain(TorchDataLoader.__iter__(loader))


def one_instance(base: Any, dataset: Any, **options: Any) -> Any:
    loader = base(dataset, BATCH, **{**options, "persistent_workers": False})
    loader._get_iterator = lambda: iter(["of this loader"])
    return list(loader)


def copied(base: Any, dataset: Any, **options: Any) -> Any:
    loader = base(dataset, BATCH, **options)
    iterator = iter(loader)
    next(iterator)
    said = []
    for function in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(NotImplementedError, match="cannot be pickled") as refused:
            function(iterator)
        said.append(refused.type)
    return said


def own_attributes(base: Any, dataset: Any, **options: Any) -> Any:
    class Loader(base):
        nice = "of the class"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.decode = print  # before torch's own are there
            super().__init__(*args, **kwargs)
            for name in ("seed", "errors", "limits", "device", "native", "max_errors", "position", "delivery"):
                setattr(self, name, f"my {name}")
            self.on_error = self.tell

        def tell(self, error: Exception) -> None:
            raise AssertionError(error)

        @property
        def memory_format(self) -> str:
            return "of the class"

        def resolve(self) -> None:
            raise AssertionError

        drawn = host_batches = resolve

    loader = Loader(dataset, BATCH, **options)
    batches = [plain(loader) for _ in range(2)]
    mine = [getattr(loader, name) for name in ("seed", "errors", "limits", "device", "native", "max_errors", "nice")]
    return batches, mine, loader.decode is print, loader.memory_format, loader.on_error == loader.tell


CASES: list[Callable[..., Any]] = [
    ultralytics,
    timm,
    geometric,
    own_iterator,
    lightning,
    persistent,
    direct,
    fetcher,
    begun_again,
    unbatched,
    own_order,
    torchs_own_method,
    one_instance,
    copied,
    own_attributes,
]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("way", ["native", "in part", "gathered", "torch's"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_torchs_loader_does(case: Callable[..., Any], way: str, workers: int, ways: dict[str, Any]) -> None:
    options = {"num_workers": workers, "persistent_workers": workers > 0 and case in {geometric, begun_again}}
    expected = case(TorchDataLoader, ways[way], **options)
    assert case(torchfeed.DataLoader, ways[way], **options) == expected


@pytest.mark.parametrize("way", ["native", "gathered", "torch's"])
def test_on_the_way_to_a_device(way: str, ways: dict[str, Any]) -> None:
    """The iterator there is one of torch's too, with the names of the one inside it."""
    iterator: Any = iter(torchfeed.DataLoader(ways[way], BATCH, device="cpu"))
    assert _Base in type(iterator).__mro__
    assert (iterator._num_workers, iterator._dataset) == (0, ways[way])
    for function in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(NotImplementedError):
            function(iterator)
    assert plain([iterator._next_data()]) == plain(TorchDataLoader(ways[way], BATCH))[:1]
    iterator._shutdown_workers()
    assert next(iterator, None) is None

    class Halved(torchfeed.DataLoader[Any]):
        def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
            yield next(super().__iter__())

    wrapped = torchfeed.to_device(Halved(ways[way], BATCH), "cpu")
    assert plain(wrapped) == plain(TorchDataLoader(ways[way], BATCH))[:1]


def test_no_table_is_left_out_behind_an_iterator_of_a_subclass(ways: dict[str, Any]) -> None:
    """Whoever gets the images there gets those that the transforms make."""
    seen = []

    class Looking(torchfeed.DataLoader[Any]):
        def _get_iterator(self) -> Any:
            seen.append(super()._get_iterator())
            return Wrapped(seen[-1])

    dataset = datasets.ImageFolder(ways["native"].root, theirs.Compose([theirs.CenterCrop(8), theirs.ToTensor()]))
    expected = list(TorchDataLoader(dataset, BATCH))
    assert torch.equal(next(iter(torchfeed.to_device(Looking(dataset, BATCH), "cpu")))[0], expected[0][0])
    with pytest.raises(TypeError, match="device_normalize=True, but"):
        iter(torchfeed.to_device(Looking(dataset, BATCH), "cpu", device_normalize=True))
    assert torch.equal(next(Looking(dataset, BATCH, device="cpu")._get_iterator())[0], expected[0][0])


def test_a_loader_whose_init_did_not_run(ways: dict[str, Any]) -> None:
    """Some programs give a loader of torch's another class, or another loader its attributes."""
    for way, dataset in ways.items():
        made: Any = TorchDataLoader(dataset, BATCH)
        made.__class__ = torchfeed.DataLoader
        assert plain(made) == plain(TorchDataLoader(dataset, BATCH)), way

        class Shared(torchfeed.DataLoader[Any]):
            def __init__(self, loader: Any) -> None:
                self.__dict__.update(vars(loader))

        assert plain(Shared(TorchDataLoader(dataset, BATCH))) == plain(TorchDataLoader(dataset, BATCH)), way


def test_a_function_in_the_place_of_torchs_next(ways: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As profilers put one there."""
    counted = []
    theirs_next = _Base.__next__

    def counting(self: Any) -> Any:
        counted.append(type(self))
        return theirs_next(self)

    monkeypatch.setattr(_Base, "__next__", counting)
    for way, dataset in ways.items():
        counted.clear()
        list(torchfeed.DataLoader(dataset, BATCH))
        assert len(counted) == N // BATCH + 1, way


def test_an_epoch_that_begins_with_its_first_batch(ways: dict[str, Any]) -> None:
    """Where `__iter__` is a generator function, nothing has begun before a batch is asked for."""

    class Showing(torchfeed.DataLoader[Any]):
        def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
            yield from super().__iter__()

    for way in ("native", "gathered"):
        plainly = torchfeed.DataLoader(ways[way], 1, generator=torch.Generator().manual_seed(3))
        showing = Showing(ways[way], 1, generator=torch.Generator().manual_seed(3))
        one, two = (
            torchfeed.to_device(loader, "cpu", batch_transform=lambda *_: float(torch.rand(())))
            for loader in (plainly, showing)
        )
        for _ in range(3):
            expected = list(one)
            assert len(set(expected)) == N
            assert list(two) == expected
        batches = iter(two)
        next(batches)
        next(batches)
        assert two.state_dict()["batches"] == 2
        resumed = Showing(ways[way], 1, generator=torch.Generator())
        resumed.load_state_dict(two.state_dict())
        assert len(list(resumed)) == N - 2
