"""Several views of one image: batches as torch's loader makes them, and pixels as torchvision makes each view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset
from torch.utils.data._utils.collate import default_collate_fn_map
from torchvision.datasets import ImageFolder as TheirImageFolder

from bad_samples import BAD, N, choices, listed, write
from oracle import functional, same, theirs, v2, values
from pictures import encode, picture, pixels, rgb
from pinning import pretend_to_pin
from torchfeed import DataLoader, DecodeError, _native, datasets, explain, to_device
from torchfeed import transforms as T
from torchfeed.batch import pinned
from torchfeed.replay import views

COUNT = 10
WORKERS = pytest.mark.parametrize("workers", [0, 2])

LARGE = theirs.Compose([theirs.RandomResizedCrop(24), theirs.RandomHorizontalFlip(), theirs.ToTensor()])
SMALL = theirs.Compose(
    [
        theirs.RandomCrop(9, padding=2),
        v2.RandomVerticalFlip(),
        theirs.ToTensor(),
        theirs.Normalize([0.4] * 3, [0.2] * 3),
    ]
)
PIXELS = v2.Compose([v2.Resize((7, 11)), v2.PILToTensor()])
CHAINS = [LARGE, LARGE, SMALL, PIXELS]
SHAPES = [(3, 24, 24), (3, 24, 24), (3, 9, 9), (3, 7, 11)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        path = tmp_path / "ab"[number % 2] / f"{number}.{'jpg' if number % 3 else 'png'}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(picture(30 + number, 41, seed=number), "JPEG" if number % 3 else "PNG"))
    return tmp_path


def expected(loader: Any, dataset: Any, index: int, occurrence: int = 0) -> list[torch.Tensor]:
    """Makes the views of an image by torchvision, with the parameters that were drawn for each."""
    image = Image.open(dataset.samples[index][0]).convert("RGB")
    drawn = views(loader.drawn(index, occurrence))
    return [values(chain, functional(image, calls)) for chain, calls in zip(CHAINS, drawn, strict=True)]


def check(loader: Any, dataset: Any, batches: list[Any], indices: list[int], size: int) -> None:
    """Holds whole batches against torchvision."""
    for number, (images, targets) in enumerate(batches):
        assert isinstance(images, list)
        chosen = indices[number * size :][:size]
        assert targets.tolist() == [dataset.targets[index] for index in chosen]
        wanted = [expected(loader, dataset, index) for index in chosen]
        for view, made in enumerate(images):
            same(made, torch.stack([sample[view] for sample in wanted]), f"view {view} of batch {number}")


@WORKERS
@pytest.mark.parametrize("folder_class", [datasets.ImageFolder, TheirImageFolder])
def test_batches_are_those_of_torch(folder: Path, folder_class: Any, workers: int) -> None:
    dataset = folder_class(folder, T.MultiViewTransform(CHAINS))
    loader = DataLoader(dataset, 4, num_workers=workers, native="require")
    torchs = torch.utils.data.DataLoader(TheirImageFolder(folder, T.MultiViewTransform(CHAINS)), 4)
    for _ in range(2):
        batches = list(loader)
        for (images, targets), (their_images, their_targets) in zip(batches, torchs, strict=True):
            assert type(images) is type(their_images) is list
            assert [image.shape for image in images] == [image.shape for image in their_images]
            assert [image.dtype for image in images] == [image.dtype for image in their_images]
            same(targets, their_targets)
            same(images[3], their_images[3])  # of which nothing is drawn
        check(loader, dataset, batches, [*range(COUNT)], 4)
        assert not torch.equal(batches[0][0][0], batches[0][0][1]), "the same transform twice draws twice"


def test_the_first_view_is_drawn_as_if_it_were_alone(folder: Path) -> None:
    alone, both = (
        DataLoader(datasets.ImageFolder(folder, transform), 4, generator=torch.Generator().manual_seed(3))
        for transform in (LARGE, T.MultiViewTransform(CHAINS))
    )
    for (images, _), ((first, *_), _) in zip(alone, both, strict=True):
        same(first, images)


@WORKERS
def test_one_sample_at_a_time(folder: Path, workers: int) -> None:
    dataset = datasets.ImageFolder(folder, T.MultiViewTransform(CHAINS))
    loader = DataLoader(dataset, None, num_workers=workers, native="require")
    for index, (images, target) in enumerate(loader):
        assert isinstance(images, list)
        assert target == dataset.targets[index]
        assert [image.shape for image in images] == [torch.Size(shape) for shape in SHAPES]
        for made, wanted in zip(images, expected(loader, dataset, index), strict=True):
            same(made, wanted)
    dataset.seed = loader.seed
    for index in range(COUNT):
        for made, wanted in zip(dataset[index][0], expected(loader, dataset, index), strict=True):
            same(made, wanted)


@WORKERS
def test_a_part_in_python(folder: Path, workers: int) -> None:
    """What Python does then gets a list of views, from the same draws."""
    dataset = datasets.ImageFolder(folder, T.MultiViewTransform(CHAINS), lambda target: target + 100)
    loader = DataLoader(dataset, 4, num_workers=workers)
    assert explain(loader).startswith("native in part")
    for number, (images, targets) in enumerate(loader):
        chosen = [*range(COUNT)][4 * number :][:4]
        assert targets.tolist() == [dataset.targets[index] + 100 for index in chosen]
        drawn = loader.drawn(chosen[0])
        assert drawn.pop()[0] == "Python"
        image = Image.open(dataset.samples[chosen[0]][0]).convert("RGB")
        for chain, calls, made in zip(CHAINS, views(drawn), images, strict=True):
            same(made[0], values(chain, functional(image, calls)))


@pytest.mark.parametrize(
    ("chains", "why"),
    [
        ([LARGE, theirs.Compose([theirs.ToTensor(), lambda image: image + 1])], "view 1"),
        ([theirs.CenterCrop(9), LARGE], "view 0: the transform does not make a tensor"),
        ([T.MultiViewTransform([LARGE]), LARGE], "view 0: it is made of views itself"),
        ([], "MultiViewTransform"),
    ],
)
def test_views_that_are_not_native_run_in_python(folder: Path, chains: list[Any], why: str) -> None:
    transform = T.MultiViewTransform(chains)
    loader = DataLoader(datasets.ImageFolder(folder, transform), 4, collate_fn=list)
    said = explain(loader)
    assert said.startswith("native in part")
    assert why in said
    assert "MultiViewTransform" in said
    for images, _ in next(iter(loader)):
        assert len(images) == len(chains)


def test_a_subclass_and_a_step_before_the_views_run_in_python(folder: Path) -> None:
    class Doubled(T.MultiViewTransform):
        def __call__(self, image: Any) -> list[Any]:
            return [*super().__call__(image)] * 2

    loader = DataLoader(datasets.ImageFolder(folder, Doubled([LARGE])), 4)
    assert explain(loader).startswith("native in part")
    assert len(next(iter(loader))[0]) == 2
    chain = theirs.Compose([theirs.Resize(20), T.MultiViewTransform([PIXELS, PIXELS])])
    loader = DataLoader(datasets.ImageFolder(folder, chain), 4)
    assert "Resize" in explain(loader)
    (first, second), _ = next(iter(loader))
    same(first, second)
    nested = theirs.Compose([T.MultiViewTransform([PIXELS, PIXELS])])
    assert explain(DataLoader(datasets.ImageFolder(folder, nested), 4)).startswith("native,")


def test_views_side_by_side_with_images(folder: Path) -> None:
    """Datasets of which one has views and the other an image do not fit each other, whoever makes them."""
    one, several = (
        datasets.ImageFolder(folder, transform) for transform in (PIXELS, T.MultiViewTransform([PIXELS, PIXELS]))
    )
    both: Any = DataLoader(ConcatDataset([several, several]), COUNT, native="require")
    for images, _ in both:
        same(images[1], next(iter(DataLoader(one, COUNT)))[0])
    assert explain(DataLoader(ConcatDataset([one, several]), 4)).startswith("native in part")


@WORKERS
def test_memory_formats(folder: Path, workers: int) -> None:
    dataset = datasets.ImageFolder(folder, T.MultiViewTransform(CHAINS))
    plain, last = (
        DataLoader(dataset, 4, num_workers=workers, memory_format=layout, generator=torch.Generator().manual_seed(3))
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    for (images, _), (others, _) in zip(plain, last, strict=True):
        for image, other in zip(images, others, strict=True):
            assert other.is_contiguous(memory_format=torch.channels_last)
            same(other.contiguous(), image)


def test_one_hot_rows(folder: Path) -> None:
    dataset = datasets.ImageFolder(folder, T.MultiViewTransform([PIXELS, LARGE]), T.OneHot(3))
    images, targets = next(iter(DataLoader(dataset, COUNT, native="require")))
    assert len(images) == 2
    assert targets.tolist() == [[int(column == target) for column in range(3)] for target in dataset.targets]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("listed_targets", [False, True])
def test_pinned_memory(monkeypatch: pytest.MonkeyPatch, *, known: bool, listed_targets: bool) -> None:
    """Every view has a block of its own, which is written to at once where its size is known."""
    blocks: list[torch.Tensor] = []
    copied: list[Any] = []

    def block(nbytes: int) -> torch.Tensor:
        blocks.append(torch.full((nbytes,), 77, dtype=torch.uint8))
        return blocks[-1]

    def pin(batch: Any) -> Any:
        copied.append(batch)
        return batch

    monkeypatch.setattr(pinned, "block", block)
    monkeypatch.setattr(pinned, "pin", pin)
    pretend_to_pin(monkeypatch)

    class Given:
        transform = T.MultiViewTransform([LARGE, PIXELS if known else v2.PILToTensor()])
        target_transform = None

        def __len__(self) -> int:
            return 4

        def sample_source(self, index: int) -> tuple[Any, int]:
            return pixels(20, 30, seed=index), index

        def __getitem__(self, index: int) -> Any:
            image, target = self.sample_source(index)
            return self.transform(Image.fromarray(image)), target

    dataset: Any = Given()
    if listed_targets:
        files = _native.Source.blobs(encode(picture(20, 30, seed=index), "PNG") for index in range(4))
        dataset = datasets.NativeDataset(files, range(4), Given.transform, None)
    images, targets = next(iter(DataLoader(dataset, 4, pin_memory=True, native="require")))
    starts = [block.data_ptr() for block in blocks]
    assert len(starts) == (2 + listed_targets if known else 0)
    if known:
        assert [tensor.data_ptr() for tensor in (*images, targets)][: len(starts)] == starts
    assert len(copied) == (0 if known and listed_targets else 1)
    assert targets.tolist() == [*range(4)]
    wanted = PIXELS if known else v2.PILToTensor()
    same(images[1], torch.stack([wanted(Image.fromarray(pixels(20, 30, seed=index))) for index in range(4)]))


def test_a_state_in_the_middle(folder: Path) -> None:
    def make() -> Any:
        dataset = datasets.ImageFolder(folder, T.MultiViewTransform(CHAINS))
        return DataLoader(dataset, 3, shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(9))

    whole, stopped, resumed = make(), make(), make()
    batches = list(whole)
    iterator = iter(stopped)
    next(iterator)
    resumed.load_state_dict(stopped.state_dict())
    for batch, again in zip(batches[1:], resumed, strict=True):
        for image, other in zip(batch[0], again[0], strict=True):
            same(other, image)


@WORKERS
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_bad_samples(tmp_path: Path, on_error: Any, workers: int, *, known: bool) -> None:
    root = write(tmp_path, lambda _: (24, 30))
    chains = [v2.Compose([v2.CenterCrop(8), v2.PILToTensor()]), PIXELS if known else v2.PILToTensor()]
    loader = DataLoader(
        listed(root, T.MultiViewTransform(chains)),
        4,
        num_workers=workers,
        on_error=on_error,
        native="require",
    )
    with pytest.warns(UserWarning, match=r"loader\.errors"):
        batches = list(loader)
    chosen = dict(choices(loader))
    assert set(chosen) == set(BAD)
    indices = [chosen.get(index, index) for index in range(N)]
    indices = [index for index in indices if index is not None]
    assert torch.cat([targets for _, targets in batches]).tolist() == indices
    for view, chain in enumerate(chains):
        made = torch.cat([images[view] for images, _ in batches])
        same(made, torch.stack([chain(rgb(encode(picture(24, 30, seed=index), "JPEG"))) for index in indices]))
    with pytest.raises((DecodeError, FileNotFoundError)):
        list(DataLoader(listed(root, T.MultiViewTransform(chains)), 4, num_workers=workers, native="require"))


@WORKERS
def test_images_of_unequal_sizes(folder: Path, workers: int) -> None:
    dataset = datasets.ImageFolder(folder, T.MultiViewTransform([LARGE, v2.PILToTensor()]))
    with pytest.raises(RuntimeError, match=r"stack expects each tensor to be equal size, but got \[3, 30, 41\]"):
        next(iter(DataLoader(dataset, 4, num_workers=workers, native="require")))


def test_delivery_to_a_device(folder: Path) -> None:
    dataset = datasets.ImageFolder(folder, T.MultiViewTransform(CHAINS))
    plain, delivered = (DataLoader(dataset, 4, generator=torch.Generator().manual_seed(3)) for _ in range(2))

    def swapped(images: list[torch.Tensor], targets: torch.Tensor) -> tuple[Any, ...]:
        return images[::-1], targets

    for (images, _), (others, _) in zip(plain, to_device(delivered, "cpu", batch_transform=swapped), strict=True):
        for image, other in zip(images, others[::-1], strict=True):
            same(other, image)
    with pytest.raises(TypeError, match="views of an image are normalized one by one"):
        next(iter(to_device(delivered, "cpu", device_normalize=True)))


def test_it_is_explained(folder: Path) -> None:
    loader = DataLoader(datasets.ImageFolder(folder, T.MultiViewTransform([LARGE, SMALL])), 4)
    first = "view 0: RandomResizedCrop, RandomHorizontalFlip, then a table of [ToTensor()]"
    values = "[ToTensor(), Normalize(mean=[0.4, 0.4, 0.4], std=[0.2, 0.2, 0.2])]"
    second = f"view 1: RandomCrop, RandomVerticalFlip, then a table of {values}"
    assert explain(loader).splitlines()[3:6] == [
        f"transform  {first}; {second}",
        "batch      torch.float32, shape (4, 3, 24, 24)",
        "batch      torch.float32, shape (4, 3, 9, 9)",
    ]


def test_a_collate_function_for_lists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(batch: list[Any], *, collate_fn_map: Any) -> int:
        assert list in collate_fn_map
        return len(batch)

    monkeypatch.setitem(default_collate_fn_map, list, count)
    loader = DataLoader(datasets.ImageFolder(folder, T.MultiViewTransform([PIXELS])), 4)
    assert "function for lists" in explain(loader)
    assert next(iter(loader))[0] == 4
    assert explain(DataLoader(datasets.ImageFolder(folder, PIXELS), 4)).startswith("native,")


def test_it_is_a_function_of_an_image() -> None:
    image = picture(20, 30)
    crop = T.Compose([T.CenterCrop(8), T.ToTensor()])
    transform = T.MultiViewTransform([crop, PIXELS, T.CenterCrop(4)])
    first, second, third = transform(image)
    same(first, theirs.ToTensor()(theirs.CenterCrop(8)(image)))
    same(second, PIXELS(image))
    assert third.size == (4, 4)
    assert repr(T.MultiViewTransform([T.CenterCrop(4)])) == "MultiViewTransform(\n    CenterCrop(size=(4, 4))\n)"


NEST: dict[str, Any] = {"global": [LARGE, LARGE], "others": {"small": SMALL, "pixels": [PIXELS]}}


def flat(nest: Any) -> list[Any]:
    if isinstance(nest, dict):
        nest = [*nest.values()]
    return [each for inner in nest for each in flat(inner)] if isinstance(nest, list) else [nest]


def shape_of(nest: Any) -> Any:
    if isinstance(nest, dict):
        return {name: shape_of(inner) for name, inner in nest.items()}
    return [shape_of(inner) for inner in nest] if isinstance(nest, list) else (nest.dtype, nest.shape)


@WORKERS
@pytest.mark.parametrize("size", [4, None])
def test_views_have_names(folder: Path, workers: int, size: int | None) -> None:
    dataset = datasets.ImageFolder(folder, T.Views(NEST))
    loader = DataLoader(dataset, size, num_workers=workers, native="require")
    torchs = torch.utils.data.DataLoader(TheirImageFolder(folder, T.Views(NEST)), size)
    step = size or 1
    for number, ((images, _), (theirs_images, _)) in enumerate(zip(loader, torchs, strict=True)):
        assert shape_of(images) == shape_of(theirs_images)
        chosen = range(COUNT)[number * step :][:step]
        wanted = [expected(loader, dataset, index) for index in chosen]
        for view, made in enumerate(flat(images)):
            same(made, torch.stack([sample[view] for sample in wanted]) if size else wanted[0][view], f"view {view}")
    dataset.seed = loader.seed
    assert shape_of(dataset[3][0]) == shape_of(TheirImageFolder(folder, T.Views(NEST))[3][0])


def test_nests_of_other_containers_run_in_python(folder: Path) -> None:
    class Mapping(dict[str, Any]):
        """A dict of the user's own."""

    text = explain(DataLoader(datasets.ImageFolder(folder, T.Views([Mapping(a=LARGE)]))))
    assert text.startswith("native in part")
    assert "views run in Python, because of view 0" in text
    assert explain(DataLoader(datasets.ImageFolder(folder, T.Views([])))).startswith("native in part")
