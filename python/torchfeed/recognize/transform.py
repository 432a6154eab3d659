"""Recognition of a whole transform: what the native engine runs of it, and what is left to Python.

Classes are recognised by name and by the package that they come from, never by importing torchvision, and only if they
are those very classes, with their own code: a subclass may do anything, and so may a function that replaces a method.

A transform is a chain of steps. Geometry and colours come first, on 8-bit images; value transforms, which look at one
pixel at a time, become a table. Geometry that follows them moves in front of them where that makes no difference: a
crop or a flip only chooses pixels. Steps that leave an image as it is are passed over. At the first step that is none
of these, the chain is cut: that step and all after it run in Python.

Images have one channel or three. A conversion among the steps changes that for those after it.

A `MultiViewTransform` or `Views` holds several transforms, one for each view of the image. It is native if all of them
are, to their ends; otherwise all of it runs in Python.

Code of the user's own that gets a PIL image, be it a step, a step inside another one or a collate_fn, may read its
metadata (`ImageOps.exif_transpose` does). torchvision's crops, flips and resizes hand the metadata on; its paddings and
most of its colours do not, so before such code the chain is cut at the first step that may lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from torchfeed import _native

from .arguments import Op
from .call import Call
from .common import Unrecognized, describe
from .conversions import channels_after, converted
from .erasing import random_erasing
from .known_classes import class_name
from .metadata import may_see_metadata
from .nest import nested
from .rules import RULES, names_of
from .steps import check_on_tensor, flatten, may_lose_metadata, notes_of, own_name, read_step
from .value import Ramp, Table
from .views import crops_in, nest_of

__all__ = ["ERASING", "Plan", "recognize", "recognize_geometry"]

VALUES = names_of(lambda rule: rule.kind == "values")
ERASING = "RandomErasing"


@dataclass(frozen=True)
class Plan:
    """A recognised transform."""

    ops: tuple[_native.Op, ...]
    """The geometric steps."""
    names: tuple[str, ...]
    """Their classes, and those of the steps inside them, in the order in which they are written."""
    values: tuple[str, ...]
    """The value transforms."""
    table: Table
    """What these do to a pixel."""
    kind: type[Any]
    """What the native part makes of a sample: `PIL.Image.Image`, `torch.Tensor` or a subclass of it."""
    rest: tuple[Callable[[Any], Any], ...] = ()
    """What Python does then."""
    why: str = ""
    """What keeps the rest from being native; empty if nothing does."""
    notes: tuple[str, ...] = ()
    """What differs from torchvision."""
    wants_metadata: bool = False
    """Whether the rest begins with a PIL image and may read its metadata."""
    several: tuple[Plan, ...] = ()
    """The plans of several views of the image, if there are; the first one's table and kind are those here."""
    nest: Any = 0
    """What a sample holds in the place of its image: the numbers of its views, in lists and dicts."""

    @property
    def views(self) -> tuple[Plan, ...]:
        """The plan of each view: this one, if there are not several."""
        return self.several or (self,)

    def arranged(self, views: Sequence[Any]) -> Any:
        """Puts the views of a sample where they belong."""
        return nested(self.nest, lambda number: views[number], stacked=torch.stack)

    def collated(self, views: Sequence[Any], stacked: Callable[[Sequence[Any]], Any]) -> Any:
        """Puts the views of a batch where they belong: torch makes lists of tuples.

        Args:
            views: the views.
            stacked: what becomes of views that the transform stacks.
        """
        return nested(self.nest, lambda number: views[number], tuples=list, stacked=stacked)

    @property
    def is_random(self) -> bool:
        """Whether the native part draws anything at all."""
        return any(op.is_random for op in self.ops)

    @property
    def erases(self) -> bool:
        """Whether values are written over after the table."""
        return ERASING in self.names

    def drawn_names(self, calls: Sequence[tuple[int, str, dict[str, Any]]]) -> list[Call]:
        """Names drawn calls by their transforms' classes, with Pillow's names of the filters."""
        named = []
        for position, function, parameters in calls:
            if "interpolation" in parameters:
                parameters["interpolation"] = Image.Resampling(parameters["interpolation"])
            named.append(Call(self.names[position], parameters, function))
        return named


