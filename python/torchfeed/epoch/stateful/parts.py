"""The two parts of a loader that may have a state of their own: its sampler and its dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchfeed.bad_samples.substitute_pool import SubstitutePool

from .dataset import DatasetPart, check_processes, dataset_between_epochs, may_have_state
from .protocol import Part, is_stateful, read_part, restore, write_part
from .sampler import Again, SamplerPart, find_sampler, load_sampler, sampler_between_epochs

__all__ = ["KEYS", "Parts", "load_parts", "open_parts", "parts_between_epochs"]

KEYS = "sampler", "dataset"
"""The keys under which a loader's state holds the states of its parts."""


class Parts:
    """The sampler and the dataset in one epoch of a loader, of which one may have a state or iterators that have one.

    Args:
        loader: the loader.
        sampler: the sampler that may have a state, or `None`.
        previous: those of the epoch before, whose workers persist.
        resume: the loader's state to go on from.
        again: how a resumed order begins.
        follows_end: whether an epoch ended before.
    """

    def __init__(
        self, loader: Any, sampler: Any, previous: Parts | None, resume: Any, again: Again, *, follows_end: bool
    ) -> None:
        of_sampler, of_dataset = (read_part(resume[key]) if resume else None for key in KEYS)
        at_end = any(part is not None and part["at_end"] for part in (of_sampler, of_dataset))
        self.follows_end = follows_end or at_end
        """Whether a state from before the first batch may be one that an epoch ended in."""
        self.sampler: SamplerPart | None = None
        if sampler is not None:
            mid = resume is not None and resume["batches"] > 0
            if of_sampler is not None and not mid:
                of_sampler["sampler"] = None  # it has its state already
            self.sampler = SamplerPart(loader, sampler, of_sampler, again, mid=mid, follows_end=self.follows_end)
        self.dataset: DatasetPart = DatasetPart(
            loader,
            of_dataset,
            None if previous is None else previous.dataset,
            follows_end=self.follows_end,
            wants_generators=sampler is not None,
        )
        self.jumps = of_dataset is not None or (self.sampler is not None and self.sampler.restores)
        """Whether the epoch goes on from a state without making the samples that came before."""
        self._has_gone_on = False
        self._had_state = previous is not None and previous.sampler_has_state()
        self._batched = bool(loader._auto_collation)  # noqa: SLF001  (torch's own name)

    def ask(self, draw: Callable[[], Any], pool: SubstitutePool | None) -> Any:
        """Asks the sampler, and notes the states before."""
        self.dataset.before_asking()
        if self.sampler is not None:
            draw = self.sampler.noting(draw)
        drawn = draw() if pool is None else pool.draw(draw)
        if self.sampler is not None:
            self.sampler.note_asked(drawn, pool)
        return drawn

    def advance(self) -> None:
        """Counts a batch that is handed out."""
        self.dataset.advance()
        if self.sampler is not None:
            self.sampler.advance()

    def go_on(self, skip: Callable[[Any], object] | None, pool: SubstitutePool | None) -> bool:
        """Goes on with the sampler where its state is, if it has one; returns whether it does.

        Args:
            skip: is told of the indices that came before, if they are to be counted.
            pool: what looks at what is drawn.
        """
        if self.sampler is None:
            return False
        self.sampler.counts = skip is not None
        if not self.sampler.restores or self._has_gone_on:
            return self.sampler.restores
        self._has_gone_on = True
        had = self.sampler.go_on(pool)
        if skip is not None and had:
            for drawn in [had] if self._batched else had:
                skip(drawn)
        return True

    def sampler_has_state(self) -> bool:
        """Whether the sampler or one of its iterators is known to have a state, in this epoch or the one before."""
        return self.sampler is not None and (self.sampler.has_state or self._had_state)

    def write(self, batches: int, *, over: bool) -> dict[str, Part]:
        """Writes the states of where so many batches were handed out."""
        of_sampler = None
        if self.sampler is not None and over:
            of_sampler = sampler_between_epochs(self.sampler.sampler, follows_end=True)
        elif self.sampler is not None:
            of_sampler = self.sampler.state(batches)
        of_dataset = self.dataset.state(batches, over=over, with_generators=self.sampler_has_state())
        return {"sampler": write_part(of_sampler), "dataset": write_part(of_dataset)}


def open_parts(loader: Any, previous: Parts | None, resume: Any, again: Again, *, follows_end: bool) -> Parts | None:
    """Finds what may have a state of its own in an epoch; `None` is nothing, as in most loaders.

    Args:
        loader: the loader.
        previous: those of the epoch before, whose workers persist.
        resume: the loader's state to go on from.
        again: how a resumed order begins.
        follows_end: whether an epoch ended before.
    """
    sampler = find_sampler(loader)
    if sampler is None and not may_have_state(loader.dataset):
        return None
    return Parts(loader, sampler, previous, resume, again, follows_end=follows_end)


def parts_between_epochs(loader: Any) -> dict[str, Part]:
    """Writes the states of a loader whose first epoch has not begun."""
    sampler, dataset = find_sampler(loader), loader.dataset
    of_sampler = None if sampler is None else sampler_between_epochs(sampler, follows_end=False)
    of_dataset = dataset_between_epochs(dataset, loader.num_workers) if is_stateful(dataset) else None
    return {"sampler": write_part(of_sampler), "dataset": write_part(of_dataset)}


def load_parts(loader: Any, resume: Any, processes: int) -> bool:
    """Gives the sampler and the dataset of this process the states that they had; before an epoch begins.

    A sampler in mid-epoch gets its state when it is asked, and the datasets of worker processes theirs when they begin.

    Args:
        loader: the loader.
        resume: its state.
        processes: how many worker processes make its samples.

    Returns:
        Whether the dataset got a state, and may be another by now.

    Raises:
        ValueError: the state is that of another number of workers, or of another dataset.
    """
    sampler, of_sampler, of_dataset = find_sampler(loader), read_part(resume["sampler"]), read_part(resume["dataset"])
    if of_dataset is not None:
        check_processes(of_dataset, processes, begun=resume["begun"])
    if sampler is not None and of_sampler is not None and not resume["batches"]:
        load_sampler(sampler, of_sampler)
    if of_dataset is not None:
        restore(loader.dataset, of_dataset["here"])
    return of_dataset is not None
