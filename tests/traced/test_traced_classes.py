"""Datasets as people write them, made natively with no line changed: batches are those of torch's loader."""

from __future__ import annotations

import io
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from equality import equal
from oracle import erased, functional, same, theirs, v2
from pictures import picture
from torchfeed import DataLoader, explain

RESIZE = theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor(), theirs.Normalize((0.5,) * 3, (0.2,) * 3)])
CROP = theirs.Compose([theirs.RandomResizedCrop(8), theirs.RandomHorizontalFlip(), theirs.ToTensor()])


class Files(Dataset[Any]):
    def __init__(self, paths: Sequence[str], transform: Any = RESIZE) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)


class Tutorial(Files):
    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform(image), index % 3


class With(Files):
    def __getitem__(self, index: int) -> Any:
        with open(self.paths[index], "rb") as file:  # noqa: PTH123
            image = Image.open(file).convert(mode="RGB")
        return {"image": self.transform(image), "name": self.paths[index], "score": np.float32(index)}


class Bytes(Files):
    def __getitem__(self, index: int) -> Any:
        with Image.open(io.BytesIO(Path(self.paths[index]).read_bytes())) as image:
            return self.transform(image.convert("RGB")), torch.tensor([index, 1])


class Loader(Files):
    loader = staticmethod(their_datasets.folder.default_loader)

    def __getitem__(self, index: int) -> Any:
        image = self.loader(self.paths[index])
        label = index
        return label, self.transform(image)


class Unconverted(Files):
    def __getitem__(self, index: int) -> Any:
        return self.transform(Image.open(Path(self.paths[index])))


class Views(Files):
    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        return [self.transform(image), self.transform(image.copy())], index


class Steps(Files):
    resize, to_tensor = theirs.Resize((9, 8)), theirs.ToTensor()
    normalize = v2.Normalize((0.5,) * 3, (0.2,) * 3)

    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        image = self.resize(image)
        return self.normalize(self.to_tensor(image)), index


class Stacked(Files):
    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        views = torch.stack([self.transform(image) for _ in range(2)])
        return views, views[0].unsqueeze(0), torch.cat([views[:, :1], views[:, 1:]], dim=1)


class Pair(NamedTuple):
    image: Any
    label: int


class Named(Files):
    def __getitem__(self, index: int) -> Any:
        return Pair(self.transform(Image.open(self.paths[index]).convert("RGB")), index)


class Together(Files):
    """As Hugging Face's datasets are asked for a batch."""

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        images = [Image.open(io.BytesIO(Path(self.paths[index]).read_bytes())) for index in indices]
        for image in images:
            image.load()
        return [
            {"pixels": self.transform(image.convert("RGB")), "label": index}
            for image, index in zip(images, indices, strict=True)
        ]


