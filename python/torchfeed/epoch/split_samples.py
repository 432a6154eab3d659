"""Samples whose first steps are native and that Python finishes, for worker processes: by keys instead of indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from torch.utils.data import get_worker_info

from torchfeed.plan.drawn import Key
from torchfeed.recognize.leaves import read_datasets
from torchfeed.recognize.tree import fetch, plain_index
from torchfeed.settings import Options
from torchfeed.util.random_state import own_random_state, sample_seed, seed_everything

from .samples import SampleMaker

__all__ = ["SeededCollate", "SplitSamples"]


class SplitSamples:
    """Makes samples natively up to the first step that is not recognised; what is asked for are `Key`s.

    Args:
        options: the loader's, as far as they matter to samples.
        batched: whether torch's loader would ask the dataset for a batch of samples.
    """

    def __init__(self, options: Options, *, batched: bool) -> None:
        self._options, self._batched = options, batched
        self._maker: SampleMaker | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maker": None}

    def one(self, dataset: Any, key: Any) -> Any:
        """Makes one sample. Programs that look into torch's iterators may ask for plain indices too."""
        return self.several(dataset, [key])[0] if isinstance(key, Key) else dataset[key]

    def several(self, dataset: Any, keys: Sequence[Any]) -> Sequence[Any]:
        """Makes the samples of a batch, from the dataset as it is in this process."""
        if not all(isinstance(key, Key) for key in keys):
            return fetch(dataset, keys)
        # A worker process needs its random state no more. In the user's own process it must not change.
        made = self._made_maker(dataset).make(keys, keeps_random_state=get_worker_info() is None)
        return _Samples(made, keys)

    def _made_maker(self, dataset: Any) -> SampleMaker:
        if self._maker is None:
            self._maker = SampleMaker(read_datasets(dataset), self._options, batched=self._batched)
        return self._maker

    def path_of(self, dataset: Any, key: Key) -> Any:
        """The file of a sample, if it is listed.

        Raises:
            IndexError: there is no such sample.
        """
        tree = self._made_maker(dataset).tree
        leaf, at = tree.leaf(tree.locate(key.sample))
        return leaf.source.path(at)

    def key(self, index: Any, seed: int, occurrence: int) -> Key:
        """What stands for a sample here."""
        return Key(index, seed, occurrence)

    def among(self, samples: Sequence[Any], keys: Sequence[Key]) -> Sequence[Any]:
        """The samples of the batch of some keys, of which some may be left out."""
        return _Samples(samples, keys)


class _Samples(list[Any]):
    """The samples of a batch, with the seed for everything random in collating them."""

    def __init__(self, samples: Sequence[Any], keys: Sequence[Key]) -> None:
        super().__init__(samples)
        # A sample's seed is made of three numbers. A batch's is made of four, so that it differs from all of them.
        self.seed = 0
        if keys:
            first, seed, occurrence = keys[0]
            number = plain_index(first)
            number = number % 2**64 if isinstance(number, int) else 0
            self.seed = sample_seed((number, seed, occurrence, len(keys)))


class SeededCollate:
    """Calls the user's collate_fn with random generators seeded for the batch: the worker makes no difference."""

    def __init__(self, collate_fn: Callable[[list[Any]], Any]) -> None:
        self.collate_fn = collate_fn

    def __call__(self, samples: _Samples) -> Any:
        """Collates a batch."""
        with nullcontext() if get_worker_info() else own_random_state():
            seed_everything(samples.seed)
            return self.collate_fn(list(samples))
