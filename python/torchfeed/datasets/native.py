"""What all native datasets share."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from PIL import Image
from torch.utils.data import Dataset

from torchfeed import _native
from torchfeed.decode.pillow_limits import PillowLimits, pillow_limits
from torchfeed.epoch.samples import SampleMaker, metadata_of
from torchfeed.limits import Limits, get_limits
from torchfeed.plan.compile import compile_leaves, compile_plan
from torchfeed.plan.drawn import Drawn, Key, drawn
from torchfeed.plan.pixels import to_image
from torchfeed.recognize import Unrecognized, recognize_geometry
from torchfeed.recognize.fingerprint import Fingerprint
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.leaves import SelfDescribing
from torchfeed.recognize.replaced_code import code_of_function, set_on
from torchfeed.recognize.tree import read_tree
from torchfeed.util.random_state import fresh_seed

__all__ = ["InMemoryDataset", "NativeDataset"]


class _Made(NamedTuple):
    """What makes samples by index, and all that it was made of."""

    parts: tuple[Any, ...]
    fingerprint: Fingerprint
    maker: SampleMaker


class NativeDataset(SelfDescribing, Dataset[tuple[Any, Any]]):
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
        self._made_with: _Made | None = None
        self._plain: tuple[Limits, PillowLimits, _native.Source, _native.Pipeline] | None = None

    def __len__(self) -> int:
        return len(self.source)

    def leaf(self) -> Leaf:
        """Compiles the transforms as they are now.

        Raises:
            Unrecognized: samples are made in Python.
        """
        code = code_of_function(type(self).image, type(self))  # what the native engine stands for
        why = code.why or set_on(self, code)
        if why:
            raise Unrecognized(f"{type(self).__name__} makes its samples in Python: {why}")
        return Leaf.read(self, self.source, self._listed_targets(), self.transform, self.target_transform)

    def leaf_of_batches(self) -> Leaf:
        """As `leaf`, where samples are not asked for by index: a ``__getitem__`` of a subclass would not run.

        Raises:
            Unrecognized: a subclass makes the samples, or another function than this class's own.
        """
        cls = type(self)
        if cls.__getitem__ is not NativeDataset.__getitem__ or cls.__getitems__ is not NativeDataset.__getitems__:
            raise Unrecognized(f"{cls.__name__} has a __getitem__ of its own: give it a sample_source instead")
        for name in ("__getitem__", "__getitems__"):
            code = code_of_function(getattr(cls, name), cls)
            why = code.why or set_on(self, code)
            if why:
                raise Unrecognized(f"{cls.__name__} makes its samples in Python: {why}")
        return self.leaf()

    def _listed_targets(self) -> Sequence[Any]:
        """The target of each sample.

        Raises:
            ValueError: there are fewer than images.
        """
        count = len(self.source)
        if len(self.targets) < count:
            raise ValueError(f"{len(self.targets)} labels for {count} samples: give each image of {self!r} a target")
        return self.targets if len(self.targets) == count else self.targets[:count]

    def _maker(self) -> SampleMaker | None:
        """What makes samples by index, kept while all is as it was that it was made of; `None` in Python."""
        parts = self._parts()
        made = self._made_with  # asked for once: another thread may change it
        if made is None or not all(map(operator.is_, made.parts, parts)) or not made.fingerprint.is_current():
            # Before anything is read: what changes meanwhile shows the next time.
            fingerprint = Fingerprint([self.transform, self.target_transform])
            try:
                maker = SampleMaker(read_tree(self, lambda dataset: dataset.leaf(), len))
            except Unrecognized:
                return None
            self._made_with = made = _Made(parts, fingerprint, maker)
        return made.maker

    def _parts(self) -> tuple[Any, ...]:
        """The attributes that samples are made of."""
        return self.source, self.targets, self.transform, self.target_transform

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made_with": None, "_plain": None}

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
        maker = self._maker()
        if maker is None:
            return [self._python_sample(index) for index in indices]
        seed = self.seed
        if seed is None:
            # torch's generator is left alone where nothing is drawn, as in torchvision.
            seed = fresh_seed() if maker.compiled.is_random else 0
        # An index that is alone is not worth counting in memory for all samples.
        occurrences = _native.Occurrences(len(self)).count(indices) if len(indices) > 1 else [0] * len(indices)
        keys = [Key(index, seed, occurrence) for index, occurrence in zip(indices, occurrences, strict=True)]
        return maker.make(keys, seeded=self.seed is not None)

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
        limits, pillow = get_limits(), pillow_limits()
        made = self._plain  # asked for once, as above
        source = self.source
        if made is None or made[0] is not limits or made[1] != pillow or made[2] is not source:
            plan = recognize_geometry([], source.channels)
            made = self._plain = limits, pillow, source, compile_plan(source, [0] * len(source), plan)
        at = self._index(index)
        image = to_image(*made[3].image(at))
        image.info = metadata_of(self, source, at)
        return image

    def draw(self, index: int, *, seed: int, occurrence: int = 0) -> Drawn:
        """Says what an epoch of `seed` does to sample `index`.

        Args:
            index: in ``[-len, len)``.
            seed: the epoch's seed.
            occurrence: how often the index came up before in that epoch.

        Returns:
            (transform name, parameters) in the pipeline's order, for every transform that changes the image: a flip
            that is not done is not listed. Parameters are named as in `torchvision.transforms.functional`; those of
            RandomCrop also hold the padding that comes first. The calls of each view that a `MultiViewTransform` makes
            follow an entry ``("View", {"number": number})``.

        Raises:
            TypeError: the transform does not run natively, so nothing is drawn beforehand.

        Example:
            >>> dataset.draw(17, seed=3)
            [('RandomResizedCrop', {'top': 12, 'left': 0, ...}), ('RandomHorizontalFlip', {})]
        """
        try:
            leaf = self.leaf()
        except Unrecognized as why:
            raise TypeError(f"only native transforms are drawn beforehand: {why}") from None
        return drawn(compile_leaves([leaf]), self._index(index), seed, occurrence)


class InMemoryDataset(NativeDataset, ABC):
    """A native dataset over memory of its own, pickled without its source, which is made from that memory again.

    The source is made anew when the attribute that holds the memory is set.
    """

    memory: ClassVar[str]
    """The name of the attribute that holds the memory."""

    @abstractmethod
    def make_source(self) -> _native.Source:
        """Makes the source of the dataset's memory."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == self.memory and "source" in self.__dict__:
            self.source = self.make_source()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["source"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.source = self.make_source()
