"""Datasets of which a part runs in Python: native up to there, and the same samples whatever makes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import RandomSampler, default_collate, get_worker_info
from torchvision import datasets as their_datasets

from equality import equal
from oracle import functional, same, theirs, v2
from pictures import encode, in_memory, picture, pixels
from torchfeed import DataLoader, DecodeError, explain
from torchfeed import transforms as T
from torchfeed.recognize import recognize

N = 26  # samples of the `photos` fixture

JITTER = theirs.AugMix()
TO_TENSOR = [theirs.ToTensor(), theirs.Normalize([0.5] * 3, [0.2] * 3)]


def own_noise(image: torch.Tensor) -> torch.Tensor:
    """A user's function that draws from all three global generators."""
    return image + torch.rand(1) + np.random.rand() + random.random()  # noqa: NPY002


def opened(dataset: Any, index: int) -> Image.Image:
    image: Image.Image = dataset.loader(dataset.samples[index][0])
    return image


def replayed(dataset: Any, drawn: Any, index: int, rest: Sequence[Callable[[Any], Any]]) -> torch.Tensor:
    """Makes a sample of what `drawn` said: the native part by torchvision, then the rest with the seed."""
    *calls, (name, parameters) = drawn
    assert name == "Python"
    image: Any = functional(opened(dataset, index), calls)
    torch.manual_seed(parameters["seed"])
    np.random.seed(parameters["seed"] % 2**32)  # noqa: NPY002
    random.seed(parameters["seed"])
    for step in rest:
        image = step(image)
    made: torch.Tensor = image
    return made


