"""The cursor: the position in one epoch, its seed, its order, and how a resumed epoch gets there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader as TorchDataLoader

from torchfeed import _native
from torchfeed.bad_samples.report import ErrorReport, Tally
from torchfeed.bad_samples.substitute_pool import SampledBatch, SubstitutePool
from torchfeed.settings import Options
from torchfeed.util.asked_ahead import AskedAhead

from .state import (
    NO_BASE,
    State,
    between_epochs,
    decode_states,
    generators_of,
    set_states,
    states_of,
    within_epoch,
)
from .stateful import Parts, freeze, noting_global_generator, open_parts
from .stateful.worker_batches import Place

__all__ = ["Cursor"]

_SEED_STEP = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: far apart, and no two epochs alike


class Cursor:
    """The place in one epoch of a loader, from its seed and order to the number of batches that were handed out.

    Three things determine an epoch: its base seed, the states of the random generators when the sampler is asked for an
    iterator, and their states when that iterator is asked for its first indices. A saved state holds all three, so the
    training loop may draw random numbers in between. Each iterator of a loader has a cursor of its own. Native epochs
    and torch's iterators ask it for indices, count samples and batches with it, and report bad samples to it.

    Args:
        loader: the loader, whose sampler and generators count.
        options: its options.
        errors: where bad samples are listed.
        previous: the cursor of the epoch before, where the same iterator goes on, as with persistent workers.
        resume: the state to go on from.
        follows_end: whether an epoch of the loader has ended.
    """

    def __init__(
        self,
        loader: TorchDataLoader[Any],
        options: Options,
        errors: ErrorReport,
        previous: Cursor | None = None,
        resume: State | None = None,
        *,
        follows_end: bool = False,
    ) -> None:
        self.skip = int(resume["batches"]) if resume else 0
        """How many batches a resumed epoch passes over."""
        self.batches = 0
        """How many batches were handed out or passed over."""
        self.over = False
        self.handed = self.skip > 0
        """Whether the epoch has had a batch."""
        self._generators = generators_of(loader)
        self._persistent = loader.persistent_workers and loader.num_workers > 0
        self._resume = resume
        self._base = previous.next_base if previous is not None else None
        if resume:
            self._base = None if resume["base_seed"] == NO_BASE else (int(resume["base_seed"]), int(resume["epoch"]))
        self._seed_is_known = self._base is not None
        # The states of the generators at the two moments that count.
        self._at_iter = decode_states(resume["generators"], self._generators) if resume else states_of(self._generators)
        self._at_order = self._at_iter
        if resume and resume["begun"]:
            self._at_order = [
                known if state is None else state
                for known, state in zip(self._at_iter, decode_states(resume["order"], self._generators), strict=True)
            ]
        self._has_order = False
        self._flows = False  # whether the generators stand where the resumed epoch goes on without being set
        self._asked_ahead = AskedAhead()
        self.occurrences: _native.Occurrences | None = None
        """Counts the samples, where what is random in them depends on how often they came up before."""
        self._pool: SubstitutePool | None = None
        self._tally: Tally | None = None
        self._parts: Parts | None = open_parts(
            loader,
            None if previous is None else previous._parts,  # noqa: SLF001  (of another cursor)
            resume,
            self._begin_order_again,
            follows_end=follows_end,
        )
        """What has a state of its own; `None` where nothing has."""
        if options.tolerant:
            self._pool = SubstitutePool(
                batched=loader._auto_collation,  # noqa: SLF001  (torch's own name)
                keeps=options.on_error == "replace",
            )
            self._tally = Tally(errors, options.max_errors)

    # Seeds

    def take_base_seed(self, drawn: int) -> int:
        """Keeps the base seed that torch's iterator drew, unless the epoch has one; returns the epoch's.

        With ``persistent_workers`` torch draws once for all epochs; later ones then count up from there, so that each
        has augmentations of its own.
        """
        if self._base is None:
            self._base = drawn, 0
        return self._base[0]

    @property
    def seed(self) -> int | None:
        """The seed of all that is random in the epoch's samples; `None` before the iterator has drawn it."""
        if self._base is None:
            return None
        base, epoch = self._base
        return (base + epoch * _SEED_STEP) % 2**64

    @property
    def next_base(self) -> tuple[int, int] | None:
        """The base seed and the number of the next epoch, where the same iterator has it."""
        return (self._base[0], self._base[1] + 1) if self._base else None

    # Samples

    def count_samples(self, size: int) -> None:
        """Begins to count the samples of datasets that have `size` of them."""
        self.occurrences = _native.Occurrences(size)

    def occurrence(self, place: int) -> int:
        """Counts a sample; returns how often it came up before in the epoch."""
        assert self.occurrences is not None, "samples that are not counted draw nothing"
        return self.occurrences.count([place])[0]

    # The order

    @property
    def resumes(self) -> bool:
        """Whether the epoch goes on from a state."""
        return self._resume is not None

    @property
    def asks_at_once(self) -> bool:
        """Whether the sampler must be asked while the epoch begins: only then are the generators set as it needs."""
        return self._resume is not None and not self._flows

    @property
    def jumps(self) -> bool:
        """Whether the epoch goes on from a state without making the samples that came before."""
        return self._parts is not None and self._parts.jumps

    @property
    def index_sampler(self) -> Any:
        """What iterators are to ask for indices in place of the loader's sampler; `None` is that sampler itself."""
        return None if self._parts is None or self._parts.sampler is None else self._parts.sampler.index_sampler

    @property
    def sampled(self) -> SampledBatch | None:
        """The batch that the sampler gave last, where samples may be replaced or left out."""
        return None if self._pool is None else self._pool.latest

    @property
    def is_tolerant(self) -> bool:
        """Whether samples may be replaced or left out."""
        return self._pool is not None

    def run_here(self) -> None:
        """Notes that this process makes the samples."""
        if self._parts is not None:
            self._parts.dataset.run_here()

    def run_in_workers(self, loader: Any, seen: dict[str, Any], *, seeded: bool) -> None:
        """Changes what torch's iterators are to see of the loader, so that states are kept where samples are made.

        Args:
            loader: the loader.
            seen: what they are to see in place of the loader's attributes.
            seeded: whether samples seed the random generators, so that the states of these do not count.
        """
        if self._parts is not None:
            self._parts.dataset.run_in(loader.num_workers, loader, seen, seeded=seeded)
        if self.index_sampler is not None:
            seen["_index_sampler"] = self.index_sampler

    def note_worker(self, place: Place) -> None:
        """Notes where the worker process is that made a batch."""
        assert self._parts is not None, "batches carry places where there are states"
        self._parts.dataset.note(place)

    @property
    def turn(self) -> int:
        """The worker process that makes the next batch: this number, modulo the number of processes."""
        known = None if self._parts is None else self._parts.dataset.turn
        return self.skip if known is None else known

    @property
    def follows_end(self) -> bool:
        """Whether an epoch of the loader ended before; matters to samplers and datasets with a state."""
        return self._parts is not None and self._parts.follows_end

    @contextmanager
    def borrowed_generators(self) -> Generator[None]:
        """Sets the generators to where a state has them, while a resumed epoch begins.

        The generators of the loader and of its samplers go on from there. The global generator belongs to the caller,
        who may have restored it from a checkpoint: it is given back. But where it stands just where the state was
        taken, before the order was drawn, it is left alone, and the epoch begins as it would have done.
        """
        if self._resume is None:
            yield
            return
        before = torch.default_generator.get_state()
        next_draw = self._at_order if self._resume["begun"] else self._at_iter
        self._flows = not self._resume["drawn"] and torch.equal(before, next_draw[0])
        set_states(self._generators, self._at_iter)
        noted: list[Tensor] = []
        try:
            with noting_global_generator() as noted:
                yield
        finally:
            if noted:  # by a dataset that keeps it in its own state
                torch.default_generator.set_state(noted[0])
            elif not self._flows:
                torch.default_generator.set_state(before)
            elif self._resume["begun"]:
                set_states(self._generators, self._at_order)

    def begin_order(self) -> None:
        """Notes the generators before the sampler is asked for the iterator that counts."""
        if self._resume is not None and self._seed_is_known:
            # torch has drawn a base seed meanwhile, which the epoch did not where it began.
            set_states(self._generators, self._at_iter)
        else:
            self._at_iter = states_of(self._generators)

    def ask(self, draw: Callable[[], Any]) -> Any:
        """Gives what the sampler gives next.

        Args:
            draw: asks the sampler.

        Raises:
            StopIteration: there is no more.
        """
        if self._asked_ahead:
            return self._asked_ahead.take()
        if not self._has_order:
            self._note_order()
        if self._parts is not None:
            return self._parts.ask(draw, self._pool)
        return draw() if self._pool is None else self._pool.draw(draw)

    def ask_ahead(self, draw: Callable[[], Any]) -> None:
        """Asks the sampler now, while the generators are where the state has them, for what `ask` gives later."""
        if self._has_order or not self.asks_at_once:
            return
        self._asked_ahead.ask(partial(self.ask, draw))

    def _note_order(self) -> None:
        self._has_order = True
        if self.asks_at_once and self._resume is not None and self._resume["begun"]:
            set_states(self._generators, self._at_order)
        else:
            self._at_order = states_of(self._generators)

    def _begin_order_again(self, load: Callable[[], None], begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Makes an iterator of a sampler that has a state, when it is first asked.

        Its order may follow from the generators as they were when the epoch began, or as they were when it was first
        asked. What the state itself has set, it has set for what comes next.
        """
        if not self.asks_at_once:
            load()
            return begin()
        set_states(self._generators, self._at_iter)
        load()
        loaded = states_of(self._generators)
        iterator = begin()
        for number, generator in enumerate(self._generators):
            if torch.equal(loaded[number], self._at_iter[number]):
                generator.set_state(self._at_order[number])
        return iterator

    def pass_over(self, draw: Callable[[], Any], skip: Callable[[Any], object] | None) -> None:
        """Passes over the batches that a resumed epoch has had, unless the sampler goes on from a state of its own.

        Args:
            draw: asks the sampler.
            skip: is told of the indices of each batch, if what is random in samples depends on how often they came.

        Raises:
            ValueError: there are fewer batches than the state says.
        """
        if self._parts is not None and self.batches <= self.skip and self._parts.go_on(skip, self._pool):
            self.batches = self.skip
            return
        while self.batches < self.skip:
            try:
                drawn = self.ask(draw)
            except StopIteration:
                raise self.too_few() from None
            if skip is not None:
                skip(drawn)
            self.advance()

    def too_few(self) -> ValueError:
        """Says that the epoch has fewer batches than the state."""
        return ValueError(
            f"the state is {self.skip} batches into its epoch, which has {self.batches} batches here: load it into a "
            "loader of the same dataset, sampler and batch size"
        )

    # Hand-out

    def advance(self) -> None:
        """Counts a batch that was handed out or passed over."""
        self.batches += 1
        if self._parts is not None:
            self._parts.advance()

    def note_bad(self, found: Sequence[Any], end: int) -> None:
        """Notes the bad samples of a batch; `end` is the number in the epoch of the sample behind it.

        Raises:
            RuntimeError: there are more than `max_errors`.
        """
        if self._tally is not None:
            self._tally.note(found, end)

    def finish(self) -> None:
        """Ends the epoch.

        Raises:
            RuntimeError: all its samples were bad.
        """
        self.over = True
        if self._tally is not None:
            self._tally.finish(handed=self.handed)

    def state(self) -> State:
        """Writes the place as plain values."""
        return self.keep()()

    def keep(self) -> Callable[[], State]:
        """Keeps the place as it is now, which takes microseconds; returns what writes it as plain values.

        What cannot be kept of a dataset or a sampler is an error when the place is written, and not before.
        """
        batches, parts = max(self.batches, self.skip), None
        if self._parts is not None:
            parts = freeze(partial(self._parts.write, batches, over=self.over))
        if self.over:
            return partial(
                between_epochs, self.next_base if self._persistent else None, states_of(self._generators), parts
            )
        # Where the order is still to be drawn, it will follow from the generators as they are then.
        at_order = self._at_order if self._has_order else states_of(self._generators)
        return partial(within_epoch, batches, self._base, self._at_iter, at_order, parts, drawn=self._has_order)
