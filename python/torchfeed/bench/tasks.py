"""What there is to do: the tasks, their transforms, and what a child process is told of one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torchvision import transforms as T

__all__ = [
    "CIFAR_MEAN_STD",
    "LARGE",
    "MEAN_STD",
    "RECIPE",
    "SIZE",
    "TASKS",
    "Job",
    "Task",
    "load_transform",
    "pipeline",
]

SIZE = 224
MEAN_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR_MEAN_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
LARGE = 28  # files of 12 megapixels
RECIPE = "recipe"
"""The transform of a task that has the name of a recipe: see `recipes`."""


@dataclass(frozen=True)
class Task:
    """One epoch, the same for every loader.

    Attributes:
        name: on the command line and in the JSON.
        title: in tables.
        transform: a key of `pipeline`, what `load_transform` reads, or `RECIPE`.
        data: ``"given"``: the user's images; ``"large"``, ``"png"``: copies of them; ``"cifar"``: made ones in memory.
        batch_size: instead of that of the command line.
        first: whether the time to the first batch is measured too.
        needs: a module that must be installed for the transform.
    """

    name: str
    title: str
    transform: str
    data: str = "given"
    batch_size: int | None = None
    first: bool = False
    needs: str = ""


TASKS = {
    task.name: task
    for task in (
        Task("train", "photos, train: RandomResizedCrop(224), flip", "train", first=True),
        Task("val", "photos, val: Resize(256), CenterCrop(224)", "val"),
        Task("large", "photos of 12 megapixels, train", "train", "large", 8),
        Task("png", "the photos as PNG, train", "train", "png"),
        Task("cifar", "CIFAR in memory: RandomCrop(32, padding=4), flip", "cifar", "cifar", 128),
    )
}


@dataclass(frozen=True)
class Job:
    """A task as a child process gets it.

    Attributes:
        task: the task's name.
        transform: as in `Task`.
        folder: an ImageFolder; empty for data that is made in memory.
        scratch: a folder for files that a peer has to write beforehand.
        batch_size: images in a batch; the last one of an epoch may have fewer.
        cores: how many the process is pinned to; with one, nothing but the main thread makes samples where a loader
            can do that.
        images: how many are made in memory, for ``cifar``.
        shuffle: in an order drawn for each epoch; `False`: in the folder's order.
        context: how torch's loader starts worker processes; empty for its default.
        given_workers: `num_workers`; `None` leaves it to the cores.
    """

    task: str
    transform: str
    folder: str
    scratch: str
    batch_size: int
    cores: int = 1
    images: int = 0
    shuffle: bool = True
    context: str = ""
    given_workers: int | None = None

    @property
    def workers(self) -> int:
        """`num_workers`: as given, or 0 on one core, where a worker beside the main thread would be in its way."""
        if self.given_workers is not None:
            return self.given_workers
        return self.cores if self.cores > 1 else 0


def pipeline(name: str) -> Any:
    """The transforms of a task: ``"train"``, ``"val"``, ``"cifar"``, or the user's own, as `load_transform` reads."""
    tail = [T.ToTensor(), T.Normalize(*MEAN_STD)]
    if name == "train":
        return T.Compose([T.RandomResizedCrop(SIZE), T.RandomHorizontalFlip(), *tail])
    if name == "val":
        return T.Compose([T.Resize(256), T.CenterCrop(SIZE), *tail])
    if name == "cifar":
        tail = [T.ToTensor(), T.Normalize(*CIFAR_MEAN_STD)]
        return T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), *tail])
    return load_transform(name)


def load_transform(where: str) -> Any:
    """Imports the user's transform.

    Args:
        where: ``module:attribute`` or ``file.py:attribute``.

    Raises:
        ValueError: it is not there, or cannot be called with an image.
    """
    module, _, attribute = where.rpartition(":")
    if not module or not attribute:
        raise ValueError(f"{where!r} should be module:attribute or file.py:attribute")
    # As for a script: the worker processes that torch spawns import the module by its name again.
    path = Path(module)
    folder = path.resolve().parent if path.suffix == ".py" else Path.cwd()
    if path.suffix == ".py" and not path.is_file():
        raise ValueError(f"there is no file {module}")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    name = path.stem if path.suffix == ".py" else module
    try:
        value = getattr(import_module(name), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{where!r} cannot be imported: {error}") from error
    if isinstance(value, type) or not callable(value):
        raise ValueError(f"{where!r} should be a transform, to be called with an image; it is {value!r}")  # noqa: TRY004
    return value