CHAINS: dict[str, tuple[list[Any], list[Any]]] = {
    "colour between": ([theirs.RandomResizedCrop(32), theirs.RandomHorizontalFlip()], [JITTER, *TO_TENSOR]),
    "colour first": ([], [JITTER, theirs.RandomResizedCrop(16), *TO_TENSOR]),
    "noise last": ([theirs.RandomCrop(24, padding=4)], [*TO_TENSOR, own_noise]),
    "a choice that is not native": ([theirs.CenterCrop(20)], [theirs.RandomApply([JITTER], 0.5), *TO_TENSOR]),
    "v2": (
        [v2.Resize((16, 18)), v2.RandomVerticalFlip()],
        [v2.ToImage(), v2.ElasticTransform(sigma=1.0), v2.ToPureTensor()],
    ),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", CHAINS)
def test_a_sample_is_what_a_replay_makes_of_it(name: str, workers: int, photos: Path) -> None:
    native, rest = CHAINS[name]
    dataset = their_datasets.ImageFolder(photos, theirs.Compose([*native, *rest]))
    order = [3, 3, 25, 0, 7, 3]
    loader = DataLoader(dataset, 2, sampler=order, num_workers=workers)
    assert explain(loader).startswith("native in part")
    images = torch.cat([images for images, _ in loader])
    for position, index in enumerate(order):
        drawn = loader.drawn(index, occurrence=order[:position].count(index))
        same(images[position], replayed(dataset, drawn, index, rest).as_subclass(torch.Tensor))
    assert not torch.equal(images[0], images[1])


def test_nothing_depends_on_the_workers(photos: Path) -> None:
    chain = theirs.Compose([theirs.RandomCrop(20, pad_if_needed=True), JITTER, theirs.ToTensor(), own_noise])
    epochs = []
    for settings in ({}, {"batch_size": 4}, {"batch_size": 5, "num_workers": 1}, {"batch_size": 4, "num_workers": 2}):
        generator = torch.Generator().manual_seed(5)
        dataset = their_datasets.ImageFolder(photos, chain)
        loader = DataLoader(dataset, shuffle=True, generator=generator, **settings)  # type: ignore[arg-type]
        epochs.append([torch.cat(column) for _ in range(2) for column in zip(*loader, strict=True)])
    for other in epochs[1:]:
        equal(other, epochs[0])
    assert not torch.equal(epochs[0][0], epochs[0][2])  # the second epoch


def test_the_caller_s_random_states_are_left_alone(photos: Path) -> None:
    dataset = their_datasets.ImageFolder(photos, theirs.Compose([theirs.Resize((8, 8)), theirs.ToTensor(), own_noise]))
    loader = DataLoader(dataset, 4, generator=torch.Generator(), collate_fn=lambda batch: own_noise(batch[0][0]))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    expected = own_noise(torch.zeros(1))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    list(loader)
    same(own_noise(torch.zeros(1)), expected)


def brighter(image: Image.Image) -> Image.Image:
    return image.point(lambda value: min(255, value + 9))


def negated(target: int) -> int:
    return -target


def both(image: Image.Image, target: int) -> tuple[torch.Tensor, tuple[int, int]]:
    return T.PILToTensor()(image.resize((7, 5))), (target, image.width)


def as_list(samples: list[Any]) -> list[Any]:
    """A collate_fn that looks at what it is given."""
    assert type(samples) is list
    return [(image.sum(), target) for image, target in samples]


def arrays(samples: list[Any]) -> Any:
    return [(torch.from_numpy(np.array(image)), target) for image, target in samples]


def with_joint(photos: Path) -> Any:
    """torchvision's dataset with the one attribute that its other classes take as an argument."""
    dataset = their_datasets.CIFAR10.__new__(their_datasets.CIFAR10)
    their_datasets.VisionDataset.__init__(dataset, "root", transform=theirs.ToTensor())
    dataset.train, dataset.targets = True, list(range(N))
    dataset.data = np.stack([pixels(9, 9, seed=i) for i in range(N)])
    return dataset


# Nothing here is random, so that torch's loader says what the batches are.
DETERMINISTIC: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "function": (
        lambda root: their_datasets.ImageFolder(root, theirs.Compose([theirs.Resize((9, 8)), brighter, *TO_TENSOR])),
        {},
    ),
    "lambda": (
        lambda root: their_datasets.ImageFolder(
            root, theirs.Compose([theirs.CenterCrop(30), theirs.ToTensor(), theirs.Lambda(negated)])
        ),
        {},
    ),
    "target_transform": (
        lambda root: their_datasets.ImageFolder(
            root, theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()]), target_transform=negated
        ),
        {},
    ),
    "collate_fn": (
        lambda root: their_datasets.ImageFolder(root, theirs.Compose([theirs.Resize(9), theirs.ToTensor()])),
        {"collate_fn": as_list},
    ),
    "PIL images": (their_datasets.ImageFolder, {"collate_fn": arrays}),
    "PIL images, resized": (
        lambda root: their_datasets.ImageFolder(root, theirs.Resize(9)),
        {"collate_fn": arrays},
    ),
    "in memory": (with_joint, {"collate_fn": as_list}),
    "gray": (
        lambda _: in_memory(
            np.stack([pixels(8, 9, 1, seed=i) for i in range(N)]), theirs.Compose([brighter, T.ToTensor()])
        ),
        {},
    ),
    "samples of a batch_size of None": (
        lambda root: their_datasets.ImageFolder(root, theirs.Compose([theirs.Resize(9), brighter, theirs.ToTensor()])),
        {"batch_size": None},
    ),
    "an index out of range": (
        lambda root: their_datasets.ImageFolder(root, theirs.Compose([theirs.Resize((9, 9)), brighter, *TO_TENSOR])),
        {"sampler": [0, 1, 2, 3, N], "batch_size": 2},
    ),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_same_batches_as_torch(name: str, workers: int, photos: Path) -> None:
    make, arguments = DETERMINISTIC[name]
    arguments = {"batch_size": 4, **arguments, "num_workers": workers}
    loader = DataLoader(make(photos), **arguments)
    assert explain(loader).startswith("native in part"), explain(loader)
    ours, torchs = iter(loader), iter(TorchDataLoader(make(photos), **arguments))
    assert len(loader) == len(torchs)
    while True:
        expected = outcome(torchs)
        got = outcome(ours)
        if isinstance(expected, type):
            assert issubclass(got, expected)
            return
        equal(got, expected)


def outcome(batches: Any) -> Any:
    try:
        return next(batches)
    except (StopIteration, IndexError) as error:
        return type(error)


def test_transforms_of_image_and_target_at_once(tmp_path: Path) -> None:
    """Classes that call `transforms` get what was put there."""
    from torchvision_datasets import oxford_pets  # noqa: PLC0415  (a class that does)

    dataset = oxford_pets(tmp_path)
    for transforms in (both, None):
        dataset.transforms = transforms
        loader = DataLoader(dataset, 1, collate_fn=None if transforms else arrays)
        assert explain(loader).startswith("native in part")
        equal(list(loader), list(TorchDataLoader(dataset, 1, collate_fn=None if transforms else arrays)))


def mixed_up(samples: list[Any]) -> Any:
    return v2.RandomChoice([v2.MixUp(num_classes=3), v2.CutMix(num_classes=3)])(*default_collate(samples))