class Plain:
    """No subclass of torch's."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return RESIZE(Image.open(self.paths[index]).convert("RGB")), index


class V2(Files):
    chain = v2.Compose([v2.Resize((9, 8)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def __getitem__(self, index: int) -> Any:
        return self.chain(Image.open(self.paths[index]).convert("RGB")), index


class Sequence_(Files):  # noqa: N801
    def __getitem__(self, index: int) -> Any:
        chain = torch.nn.Sequential(v2.Resize((9, 8)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True))
        return chain(Image.open(self.paths[index]).convert("RGB")), index


class OneOfThree(Files):
    """Some samples are native, and some are not."""

    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        if index % 3 == 1:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        elif index % 3 == 2:
            return torch.zeros(3, 9, 8), index
        return self.transform(image), index


class Swallows(Files):
    def __getitem__(self, index: int) -> Any:
        try:
            image = Image.open(self.paths[index] if index % 4 else "missing.jpg").convert("RGB")
            return self.transform(image), index
        except:  # noqa: E722
            return self.transform(Image.new("RGB", (20, 20), "red")), -1


class Retries(Files):
    def __getitem__(self, index: int) -> Any:
        try:
            data = b"no image" if index % 5 == 2 else Path(self.paths[index]).read_bytes()
            return self.transform(Image.open(io.BytesIO(data)).convert("RGB")), index
        except OSError:
            return self[(index + 1) % len(self)]


class Truncated(Files):
    """A file whose pixels cannot be had is noticed after the sample was traced; its own code decides about it."""

    def __getitem__(self, index: int) -> Any:
        data = Path(self.paths[index]).read_bytes()
        try:
            image = Image.open(io.BytesIO(data[: len(data) // 2] if index % 3 == 0 else data)).convert("RGB")
        except OSError:
            image = Image.new("RGB", (30, 30), "blue")
        return self.transform(image), index


class Cached(Files):
    def __init__(self, paths: Sequence[str], transform: Any = RESIZE) -> None:
        super().__init__(paths, transform)
        self.images: dict[int, Any] = {}
        self.made: dict[int, Any] = {}

    def __getitem__(self, index: int) -> Any:
        if index not in self.images:
            self.images[index] = Image.open(self.paths[index]).convert("RGB")
        if index not in self.made:
            self.made[index] = self.transform(self.images[index])
        return self.made[index], self.images[index].size[0]


class Opened(Files):
    """Images that are opened once, in the constructor."""

    def __init__(self, paths: Sequence[str], transform: Any = RESIZE) -> None:
        super().__init__(paths, transform)
        self.images = [Image.open(io.BytesIO(Path(path).read_bytes())) for path in paths]

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.images[index].convert("RGB")), index


class Touches(Files):
    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        made = self.transform(image)
        return made, np.asarray(image).mean(), image.size, made.mean()


class Changes(Files):
    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        RESIZING.transforms[0].size = (9, 8) if index % 2 else (8, 9)
        made = RESIZING(image)
        return made.flatten(), index


RESIZING = theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()])

TRACED: list[Any] = [Tutorial, With, Bytes, Loader, Unconverted, Views, Steps, Stacked, Named, Together, Plain, V2]
TRACED += [OneOfThree, Swallows, Retries, Truncated, Cached]
MIXED: list[Any] = [OneOfThree, Swallows]
OTHERS: list[Any] = [Sequence_, Opened, Touches, Changes]


@pytest.fixture(params=[0.0, 60.0], ids=["old", "new"])
def paths(photos: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Photos, which were there for long, or are new: such a file may be gone soon."""
    monkeypatch.setattr("torchfeed.traced.unopened.RECENT", request.param)
    return sorted(str(path) for path in photos.glob("*/*"))


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("cls", TRACED + OTHERS)
def test_same_batches_as_torch(cls: Any, workers: int, paths: list[str]) -> None:
    options: Any = {"batch_size": 4, "shuffle": True}
    loader = DataLoader(cls(paths), **options, num_workers=workers, generator=torch.Generator().manual_seed(1))
    # Of two worker processes, each makes some in Python, where this process would make all of these.
    if cls in TRACED and (cls not in MIXED or workers < 2):
        assert explain(loader).startswith("native, "), explain(loader)
    expected = TorchDataLoader(cls(paths), **options, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        equal(list(loader), list(expected))


def _some(paths: list[str]) -> Subset[Any]:
    return Subset(Tutorial(paths), [5, 1, 7, 3])


def _both(paths: list[str]) -> ConcatDataset[Any]:
    return ConcatDataset([Tutorial(paths), Steps(paths[:5])])


@pytest.mark.parametrize("make", [_some, _both])
def test_nested(make: Any, paths: list[str]) -> None:
    loader = DataLoader(make(paths), 4, num_workers=1)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(make(paths), 4)))


@pytest.mark.parametrize("cls", [Tutorial, With, Together])
def test_random_transforms_replayed(cls: Any, paths: list[str]) -> None:
    dataset = cls(paths, CROP)
    loader = DataLoader(dataset, 5, num_workers=2, generator=torch.Generator().manual_seed(3))
    images = torch.cat(
        [batch[0] if isinstance(batch, list) else batch.get("image", batch.get("pixels")) for batch in loader]
    )
    assert len(images) == len(paths)
    for index, made in enumerate(images):
        with Image.open(paths[index]) as image:
            drawn = loader.drawn(index)
            same(made, erased(theirs.ToTensor()(functional(image.convert("RGB"), drawn)), drawn), drawn)


def test_views_are_drawn_each(paths: list[str]) -> None:
    loader = DataLoader(Views(paths, CROP), len(paths))
    (first, second), _ = next(iter(loader))
    assert sum(torch.equal(one, other) for one, other in zip(first, second, strict=True)) < 5


class Draws(Files):
    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        numbers = random.random(), np.random.rand(), torch.rand(())  # noqa: NPY002
        return self.transform(image), *numbers, index


@pytest.mark.parametrize("workers", [0, 2])
def test_numbers_that_a_dataset_draws(workers: int, paths: list[str]) -> None:
    """They follow from the epoch's seed and the sample, and leave the caller's generators alone."""

    def epoch(*, shuffle: bool) -> dict[int, list[float]]:
        loader = DataLoader(Draws(paths), 4, shuffle, num_workers=workers, generator=torch.Generator().manual_seed(7))
        assert explain(loader).startswith("native, ")
        rows = [torch.stack([part.double() for part in batch[1:]], dim=1) for batch in loader]
        return {int(row[-1]): row[:-1].tolist() for row in torch.cat(rows)}

    numpys: Any = np.random.get_state
    states = torch.get_rng_state(), random.getstate(), numpys()[1]
    first = epoch(shuffle=False)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(numpys()[1], states[2])
    assert len({tuple(row) for row in first.values()}) == len(paths)
    assert epoch(shuffle=True) == first == epoch(shuffle=False)


class ThroughOneFile(Files):
    """All of them come by the same path."""

    def __init__(self, paths: Sequence[str], place: Path) -> None:
        super().__init__(paths)
        self.place = place

    def __getitem__(self, index: int) -> Any:
        shutil.copy2(self.paths[index], self.place)
        return self.transform(Image.open(self.place).convert("RGB")), index