def recognize(
    transform: Callable[[Any], Any] | tuple[Any, ...] | None,
    channels: int = 3,
    *,
    images: bool = False,
    metadata: bool = True,
) -> Plan:
    """Compiles a transform of 8-bit PIL images, as far as it is recognised.

    Args:
        transform: the transform, or several, called one after the other.
        channels: of the images, 1 or 3.
        images: whether value transforms count as unrecognised, so that the native part makes PIL images.
        metadata: whether the images have any.
    """
    steps = list(flatten(transform))
    why, end = "", len(steps)
    nest = None if images else nest_of(steps, channels)
    if nest is not None:
        try:
            return _read_views(nest, channels)
        except Unrecognized as reason:
            why, end = str(reason), crops_in(steps) or 0
    plan = _chain(steps, channels, end, why, images=images)
    if not metadata or plan.kind is not Image.Image or not may_see_metadata(plan.rest):
        return plan
    losing = (i for i, step in enumerate(steps[: len(steps) - len(plan.rest)]) if may_lose_metadata(step))
    cut = next(losing, None)
    return replace(plan if cut is None else _chain(steps, channels, cut, plan.why), wants_metadata=True)


def _read_views(chains: Any, channels: int) -> Plan:
    """Compiles the chains of several views, in lists, tuples and dicts.

    Raises:
        Unrecognized: a view is not native to its end.
    """
    found: list[Any] = []

    def number(chain: Any) -> int:
        found.append(chain)
        return len(found) - 1

    nest = nested(chains, number)
    views = tuple(recognize(each, channels, metadata=False) for each in found)
    if len({view.table.channels for view in views}) > 1:
        raise Unrecognized("views run in Python, because they have different numbers of channels")
    for place, view in enumerate(views):
        if view.why or view.several:
            why = view.why or "it is made of views itself"
            raise Unrecognized(f"views run in Python, because of view {place}: {why}")
    return replace(
        views[0],
        ops=tuple(op for view in views for op in view.ops),
        names=tuple(name for view in views for name in view.names),
        notes=tuple(dict.fromkeys(note for view in views for note in view.notes)),
        several=views,
        nest=nest,
    )


def _chain(steps: Sequence[Any], channels: int, cut: int, why: str = "", *, images: bool = False) -> Plan:
    """Compiles the steps up to `cut`, or up to the first that is not native."""
    ramp, values = Ramp(channels), frozenset() if images else VALUES
    ops: list[Op] = []
    names: list[str] = []
    notes: list[str] = []
    done = 0
    for step in steps[:cut]:
        try:
            read, inner, differs, channels = _read(step, ramp, names, values)
        except Unrecognized as reason:
            why = str(reason)
            break
        if channels != ramp.channels:
            ramp = Ramp(channels)
        ops += read
        names += inner
        notes += differs
        done += 1
    if not why and not ramp.is_tensor:
        why = "the transform does not make a tensor: end it with ToTensor() or PILToTensor()"
    return Plan(
        ops=tuple(map(_native.Op, ops)),
        names=tuple(names),
        values=tuple(map(repr, ramp.steps)),
        table=ramp.table(),
        kind=type(ramp.made) if ramp.is_tensor else Image.Image,
        rest=tuple(steps[done:]),
        why=why,
        notes=tuple(dict.fromkeys(notes)),
    )


def _read(
    step: Any, ramp: Ramp, names: Sequence[str], values: frozenset[str]
) -> tuple[list[Op], list[str], list[str], int]:
    """Reads a step after those of some names.

    Returns:
        The ops that it is, their classes, what differs from torchvision, and the channels afterwards.

    Raises:
        Unrecognized: it is not native there.
    """
    channels = ramp.channels
    after = None if ramp.is_tensor else channels_after(step, channels)
    if after is not None:
        ops, _ = converted({"RGB": {}}, channels) if after != channels else ([], channels)
        return ops, ["RGB"] * len(ops), [], after
    if type(step).__name__ == ERASING and class_name(step) == ERASING:
        return [random_erasing(step, ramp)], [ERASING], [], channels
    if ERASING in names:
        raise Unrecognized(f"{describe(step)} comes after {ERASING}, and so runs in Python")
    if class_name(step) in values:
        ramp.apply(step)
        return [], [], [], channels
    op, inner = read_step(step, channels)
    notes = notes_of(step) + (check_on_tensor(step, ramp) if ramp.is_tensor else [])
    ops, after = converted(op, channels)
    return ops, inner if ops else [], notes, after


def recognize_geometry(transforms: Sequence[Callable[[Any], Any]], channels: int) -> Plan:
    """Compiles geometric transforms of torchfeed's only, by whatever code they are called; pixels stay as they are.

    Raises:
        Unrecognized: one has an argument that the native engine does not run.
    """
    names = [own_name(step) for step in transforms]
    readers = [RULES[name].read for name in names]
    ops: list[Op] = []
    for read, step in zip(readers, transforms, strict=True):
        if read is not None:
            left, channels = converted(read(step), channels)
            ops += left
    return Plan(tuple(map(_native.Op, ops)), tuple(names), (), Ramp(channels).table(), Tensor)