def test_mixup_and_cutmix_in_a_collate_fn(photos: Path) -> None:
    """Random batches, the same ones from 0, 1 and 2 workers."""
    dataset = their_datasets.ImageFolder(photos, theirs.Compose([theirs.RandomResizedCrop(16), theirs.ToTensor()]))
    epochs = []
    for workers in (0, 1, 2):
        torch.manual_seed(2)
        epochs.append(list(DataLoader(dataset, 8, shuffle=True, num_workers=workers, collate_fn=mixed_up)))
        images, targets = epochs[-1][0]
        assert images.shape == (8, 3, 16, 16)
        assert targets.shape == (8, 3)
        assert torch.allclose(targets.sum(1), torch.ones(8))
        equal(epochs[-1], epochs[0])
    assert not torch.equal(epochs[0][0][1], epochs[0][1][1])


def rotated() -> Any:
    """EXIF that says that the image lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": lambda image: encode(image, "JPEG", exif=rotated()),
    "progressive JPEG": lambda image: encode(image, "JPEG", exif=rotated(), progressive=True),
    "gray JPEG": lambda image: encode(image.convert("L"), "JPEG", exif=rotated()),
    "CMYK JPEG": lambda image: encode(image.convert("CMYK"), "JPEG", exif=rotated()),
    "PNG": lambda image: encode(image, "PNG", exif=rotated()),
    "palette PNG": lambda image: encode(image.convert("P"), "PNG", exif=rotated(), transparency=3),
    "WebP": lambda image: encode(image, "WEBP", exif=rotated(), lossless=True),
}


def upright(image: Image.Image) -> Image.Image:
    turned = ImageOps.exif_transpose(image)
    assert turned is not None
    turned.putpixel((0, 0), (1, len(image.info), 3))  # so that it matters what else is in there
    return turned


@pytest.mark.parametrize("name", FILES)
def test_a_function_of_the_user_s_finds_the_metadata(name: str, tmp_path: Path) -> None:
    """Orientation is in the file's metadata, which torchvision's resizes and crops hand on, and its paddings do not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.jpg").write_bytes(FILES[name](picture(20, 31)))
    for before in ([], [theirs.Resize(10)], [theirs.CenterCrop(12)], [theirs.CenterCrop(40)], [theirs.Pad(2)]):
        chain = theirs.Compose([*before, upright, theirs.PILToTensor()])
        dataset = their_datasets.ImageFolder(tmp_path, chain)
        assert explain(DataLoader(dataset)).startswith("native in part")
        equal(list(DataLoader(dataset)), list(TorchDataLoader(dataset)))
    # torchvision's own transforms do not look at it, so paddings before them may stay native.
    assert recognize(theirs.Compose([theirs.Pad(2), JITTER, theirs.ToTensor()])).names == ("Pad",)
    assert recognize(theirs.Compose([theirs.Resize(9), theirs.Pad(2), upright])).names == ("Resize",)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batches", [0, 3, 6])
def test_resuming_in_mid_epoch(batches: int, workers: int, photos: Path) -> None:
    dataset = their_datasets.ImageFolder(
        photos, theirs.Compose([theirs.RandomResizedCrop(9), JITTER, theirs.ToTensor()])
    )

    def loader(seed: int) -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(seed)
        sampler = RandomSampler(dataset, replacement=True, generator=generator)
        return DataLoader(dataset, 4, sampler=sampler, num_workers=workers, generator=generator)

    whole = loader(1)
    expected = [list(whole) for _ in range(2)]
    cut = loader(1)
    iterator = iter(cut)
    for _ in range(batches):
        next(iterator)
    state = cut.state_dict()
    resumed = loader(2)
    resumed.load_state_dict(state)
    equal(list(resumed), expected[0][batches:])
    equal(list(resumed), expected[1])


def test_no_sample_is_made_in_vain_to_resume(photos: Path) -> None:
    made: list[Any] = []

    def noted(image: Any) -> Any:
        made.append(image)
        return image

    dataset = their_datasets.ImageFolder(photos, theirs.Compose([theirs.Resize((8, 8)), noted, T.ToTensor()]))
    loader = DataLoader(dataset, 4)
    iterator = iter(loader)
    next(iterator)
    next(iterator)
    state = loader.state_dict()
    made.clear()
    loader.load_state_dict(state)
    next(iter(loader))
    assert len(made) == 4


