"""A folder of class folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torchfeed import _native
from torchfeed.recognize import Unrecognized
from torchfeed.recognize.leaf import Leaf

from .index_file import index_file
from .native import NativeDataset

__all__ = ["IMG_EXTENSIONS", "ImageFolder"]

_SETTLED = 2.0
"""Seconds: times of files are as coarse as that on some file systems (FAT), so that a change may not show sooner."""

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class Samples(Sequence[tuple[str, int]]):
    """(path, class index) of each sample, made on demand: a million of them as Python objects would be 200 MB."""

    def __init__(self, source: _native.Source, targets: Sequence[int]) -> None:
        self._source = source
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        target = self._targets[index]
        path = self._source.path(index % len(self))
        assert path is not None, "a source of files has paths"
        return os.fsdecode(path), target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return repr(list(self))


class ImageFolder(NativeDataset):
    """Images in one folder per class; `torchvision.datasets.ImageFolder`, read and decoded natively.

    Samples are in torchvision's order: classes by name, then folders by path, then files by name.

    Args:
        root: the folder that holds the class folders.
        transform: what is done to each image, an RGB PIL image for functions that run in Python.
        target_transform: what is done to each class index.
        loader: a function from a path to an image, in the place of the native decoder. Samples are then made in
            Python.
        is_valid_file: says of a path whether it counts; in the place of `IMG_EXTENSIONS`.
        allow_empty: a class may have no image.
        index: a file that keeps the names of the files, so that the next time only folders are looked at that changed
            since: a path, or True for a file in the user's cache folder. Each folder below `root` is held against its
            times and inode; one that changed, or had changed in the last two seconds when it was listed, is listed
            again. The file is made, and made anew, as needed; one that is broken or something else is replaced.

    Attributes:
        classes: the class names, sorted.
        class_to_idx: the class index of each name.
        samples: (path, class index) of each sample; setting it sets `targets` too.
        targets: the class index of each sample, which is what a sample gets: unlike torchvision's, which looks at
            `samples` alone.

    Raises:
        FileNotFoundError: no such folder, no class folder in it, or a class without an image.

    Warns:
        UserWarning: the index cannot be written; the dataset is there all the same.

    Example:
        >>> dataset = ImageFolder("photos/train", transform=Compose([RandomResizedCrop(224), ToTensor()]))
        >>> image, target = dataset[0]
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
        *,
        index: str | os.PathLike[str] | bool | None = None,
    ) -> None:
        self.root = os.fspath(Path(root).expanduser())
        self.loader = loader
        self.classes, self.class_to_idx = self.find_classes(self.root)
        file = index_file(self.root, index)
        if is_valid_file is None or file is not None:
            source, targets, unsaved = _native.scan(
                self.root,
                sorted(self.class_to_idx.items()),
                IMG_EXTENSIONS if is_valid_file is None else [""],
                None if file is None else (file, _SETTLED),
            )
            if unsaved:
                message = f"the index {file} cannot be written, so that {self.root} is listed each time: {unsaved}"
                warnings.warn(message, stacklevel=2)
        if is_valid_file is not None:
            walked = _walk(self.root, self.class_to_idx) if file is None else Samples(source, targets)
            found = [(path, target) for path, target in walked if is_valid_file(path)]
            source = _native.Source.files(os.fsencode(path) for path, _ in found)
            targets = [target for _, target in found]
        super().__init__(source, targets, transform, target_transform)
        present = set(targets)
        empty = [name for name, index in self.class_to_idx.items() if index not in present]
        if empty and not allow_empty:
            suffix = "" if is_valid_file else f"Supported extensions are: {', '.join(IMG_EXTENSIONS)}"
            raise FileNotFoundError(f"Found no valid file for the classes {', '.join(sorted(empty))}. {suffix}".strip())

    @property
    def samples(self) -> Samples:
        """(path, class index) of each sample."""
        return Samples(self.source, self.targets)

    @samples.setter
    def samples(self, samples: Sequence[tuple[str, int]]) -> None:
        self.source = _native.Source.files(os.fsencode(path) for path, _ in samples)
        self.targets = [label for _, label in samples]

    def _parts(self) -> tuple[Any, ...]:
        return *super()._parts(), self.loader

    @property
    def imgs(self) -> Samples:
        """Another name of `samples`, as in torchvision."""
        return self.samples

    def leaf(self) -> Leaf:
        """Compiles the transforms as they are now.

        Raises:
            Unrecognized: the loader function runs in Python.
        """
        if self.loader is not None:
            raise Unrecognized("the dataset's loader function runs in Python: leave it out for the native decoder")
        return super().leaf()

    def image(self, index: int) -> Any:
        """Decodes the image of sample `index`, without transforms; see `NativeDataset.image`.

        Args:
            index: in ``[-len, len)``.

        Returns:
            A PIL image, RGB, or whatever `loader` makes of the path.
        """
        return super().image(index) if self.loader is None else self.loader(self.samples[self._index(index)][0])

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Finds the class folders; override it to choose or to order them.

        Args:
            directory: the dataset's folder.

        Returns:
            The class names, and the class index of each.

        Raises:
            FileNotFoundError: there is none.
        """
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {name: index for index, name in enumerate(classes)}

    def __repr__(self) -> str:
        lines = [f"Dataset {type(self).__name__}", f"    Number of datapoints: {len(self)}"]
        return "\n".join([*lines, f"    Root location: {self.root}", f"    Transform: {self.transform}"])


def _walk(root: str, class_to_idx: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yields all files, in torchvision's order."""
    for name, index in sorted(class_to_idx.items()):
        for folder, _, files in sorted(os.walk(Path(root, name), followlinks=True)):
            for file in sorted(files):
                yield os.path.join(folder, file), index  # noqa: PTH118  (a str, as torchvision gives it)
