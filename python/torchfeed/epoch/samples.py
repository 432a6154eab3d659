"""Samples made one by one in this thread: first the native steps, then the steps that are left to Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from torchfeed import _native
from torchfeed.decode import image_info
from torchfeed.decode.pillow_limits import PillowLimits, pillow_limits
from torchfeed.limits import Limits, get_limits, slow_samples
from torchfeed.plan.compile import Compiled, compile_leaves
from torchfeed.plan.drawn import Key, python_seed
from torchfeed.plan.pixels import to_pil
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.sample_source import Given, give_with_metadata
from torchfeed.recognize.tree import Tree
from torchfeed.settings import Options
from torchfeed.util.caller import warn_caller
from torchfeed.util.dlpack import to_tensors
from torchfeed.util.random_state import own_random_state, random_state_turns, seed_everything

__all__ = ["SampleMaker", "metadata_of"]

_IDLE_BYTES = 40 << 20
"""Memory for pixels that is kept while no thread uses it: enough for one photo of 12 megapixels."""


class SampleMaker:
    """Makes samples of recognised datasets one by one, as (image, target), whatever part of them runs in Python."""

    def __init__(self, tree: Tree[Leaf], options: Options | None = None, *, batched: bool = True) -> None:
        self.tree = tree
        self.batched = batched
        self.options = options or Options()
        self._compiled: tuple[tuple[int, Limits, PillowLimits], Compiled] | None = None
        # Native epochs that no thread uses now. There are at most as many as were in use at the same time.
        self._epochs: list[tuple[int, _native.Pipeline, _native.Epoch]] = []
        self._told: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None, "_epochs": []}

    @property
    def compiled(self) -> Compiled:
        """The native part."""
        return self._compile()[1]

    def _compile(self) -> tuple[Limits, Compiled]:
        """Makes the native part, if it is not there, in this process and with these limits.

        A forked process makes its own: the parent's may be locked by a thread that is not here.
        """
        limits = self.options.limits or get_limits()
        state = os.getpid(), limits, pillow_limits()
        made = self._compiled  # asked for once: another thread may change it
        # Limits that were set may be equal to those that nobody set.
        if made is None or made[0] != state or made[0][1] is not limits:
            leaves = self.tree.leaves
            images = leaves[0].plan.kind is Image.Image
            memory_format = torch.channels_last if images else torch.contiguous_format
            options = replace(self.options, memory_format=memory_format, limits=limits)
            made = state, compile_leaves(leaves, options)
            self._compiled = made
        return limits, made[1]

    def make(self, keys: Sequence[Key], *, seeded: bool = True, keeps_random_state: bool = False) -> list[Any]:
        """Makes the samples of some keys, each as its dataset returns it: usually (image, target).

        With `seeded`, torch's, NumPy's and Python's random states are seeded for each sample before its part in
        Python runs, and threads run these parts one after the other; with `keeps_random_state`, the states are at the
        end what they were before.
        """
        places = [self.tree.locate(key.sample, batched=self.batched) for key in keys]
        leaves = [self.tree.leaf(place) for place in places]
        brings = any(leaf.brings for leaf, _ in leaves)
        with own_random_state() if keeps_random_state and brings else nullcontext():
            given, targets, metadata = give_with_metadata(leaves)
        made = self._native_part(keys, places, given, seeded=seeded)
        samples = []
        with own_random_state() if keeps_random_state else nullcontext():
            for position, (leaf, index) in enumerate(leaves):
                plans = zip(made[position], leaf.plan.views, strict=True)
                views = [_as_kind(view, plan.kind) for view, plan in plans]
                image: Any = leaf.plan.arranged(views)
                if leaf.plan.wants_metadata:
                    image.info = _metadata(leaf, index, given[position] if given else None) or metadata[position]
                with random_state_turns if seeded and leaf.why else nullcontext():
                    if seeded and leaf.why:
                        seed_everything(python_seed(keys[position], places[position]))
                    samples.append(leaf.finish(image, targets[position]))
        return samples

    def _native_part(
        self, keys: Sequence[Key], places: Sequence[int], given: list[Given] | None, *, seeded: bool
    ) -> list[tuple[Tensor, ...]]:
        """Runs the native pipeline, for all samples at once if they have one size; gives the views of each image."""
        limits, compiled = self._compile()
        pipeline, epoch = compiled.pipeline, None
        with suppress(IndexError):
            epoch = self._epochs.pop()  # this thread's alone, and not kept if anything fails
        numbers = range(len(keys))
        sized = all(pipeline.output_size(view) is not None for view in range(len(compiled.tables)))
        one_batch = sized and len({key.seed for key in keys}) == 1
        made: list[tuple[Tensor, ...]] = []
        for group in [numbers] if one_batch else [[number] for number in numbers]:
            seed = keys[group[0]].seed
            if epoch is None or epoch[0] != seed or epoch[1] is not pipeline:
                epoch = seed, pipeline, _native.Epoch(pipeline, seed, 0)
            epoch[2].submit(
                [places[number] for number in group],
                occurrences=[keys[number].occurrence for number in group],
                provided=_native.Source.provided([given[number] for number in group]) if given else None,
            )
            *views, _ = to_tensors(epoch[2].next())
            made += zip(*(view.unbind() for view in views), strict=True)
            self._report_slow_samples(epoch[2], seed if seeded else -1, limits)
        # Its memory stays for the next sample, but not that of many threads for large images.
        if epoch is not None and epoch[2].largest() * (1 + len(self._epochs)) <= _IDLE_BYTES:
            self._epochs.append(epoch)
        return made

    def _report_slow_samples(self, epoch: _native.Epoch, told: int, limits: Limits) -> None:
        """Warns of slow samples once for each value of `told`, which stands for the epoch.

        A worker process does not know where the epoch ends, so it warns of the first slow sample.
        """
        if self._told != told:
            count, slowest = epoch.slow()
            if count:
                self._told = told
                warn_caller(slow_samples(count, slowest, limits.soft_seconds))


def _as_kind(image: Tensor, kind: type[Any]) -> Any:
    """Makes of an image what the native part of a plan ends in."""
    if kind is Tensor:
        return image
    return to_pil(image) if kind is Image.Image else image.as_subclass(kind)


def _metadata(leaf: Leaf, index: int, given: Given) -> dict[Any, Any]:
    """What the PIL image of a sample would have in `info`, had torchvision opened the file."""
    if given is not None:
        return {} if given[0] == "array" else image_info(given[1], is_path=given[0] == "path")
    return metadata_of(leaf.dataset, leaf.source, index)


def metadata_of(dataset: Any, source: _native.Source, index: int) -> dict[Any, Any]:
    """Reads the metadata of an image that a dataset lists: of a file, or of the bytes of a file."""
    path = source.path(index)
    if path is not None:
        return image_info(path, is_path=True)
    images = getattr(dataset, "images", None)
    return image_info(images[index], is_path=False) if source.is_encoded and images is not None else {}
