"""Loaders as people's training scripts make them: each function is one script's data part.

Each is written once and run with torch's `DataLoader` and with ours. `data` is a folder of class folders.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)
from torchvision import datasets

from oracle import theirs as transforms
from oracle import v2
from pictures import pixels

NORMALIZE = transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])

Loaders = dict[str, Any]


def in_memory(cls: Any, count: int, shape: tuple[int, ...], transform: Any = None, target_transform: Any = None) -> Any:
    """One of torchvision's datasets that hold pixels, without its files."""
    dataset = cls.__new__(cls)
    datasets.VisionDataset.__init__(dataset, "data", transform=transform, target_transform=target_transform)
    images = np.stack([pixels(32, 32, 3, seed=i) for i in range(count)])
    labels = [(7 * i) % 10 for i in range(count)]
    if cls is datasets.SVHN:
        dataset.data, dataset.labels = images.transpose(0, 3, 1, 2).copy(), np.array(labels)
    elif issubclass(cls, datasets.MNIST):
        dataset.data, dataset.targets = torch.from_numpy(images[:, :28, :28, 0].copy()), torch.tensor(labels)
    else:
        dataset.data, dataset.targets = images, labels
    assert dataset.data.shape[1:] == shape
    return dataset


def imagenet_main(loader: Any, data: Path) -> Loaders:
    train_dataset = datasets.ImageFolder(
        os.path.join(data),  # noqa: PTH118  (as it is written everywhere)
        transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                NORMALIZE,
            ]
        ),
    )
    val_dataset = datasets.ImageFolder(
        data,
        transforms.Compose(
            [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), NORMALIZE],
        ),
    )
    train_loader = loader(
        train_dataset, batch_size=8, shuffle=True, num_workers=2, pin_memory=True, sampler=None, persistent_workers=True
    )
    val_loader = loader(val_dataset, batch_size=8, shuffle=False, num_workers=2, pin_memory=True, sampler=None)
    return {"train": train_loader, "val": val_loader}


def cifar_tutorial(loader: Any, data: Path) -> Loaders:
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    trainset = in_memory(datasets.CIFAR10, 30, (32, 32, 3), transform)
    return {"train": loader(trainset, batch_size=4, shuffle=True, num_workers=2)}


def cifar_resnet(loader: Any, data: Path) -> Loaders:
    transform_train = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ]
    )
    trainset = in_memory(datasets.CIFAR100, 30, (32, 32, 3), transform_train)
    return {"train": loader(trainset, batch_size=16, shuffle=True, num_workers=2, drop_last=True)}


def cifar_tensor_first(loader: Any, data: Path) -> Loaders:
    """The order that many scripts have: to a tensor first, then crop and flip."""
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    )
    return {"train": loader(in_memory(datasets.CIFAR10, 20, (32, 32, 3), transform), batch_size=10, shuffle=True)}


def transfer_learning_tutorial(loader: Any, data: Path) -> Loaders:
    data_transforms = {
        "train": transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                NORMALIZE,
            ]
        ),
        "val": transforms.Compose(
            [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), NORMALIZE]
        ),
    }
    image_datasets = {x: datasets.ImageFolder(data, data_transforms[x]) for x in ["train", "val"]}
    return {x: loader(image_datasets[x], batch_size=4, shuffle=True, num_workers=4) for x in ["train", "val"]}


def mnist_basic(loader: Any, data: Path) -> Loaders:
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train_kwargs = {"batch_size": 8, "num_workers": 1, "pin_memory": True, "shuffle": True}
    return {"train": loader(in_memory(datasets.MNIST, 20, (28, 28), transform), **train_kwargs)}


def fashion_quickstart(loader: Any, data: Path) -> Loaders:
    training_data = in_memory(datasets.FashionMNIST, 20, (28, 28), transforms.ToTensor())
    return {"train": loader(training_data, batch_size=8)}


