"""Recognition of a whole transform: what the native engine runs of it, and what is left to Python.

Classes are recognised by name and by the package that they come from, never by importing torchvision, and only if they
are those very classes, with their own code: a subclass may do anything, and so may a function that replaces a method.

A transform is a chain of steps. Geometry comes first, on 8-bit images; value transforms, which look at one pixel at a
time, become a table. Geometry that follows them moves in front of them where that makes no difference: a crop or a
flip only chooses pixels. At the first step that is neither, the chain is cut: that step and all after it run in Python.

A `MultiViewTransform` holds several transforms, one for each view of the image. It is native if all of them are, to
their ends; otherwise all of it runs in Python.

Code of the user's own that gets a PIL image, be it a step, a step inside another one or a collate_fn, may read its
metadata (`ImageOps.exif_transpose` does). torchvision's crops, flips and resizes hand the metadata on and its paddings
do not, so before such code the chain is cut at the first step that may pad.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from torch import Tensor

from torchfeed import _native

from .common import Unrecognized
from .geometry import (
    GEOMETRY,
    INTERPOLATIONS,
    STRUCTURE,
    Geometry,
    fill_of,
    flatten,
    has_plain_steps,
    own_name,
    read_geometry,
)
from .known import class_name, why_in_python
from .metadata import may_see_metadata
from .value import VALUES, Ramp, Table

__all__ = ["Plan", "recognize", "recognize_geometry"]

RESIZED_TENSOR = "resizes as on a PIL image, which differs from a tensor's resize by at most one level of 255"


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
    """The plans of several views of the image, which a sample is then a list of; the first one's table and kind are
    those here. Empty for an image as such."""

    @property
    def views(self) -> tuple[Plan, ...]:
        """The plan of each view: this one, if there are not several."""
        return self.several or (self,)

    @property
    def is_random(self) -> bool:
        """Whether the native part draws anything at all."""
        return any(op.is_random for op in self.ops)

    def drawn_names(self, calls: Sequence[tuple[int, str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
        """Names drawn calls by their transforms' classes, with Pillow's names of the filters."""
        named = []
        for position, _, parameters in calls:
            if "interpolation" in parameters:
                parameters["interpolation"] = Image.Resampling(parameters["interpolation"])
            named.append((self.names[position], parameters))
        return named


def recognize(
    transform: Callable[[Any], Any] | None, channels: int = 3, *, images: bool = False, metadata: bool = True
) -> Plan:
    """Compiles a transform of 8-bit PIL images, as far as it is recognised.

    Args:
        transform: the transform.
        channels: of the images, 1 or 3.
        images: whether value transforms count as unrecognised, so that the native part makes PIL images.
        metadata: whether the images have any.
    """
    steps = list(flatten(transform))
    why, end = "", len(steps)
    if len(steps) == 1 and _makes_views(steps[0]) and not images:
        try:
            return _read_views(steps[0], channels)
        except Unrecognized as reason:
            why, end = str(reason), 0
    plan = _chain(steps, channels, end, why, images=images)
    if not metadata or plan.kind is not Image.Image or not may_see_metadata(plan.rest):
        return plan
    padding = (i for i, step in enumerate(steps[: len(steps) - len(plan.rest)]) if _may_pad(step))
    cut = next(padding, None)
    return replace(plan if cut is None else _chain(steps, channels, cut, plan.why), wants_metadata=True)


def _makes_views(step: Any) -> bool:
    return type(step).__module__ == "torchfeed.transforms.structure" and class_name(step) == "MultiViewTransform"


def _read_views(transform: Any, channels: int) -> Plan:
    """Compiles a `MultiViewTransform`.

    Raises:
        Unrecognized: a view is not native to its end.
    """
    if not has_plain_steps(transform) or not transform.transforms:
        raise Unrecognized(why_in_python(transform))
    views = tuple(recognize(each, channels, metadata=False) for each in transform.transforms)
    for number, view in enumerate(views):
        if view.why or view.several:
            why = view.why or "it is made of views itself"
            raise Unrecognized(f"views run in Python, because of view {number}: {why}")
    return replace(
        views[0],
        ops=tuple(op for view in views for op in view.ops),
        names=tuple(name for view in views for name in view.names),
        notes=tuple(dict.fromkeys(note for view in views for note in view.notes)),
        several=views,
    )


def _chain(steps: Sequence[Any], channels: int, cut: int, why: str = "", *, images: bool = False) -> Plan:
    """Compiles the steps up to `cut`, or up to the first that is not native."""
    ramp, values = Ramp(channels), set() if images else VALUES
    geometry: list[Geometry] = []
    names: list[str] = []
    notes: list[str] = []
    done = 0
    for step in steps[:cut]:
        try:
            if class_name(step) in values:
                ramp.apply(step)
            else:
                read, inner = read_geometry(step)
                if ramp.is_tensor:
                    notes += _check_on_tensor(step, ramp)
                geometry.append(read)
                names += inner
        except Unrecognized as reason:
            why = str(reason)
            break
        done += 1
    if not why and not ramp.is_tensor:
        why = "the transform does not make a tensor: end it with ToTensor() or PILToTensor()"
    return Plan(
        ops=tuple(map(_native.Op, geometry)),
        names=tuple(names),
        values=tuple(map(repr, ramp.steps)),
        table=ramp.table(),
        kind=type(ramp.made) if ramp.is_tensor else Image.Image,
        rest=tuple(steps[done:]),
        why=why,
        notes=tuple(dict.fromkeys(notes)),
    )


def _may_pad(step: Any) -> bool:
    """Whether a geometric step may enlarge an image by padding, and so lose its metadata."""
    name = type(step).__name__
    if name in STRUCTURE:
        return any(_may_pad(part) for branch in step.transforms for part in flatten(branch))
    return name in {"Pad", "CenterCrop"} or (name == "RandomCrop" and bool(step.padding or step.pad_if_needed))


def recognize_geometry(transforms: Sequence[Callable[[Any], Any]], channels: int) -> Plan:
    """Compiles geometric transforms of torchfeed's only, by whatever code they are called; pixels stay as they are.

    Raises:
        Unrecognized: one has an argument that the native engine does not run.
    """
    names = [own_name(step) for step in transforms]
    ops = tuple(_native.Op(GEOMETRY[name](step)) for name, step in zip(names, transforms, strict=True))
    return Plan(ops, tuple(names), (), Ramp(channels).table(), Tensor)


def _check_on_tensor(step: Any, ramp: Ramp) -> list[str]:
    """Checks that a geometric step does to a tensor what it does to a PIL image; returns what differs.

    Raises:
        Unrecognized: it does not, or not if it moves in front of the value transforms.
    """
    name = type(step).__name__
    if name in STRUCTURE:
        inner = [part for branch in step.transforms for part in flatten(branch)]
        return [note for part in inner for note in _check_on_tensor(part, ramp)]
    early = f"move {name} before the step that makes a tensor"
    if name in {"Resize", "RandomResizedCrop"}:
        filters = {INTERPOLATIONS["bilinear"], INTERPOLATIONS["bicubic"]}
        mode = getattr(step.interpolation, "value", step.interpolation)
        if INTERPOLATIONS.get(str(mode), mode) not in filters or step.antialias is not True:
            raise Unrecognized(f"{name} of a tensor with {mode}, antialias={step.antialias} runs in Python: {early}")
        if not ramp.is_identity:
            raise Unrecognized(f"{name} of a floating point tensor runs in Python: {early}")
        return [f"{name} {RESIZED_TENSOR}"]
    if name not in {"CenterCrop", "Pad", "RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"}:
        raise Unrecognized(f"{name} of a tensor runs in Python: {early}")
    fill: Any = None
    if name == "CenterCrop":
        fill = 0  # around an image that is smaller than the crop
    elif name == "Pad" or (name == "RandomCrop" and (step.padding is not None or step.pad_if_needed)):
        mode = str(getattr(step.padding_mode, "value", step.padding_mode))
        fill = fill_of(step)
        fill = 0 if fill is None else fill
        if mode != "constant" or not isinstance(fill, (int, float)):
            raise Unrecognized(f"{name} of a tensor with padding_mode={mode!r}, fill={fill} runs in Python: {early}")
    if fill is not None and ramp.pixel(fill) != [int(fill)] * ramp.channels:
        raise Unrecognized(f"{name} fills with {fill}, which no pixel becomes there: {early}")
    return []