def test_a_file_that_is_another_one_soon(photos: Path, tmp_path: Path) -> None:
    paths = sorted(str(path) for path in photos.glob("*/*"))
    loader = DataLoader(ThroughOneFile(paths, tmp_path / "image"), 4)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(ThroughOneFile(paths, tmp_path / "image"), 4)))


class Named_(Files):  # noqa: N801
    def __getitem__(self, index: int) -> Any:
        path = self.paths[index]
        with Path(path).open("rb") as file, Image.open(file) as one, Image.open(path) as two:
            three = Image.open(Path(path))
            three.close()
            return [str(image.filename) for image in (one, two, three)], self.transform(two.convert("RGB"))


def test_names_of_files(paths: list[str]) -> None:
    equal(list(DataLoader(Named_(paths), 4)), list(TorchDataLoader(Named_(paths), 4)))


GRAY = theirs.Compose(
    [theirs.Resize((9, 8)), theirs.RandomInvert(1.0), theirs.ToTensor(), theirs.Normalize((0.5,), (0.5,))]
)


class Gray(Files):
    def __getitem__(self, index: int) -> Any:
        image: Image.Image = Image.open(self.paths[index])
        if index % 2:
            image = image.convert("RGB")
        return self.transform(image.convert("L")), index


class GrayOrNot(Files):
    """What comes after a gray image is not gray any more, and what was cut cannot be made gray before that."""

    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index])
        again = image.convert("L").convert("RGB")
        cut = theirs.CenterCrop(20)(image.convert("RGB")).convert("L")
        return self.transform(again), GRAY(cut), GRAY(image.convert(mode="L")), image.convert("L").copy().mode


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of each mode."""
    folder = tmp_path_factory.mktemp("modes")
    rgb = picture(37, 53)
    images: list[Image.Image] = [rgb.convert(mode) for mode in ("L", "LA", "RGBA", "1")] + [rgb.quantize(50), rgb]
    images.append(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 99))
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    rgb.quantize(20).save(folder / "clear.png", transparency=3)
    for mode in ("L", "RGB", "CMYK"):
        rgb.convert(mode).save(folder / f"{mode}.jpg")
    return sorted(str(path) for path in folder.iterdir())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cls", [Gray, GrayOrNot])
def test_gray_images(cls: Any, workers: int, modes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchfeed.traced.unopened.RECENT", 0.0)
    for paths in (modes, modes[::-1]):
        dataset = cls(paths, GRAY if cls is Gray else RESIZE)
        loader = DataLoader(dataset, 4, num_workers=workers)
        if cls is Gray:
            assert explain(loader).startswith("native, "), explain(loader)
        equal(list(loader), list(TorchDataLoader(dataset, 4)))


@pytest.mark.parametrize("workers", [0, 1])
def test_gray_files(workers: int, modes: list[str]) -> None:
    """Images as they are stored: gray ones have one channel, and are native, too."""
    paths = [path for path in modes if path.endswith(("L.jpg", "0.png"))] * 4
    loader = DataLoader(Unconverted(paths, GRAY), 4, num_workers=workers)
    assert explain(loader).startswith("native, "), explain(loader)
    equal(list(loader), list(TorchDataLoader(Unconverted(paths, GRAY), 4)))


class Reckons(Files):
    def __getitem__(self, index: int) -> Any:
        image = self.transform(Image.open(self.paths[index]).convert("RGB"))
        mean = torch.full((3, 1, 1), 0.25)
        made = 2 * image - 1, (image - mean) / 0.5, -image.permute(1, 2, 0), image.flip(2).contiguous()
        mean.zero_()
        return *made, image[0].view(-1), image.flatten().half()


class ChangesTensors(Files):
    """What was made of a tensor before it changed stays as it was; a view does not. One sample of three does that."""

    def __getitem__(self, index: int) -> Any:
        image, other = (self.transform(Image.open(self.paths[index]).convert("RGB")) for _ in range(2))
        copied, doubled, view = torch.stack([image, image]), image * 2, image[:, 2:5]
        thrice, part = other * 3, other[:, 2:5]
        if index % 3 == 1:
            image.mul_(0.5)
            view += 1
            part += 1  # a view is changed, and so is the other one
        return copied, doubled, view, image, thrice, other, torch.stack(tensors=[other, other], dim=1)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cls", [Reckons, ChangesTensors])
def test_tensors_that_are_reckoned_with(cls: Any, workers: int, paths: list[str]) -> None:
    equal(list(DataLoader(cls(paths), 4, num_workers=workers)), list(TorchDataLoader(cls(paths), 4)))


@pytest.mark.parametrize("cls", [Reckons, ChangesTensors])
def test_reckoning_is_put_off(cls: Any, paths: list[str]) -> None:
    assert explain(DataLoader(cls(paths), 4)).startswith("native, ")