def test_persistent_workers(photos: Path) -> None:
    """The same processes make every epoch, each with augmentations of its own."""
    dataset = their_datasets.ImageFolder(photos, theirs.Compose([theirs.RandomResizedCrop(8), JITTER, T.ToTensor()]))
    loader = DataLoader(dataset, 8, num_workers=2, persistent_workers=True)
    first, second = ([images for images, _ in loader] for _ in range(2))
    assert not any(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    for index in (0, 9):
        made = replayed(dataset, loader.drawn(index), index, [JITTER, T.ToTensor()])
        same(second[index // 8][index % 8], made)


def test_worker_processes_are_torch_s(photos: Path) -> None:
    """A function of the user's may ask which worker it is in, and change its copy of the dataset."""
    dataset: Any = their_datasets.ImageFolder(
        photos, theirs.Compose([theirs.Resize((8, 8)), worker_number, T.ToTensor()])
    )
    dataset.mark = 0
    loader = DataLoader(dataset, 13, num_workers=2, worker_init_fn=mark)
    assert [set(target.tolist()) for _, target in loader] == [{100}, {101}]


def worker_number(image: Image.Image) -> Image.Image:
    assert get_worker_info() is not None
    return image


def mark(worker: int) -> None:
    info: Any = get_worker_info()
    assert len(info.dataset.classes) == 3
    info.dataset.mark = 100
    info.dataset.target_transform = lambda _: info.dataset.mark + worker


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_other_ways_to_start_processes(context: str, photos: Path) -> None:
    dataset = their_datasets.ImageFolder(photos, theirs.Compose([theirs.RandomCrop(20), JITTER, *TO_TENSOR]))
    here, there = (
        list(DataLoader(dataset, 13, num_workers=workers, multiprocessing_context=how))
        for workers, how in ((0, None), (1, context))
        if torch.manual_seed(3)
    )
    equal(there, here)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_named(workers: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "good.png").write_bytes(encode(picture(9, 9), "PNG"))
    (tmp_path / "a" / "worse.png").write_bytes(b"no image")
    dataset = their_datasets.ImageFolder(tmp_path, theirs.Compose([JITTER, theirs.ToTensor()]))
    loader = iter(DataLoader(dataset, num_workers=workers))
    assert next(loader)[0].shape == (1, 3, 9, 9)
    with pytest.raises(DecodeError, match=r"worse\.png"):
        next(loader)


def test_native_require_and_off(photos: Path) -> None:
    whole = theirs.Compose([theirs.Resize((8, 8)), theirs.ToTensor()])
    split = theirs.Compose([theirs.Resize((8, 8)), JITTER, theirs.ToTensor()])
    loader = DataLoader(their_datasets.ImageFolder(photos, whole), native="require")
    assert explain(loader).startswith("native, ")
    with pytest.raises(TypeError, match=r"a part runs in Python: .*AugMix"):
        DataLoader(their_datasets.ImageFolder(photos, split), native="require")
    with pytest.raises(TypeError, match="torch alone makes the batches"):
        DataLoader([1, 2], native="require")  # type: ignore[arg-type]
    loader.dataset.transform = split  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="AugMix"):
        iter(loader)
    assert "because" in explain(loader)
    off = DataLoader(their_datasets.ImageFolder(photos, whole), 4, native="off")
    assert explain(off).startswith("torch's own path")
    equal(list(off), list(TorchDataLoader(off.dataset, 4)))
    with pytest.raises(ValueError, match='"auto", "require" or "off", got True'):
        DataLoader(off.dataset, native=True)  # type: ignore[arg-type]


def test_native_datasets_by_index(photos: Path) -> None:
    """Our own datasets make samples by index in the same two parts."""
    from torchfeed import datasets  # noqa: PLC0415

    chain = theirs.Compose([theirs.RandomCrop(20, pad_if_needed=True), JITTER, *TO_TENSOR])
    dataset = datasets.ImageFolder(photos, chain)
    dataset.seed = 11
    theirs_of_it = their_datasets.ImageFolder(photos)
    for index in (0, 20):
        made, target = dataset[index]
        assert target == theirs_of_it.targets[index]
        same(made, replayed(theirs_of_it, dataset.draw(index, seed=11), index, [JITTER, *TO_TENSOR]))
    dataset.seed = None
    torch.manual_seed(1)
    first = dataset[0][0]
    assert not torch.equal(first, dataset[0][0])
    torch.manual_seed(1)
    same(dataset[0][0], first)
