"""A loader's dataset, as torch's fetchers see it in a worker process or in this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch.utils.data import Dataset

__all__ = ["ForwardingDataset", "MakesSamples"]


class MakesSamples(Protocol):
    """Makes the samples of a dataset, of whatever the epoch asks for in place of indices."""

    def one(self, dataset: Any, key: Any) -> Any:
        """Makes what torch's loader asks for where there are no batches."""

    def several(self, dataset: Any, keys: Any) -> Sequence[Any]:
        """Makes the samples of a batch."""


class ForwardingDataset(Dataset[Any]):
    """A dataset whose samples are made in another way than by its own ``__getitem__``.

    All attributes are those of the dataset, to be read and to be set: a ``worker_init_fn`` may do either.

    Args:
        dataset: the dataset.
        samples: what makes its samples.
    """

    def __init__(self, dataset: Any, samples: MakesSamples) -> None:
        self.__dict__.update(_torchfeed_dataset=dataset, _torchfeed_samples=samples)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_torchfeed_"):  # not there yet: while it is unpickled
            raise AttributeError(name)
        return getattr(self._torchfeed_dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._torchfeed_dataset, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self._torchfeed_dataset)

    def __getitem__(self, key: Any) -> Any:
        return self._torchfeed_samples.one(self._torchfeed_dataset, key)

    def __getitems__(self, keys: Any) -> Sequence[Any]:
        """Makes the samples of a batch."""
        made: Sequence[Any] = self._torchfeed_samples.several(self._torchfeed_dataset, keys)
        return made