def fashion_one_hot(loader: Any, data: Path) -> Loaders:
    to_one_hot = transforms.Lambda(lambda y: torch.zeros(10, dtype=torch.float).scatter_(0, torch.tensor(y), value=1))
    training_data = in_memory(datasets.FashionMNIST, 20, (28, 28), transforms.ToTensor(), to_one_hot)
    return {"train": loader(training_data, batch_size=8, shuffle=True)}


def v2_getting_started(loader: Any, data: Path) -> Loaders:
    train = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(size=(48, 48), antialias=True),
            v2.RandomHorizontalFlip(p=0.5),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    test = v2.Compose([v2.ToImage(), v2.Resize(40), v2.CenterCrop(32), v2.ToDtype(torch.float32, scale=True)])
    return {
        "train": loader(datasets.ImageFolder(data, train), batch_size=8, shuffle=True),
        "test, resized as tensors": loader(datasets.ImageFolder(data, test), batch_size=8),
    }


def v2_on_pil(loader: Any, data: Path) -> Loaders:
    """torchvision's reference preset with the PIL backend."""
    preset = v2.Compose(
        [
            v2.Resize(40, interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(36),
            v2.PILToTensor(),
            v2.ToDtype(torch.float, scale=True),
            v2.Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
            v2.ToPureTensor(),
        ]
    )
    return {"val": loader(datasets.ImageFolder(data, preset), batch_size=5, num_workers=1)}


def reference_recipe(loader: Any, data: Path) -> Loaders:
    """torchvision's classification reference: automatic augmentation in the middle, erasing at the end."""
    preset = transforms.Compose(
        [
            transforms.RandomResizedCrop(32, interpolation=transforms.InterpolationMode.BILINEAR, antialias=True),
            transforms.RandomHorizontalFlip(0.5),
            transforms.TrivialAugmentWide(interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            NORMALIZE,
            transforms.RandomErasing(p=0.1),
        ]
    )
    dataset = datasets.ImageFolder(data, preset)
    sampler = RandomSampler(dataset)
    return {"train": loader(dataset, batch_size=8, sampler=sampler, num_workers=2)}


def mixup_tutorial(loader: Any, data: Path) -> Loaders:
    preproc = v2.Compose(
        [v2.PILToTensor(), v2.Resize((24, 24)), v2.ToDtype(torch.float32, scale=True)],
    )
    dataset = datasets.ImageFolder(data, preproc)
    return {"plain, resized as tensors": loader(dataset, batch_size=4), "mixed": loader(dataset, 4, collate_fn=mixed)}


def mixed(batch: list[Any]) -> Any:
    cutmix_or_mixup = v2.RandomChoice([v2.CutMix(num_classes=3), v2.MixUp(num_classes=3)])
    return cutmix_or_mixup(*default_collate(batch))


def timm_like(loader: Any, data: Path) -> Loaders:
    train = transforms.Compose(
        [
            transforms.RandomResizedCrop(
                32, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), interpolation=Image.Resampling.BICUBIC
            ),
            transforms.RandomHorizontalFlip(p=0.5),
            transforms.ColorJitter(0.4, 0.4, 0.4),
            transforms.ToTensor(),
            NORMALIZE,
            transforms.RandomErasing(0.25, value="random"),
        ]
    )
    return {"train": loader(datasets.ImageFolder(data, train), batch_size=8, shuffle=True, drop_last=True)}


def keras_like(loader: Any, data: Path) -> Loaders:
    """`image_dataset_from_directory`: one folder, split, all images of one size, pixel values as they are."""
    dataset = datasets.ImageFolder(data, transforms.Compose([transforms.Resize((20, 20)), transforms.PILToTensor()]))
    train, val = random_split(dataset, [0.8, 0.2], generator=torch.Generator().manual_seed(123))
    return {"train": loader(train, batch_size=8, shuffle=True), "val": loader(val, batch_size=8)}


class Faces(Dataset[Any]):
    """The custom dataset of the tutorials: a table of files and labels."""

    def __init__(self, root: Path, transform: Any = None) -> None:
        self.table = sorted((os.fspath(path), path.parent.name) for path in root.glob("*/*"))
        self.names = sorted({name for _, name in self.table})
        self.transform = transform

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Any:
        path, name = self.table[index]
        image: Any = Image.open(path).convert("RGB")
        if self.transform:
            image = self.transform(image)
        return image, self.names.index(name)


class FacesOneMethod(Faces):
    """The same with the method that makes it native."""

    def sample_source(self, index: int) -> tuple[str, int]:
        path, name = self.table[index]
        return path, self.names.index(name)


def custom_dataset(loader: Any, data: Path) -> Loaders:
    transform = transforms.Compose([transforms.Resize((24, 24)), transforms.ToTensor()])
    return {"train": loader(Faces(data, transform), batch_size=4, shuffle=True, num_workers=0)}


def custom_dataset_native(loader: Any, data: Path) -> Loaders:
    transform = transforms.Compose([transforms.RandomCrop(20, pad_if_needed=True), transforms.ToTensor()])
    return {"train": loader(FacesOneMethod(data, transform), batch_size=4, shuffle=True, num_workers=2)}


def validation_split(loader: Any, data: Path) -> Loaders:
    """Two samplers over one dataset."""
    dataset = in_memory(datasets.CIFAR10, 40, (32, 32, 3), transforms.ToTensor())
    indices = list(range(len(dataset)))
    np.random.RandomState(0).shuffle(indices)
    return {
        "train": loader(dataset, batch_size=8, sampler=SubsetRandomSampler(indices[8:])),
        "valid": loader(dataset, batch_size=8, sampler=SubsetRandomSampler(indices[:8])),
    }


def imbalanced(loader: Any, data: Path) -> Loaders:
    dataset = datasets.ImageFolder(data, transforms.Compose([transforms.CenterCrop(24), transforms.ToTensor()]))
    counts = np.bincount(dataset.targets)
    weights = [1.0 / counts[target] for target in dataset.targets]
    sampler = WeightedRandomSampler(weights, len(weights), replacement=True)
    return {"train": loader(dataset, batch_size=6, sampler=sampler)}


def distributed(loader: Any, data: Path) -> Loaders:
    dataset = datasets.ImageFolder(data, transforms.Compose([transforms.RandomResizedCrop(24), transforms.ToTensor()]))
    sampler: Any = DistributedSampler(dataset, num_replicas=2, rank=1, shuffle=True, seed=3)
    sampler.set_epoch(2)
    return {"train": loader(dataset, batch_size=4, sampler=sampler, num_workers=1)}


def two_splits_joined(loader: Any, data: Path) -> Loaders:
    to_tensor = transforms.ToTensor()
    joined: Any = ConcatDataset([in_memory(datasets.SVHN, n, (3, 32, 32), to_tensor) for n in (9, 14)])
    return {"train": loader(joined, batch_size=5, shuffle=True), "part": loader(Subset(joined, range(4, 12)), 4)}


class Pairs(Dataset[Any]):
    """Two images, of one class or of two."""

    def __init__(self, folder: Any) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return len(self.folder)

    def __getitem__(self, index: int) -> Any:
        other = random.randrange(len(self.folder))
        (left, one), (right, two) = self.folder[index], self.folder[other]
        return left, right, torch.tensor([float(one != two)])


def siamese(loader: Any, data: Path) -> Loaders:
    transform = transforms.Compose([transforms.Resize((20, 20)), transforms.ToTensor()])
    return {"train": loader(Pairs(datasets.ImageFolder(data, transform)), shuffle=True, batch_size=8)}


class TwoViews:
    """Two augmentations of one image, as contrastive learning needs them."""

    def __init__(self, transform: Callable[[Any], Any]) -> None:
        self.transform = transform

    def __call__(self, image: Any) -> list[Any]:
        return [self.transform(image), self.transform(image)]


def simclr(loader: Any, data: Path) -> Loaders:
    augment = transforms.Compose(
        [
            transforms.RandomResizedCrop(32),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.ToTensor(),
        ]
    )
    dataset = datasets.ImageFolder(data, TwoViews(augment))
    return {"train": loader(dataset, batch_size=6, shuffle=True, num_workers=2, drop_last=True)}


def dcgan(loader: Any, data: Path) -> Loaders:
    dataset = datasets.ImageFolder(
        root=data,
        transform=transforms.Compose(
            [
                transforms.Resize(64),
                transforms.CenterCrop(64),
                transforms.ToTensor(),
                transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
            ]
        ),
    )
    return {"train": loader(dataset, batch_size=8, shuffle=True, num_workers=2)}


def ten_crop(loader: Any, data: Path) -> Loaders:
    transform = transforms.Compose(
        [
            transforms.Resize((40, 44)),
            transforms.TenCrop(32),
            transforms.Lambda(lambda crops: torch.stack([transforms.ToTensor()(crop) for crop in crops])),
        ]
    )
    return {"test": loader(datasets.ImageFolder(data, transform), batch_size=3)}


def regression(loader: Any, data: Path) -> Loaders:
    x = torch.linspace(-1, 1, 50).unsqueeze(1)
    train, test = random_split(TensorDataset(x, x**2), [40, 10], generator=torch.Generator().manual_seed(0))
    return {"train": loader(train, batch_size=16, shuffle=True), "test": loader(test, batch_size=16)}


def seed_worker(worker_id: int) -> None:
    worker_seed = torch.initial_seed() % 2**32
    np.random.seed(worker_seed)  # noqa: NPY002
    random.seed(worker_seed)


def reproducible(loader: Any, data: Path) -> Loaders:
    """The recipe of torch's notes on reproducibility."""
    g = torch.Generator()
    g.manual_seed(0)
    dataset = datasets.ImageFolder(data, transforms.Compose([transforms.Resize((16, 16)), transforms.ToTensor()]))
    return {
        "train": loader(dataset, batch_size=5, num_workers=2, worker_init_fn=seed_worker, generator=g, shuffle=True)
    }


class Buckets:
    """A batch sampler of one's own: neighbours together, in batches of unequal length."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes

    def __iter__(self) -> Iterator[list[int]]:
        start = 0
        for size in self.sizes:
            yield list(range(start, start + size))
            start += size

    def __len__(self) -> int:
        return len(self.sizes)


def buckets(loader: Any, data: Path) -> Loaders:
    dataset = datasets.ImageFolder(data, transforms.Compose([transforms.Resize((16, 16)), transforms.ToTensor()]))
    last_by_hand = BatchSampler(RandomSampler(dataset), 7, True)
    return {
        "buckets": loader(dataset, batch_sampler=Buckets([3, 1, 9]), num_workers=1),
        "by hand": loader(dataset, batch_sampler=last_by_hand),
    }


class Lines(IterableDataset[Any]):
    """A stream."""

    def __iter__(self) -> Iterator[Any]:
        info: Any = torch.utils.data.get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return iter([{"text": str(number), "value": number / 3} for number in range(first, 11, step)])


def stream(loader: Any, data: Path) -> Loaders:
    return {"train": loader(Lines(), batch_size=4, num_workers=2)}


SNIPPETS: Iterable[Callable[[Any, Path], Loaders]] = [
    *(imagenet_main, cifar_tutorial, cifar_resnet, cifar_tensor_first, transfer_learning_tutorial, mnist_basic),
    *(fashion_quickstart, fashion_one_hot, v2_getting_started, v2_on_pil, reference_recipe, mixup_tutorial),
    *(timm_like, keras_like, custom_dataset, custom_dataset_native, validation_split, imbalanced, distributed),
    *(two_splits_joined, siamese, simclr, dcgan, ten_crop, regression, reproducible, buckets, stream),
]
