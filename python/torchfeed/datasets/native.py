"""What all native datasets share."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset

from torchfeed import _native
from torchfeed.compile import Compiled, Drawn, compile_plan, fresh_seed, recognize_target, to_image, to_tensors
from torchfeed.recognize import Unrecognized, recognize, recognize_geometry

__all__ = ["InMemoryDataset", "NativeDataset"]


class NativeDataset(Dataset[tuple[Any, Any]]):
    """A map-style dataset of (image, class index) whose samples are made by the native engine.

    In `torchfeed.DataLoader` whole batches are native. In torch's own loader, and by index, single samples are. A
    transform that is not recognised runs in Python, on a PIL image, as in torchvision.

    Attributes:
        transform: what is done to an image.
        target_transform: what is done to a class index.
        targets: the class index of each sample.
        seed: ``None``, and each access draws anew from torch's global generator; or an int, and ``dataset[i]`` is what
            a loader makes of sample ``i`` in an epoch of that seed.
    """

    transform: Callable[[Any], Any] | None
    target_transform: Callable[[Any], Any] | None
    targets: list[int]
    seed: int | None = None

    def __init__(
        self,
        source: _native.Source,
        targets: Sequence[int],
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
    ) -> None:
        self.source = source
        self.targets = list(targets)
        self.transform = transform
        self.target_transform = target_transform
        self._compiled: tuple[Any, Any, Compiled] | None = None
        self._plain: Compiled | None = None

    def __len__(self) -> int:
        return len(self.source)

    def compile(self, memory_format: torch.memory_format = torch.contiguous_format) -> Compiled:
        """Compiles the transforms as they are now.

        Args:
            memory_format: how images lie in a batch: `torch.contiguous_format` or `torch.channels_last`.

        Raises:
            Unrecognized: a transform runs in Python.
        """
        plan, levels = recognize(self.transform, self.source.channels), recognize_target(self.target_transform)
        return compile_plan(self.source, self.targets, plan, levels, memory_format)

    def _own(self) -> Compiled | None:
        """The compiled transforms for access by index, kept while they are the same objects; `None` in Python."""
        if self._compiled is None or self._compiled[:2] != (self.transform, self.target_transform):
            try:
                compiled = self.compile()
            except Unrecognized:
                return None
            self._compiled = (self.transform, self.target_transform, compiled)
        return self._compiled[2]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None, "_plain": None}

    def _index(self, index: Any) -> int:
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"index {at} is out of range for {len(self)} samples")
        return at % len(self)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Makes several samples at once; torch's own loader calls this.

        Args:
            indices: at least one index, each in ``[-len, len)``.

        Returns:
            A pair (image, target) for each index.
        """
        indices = [self._index(index) for index in indices]
        compiled = self._own()
        if compiled is None:
            return [self._python_sample(index) for index in indices]
        epoch = _native.Epoch(compiled.pipeline, self._seed(compiled), 0)
        samples: list[tuple[Any, Any]] = []
        one_size = compiled.pipeline.output_size() is not None
        for batch in [indices] if one_size else [[index] for index in indices]:
            epoch.submit(batch)
            images, targets = to_tensors(epoch.next())
            labels = targets.tolist() if self.target_transform is None else targets.unbind()
            samples.extend(zip(images.unbind(), labels, strict=True))
        return samples

    def _seed(self, compiled: Compiled) -> int:
        """The seed of an access by index; torch's generator is left alone where nothing is drawn, as in torchvision."""
        if self.seed is not None:
            return self.seed
        return fresh_seed() if compiled.plan.is_random else 0

    def _python_sample(self, index: int) -> tuple[Any, Any]:
        image: Any = self.image(index)
        if self.transform is not None:
            image = self.transform(image)
        target: Any = self.targets[index]
        return image, target if self.target_transform is None else self.target_transform(target)

    def image(self, index: int) -> Image.Image:
        """Decodes the image of sample `index`, without transforms.

        Args:
            index: in ``[-len, len)``.

        Returns:
            A PIL image, RGB (or L where the source is gray).
        """
        if self._plain is None:
            self._plain = compile_plan(self.source, self.targets, recognize_geometry([], self.source.channels))
        return to_image(*self._plain.pipeline.image(self._index(index)))

    def draw(self, index: int, *, seed: int, occurrence: int = 0) -> Drawn:
        """Says what an epoch of `seed` does to sample `index`.

        Args:
            index: in ``[-len, len)``.
            seed: the epoch's seed.
            occurrence: how often the index came up before in that epoch.

        Returns:
            (transform name, parameters) in the pipeline's order, for every transform that changes the image: a flip
            that is not done is not listed. Parameters are named as in `torchvision.transforms.functional`; those of
            RandomCrop also hold the padding that comes first.

        Raises:
            TypeError: the transform does not run natively, so nothing is drawn beforehand.

        Example:
            >>> dataset.draw(17, seed=3)
            [('RandomResizedCrop', {'top': 12, 'left': 0, ...}), ('RandomHorizontalFlip', {})]
        """
        try:
            compiled = self.compile()
        except Unrecognized as why:
            raise TypeError(f"only native transforms are drawn beforehand: {why}") from None
        return compiled.draw(self._index(index), seed, occurrence)


class InMemoryDataset(NativeDataset, ABC):
    """A native dataset over memory of its own, pickled without its source, which is made from that memory again."""

    @abstractmethod
    def make_source(self) -> _native.Source:
        """Makes the source of the dataset's memory."""

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["source"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.source = self.make_source()
