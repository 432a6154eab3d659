"""The steps of a transform: how they are nested, and what each one is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image
from torch import Tensor, nn

from torchfeed import _native

from .arguments import Op
from .common import Unrecognized, describe
from .conversions import channels_after
from .known_classes import class_name, why_in_python
from .on_tensor import check_padding
from .own_code import as_known, chain_of, merged, trace_of, why_not_traced
from .rules import RULES, Pads
from .self_test import check_functions
from .tracing import Made
from .value import Ramp

__all__ = [
    "check_on_tensor",
    "flatten",
    "has_plain_steps",
    "may_lose_metadata",
    "notes_of",
    "own_name",
    "padding_of",
    "read_step",
]

_IMAGES = (Tensor, Image.Image)


def flatten(transform: Any) -> Iterator[Any]:
    """Yields the steps of a transform, however it is nested; steps that do nothing are left out."""
    if transform is None:
        return
    if type(transform) is tuple:  # several, one after the other
        for step in transform:
            yield from flatten(step)
        return
    transform = as_known(transform)
    # Of other classes the code is looked at later.
    name = class_name(transform) if type(transform).__name__ in {"Compose", "Identity", "Sequential"} else None
    if name == "Sequential" or (name == "Compose" and has_plain_steps(transform)):
        for step in transform if name == "Sequential" else transform.transforms:
            yield from flatten(step)
    elif name != "Identity":
        chain = chain_of(transform)
        if chain is None:
            yield transform
        else:
            for step in chain:
                yield from flatten(step)


def has_plain_steps(container: Any) -> bool:
    """Whether the steps inside a transform are a list that is no more than that."""
    steps = container.transforms
    return type(steps) in {list, tuple} or (type(steps) is nn.ModuleList and class_name(steps) is not None)


def own_name(transform: Any) -> str:
    """Names the class of torchfeed's that a transform is of, or inherits from."""
    own = (cls for cls in type(transform).__mro__ if cls.__module__.startswith("torchfeed.transforms."))
    return next(cls.__name__ for cls in own if cls.__name__ in RULES)


def read_step(step: Any, channels: int) -> tuple[Op, list[str]]:
    """Reads an op of PIL images, or a random composition; also the name of its class at each position, outermost first.

    Args:
        step: the transform.
        channels: of the images, inside a composition too, which is why no step there may change the number.

    Raises:
        Unrecognized: it is none, or has an argument that the native engine does not run.
    """
    name = class_name(step)
    rule = RULES.get(name or "")
    if name is not None and rule is not None:
        if rule.compose is not None and has_plain_steps(step):
            read = [[_read_inside(inner, channels) for inner in flatten(transform)] for transform in step.transforms]
            inside = [each for branch in read for _, names in branch for each in names]
            return rule.compose(step, [[op for op, _ in branch] for branch in read]), [name, *inside]
        # v2's pass over images of types that are not listed.
        if rule.read is not None and set(_IMAGES) <= set(getattr(step, "_transformed_types", _IMAGES)):
            return _checked(rule.read(step), name)
    if isinstance(step, Made):
        return _checked(step.op, _name_of(step))
    found = trace_of(step)
    if found is None or not found.is_one_image:
        raise Unrecognized(why_in_python(step) + (_CROPS.get(name or "") or why_not_traced(step)))
    branches = []
    for way in found.ways:
        steps = [inner for inner in flatten(way.nest) if channels_after(inner, channels) != channels]
        branches.append((way.odds, [_read_inside(inner, channels) for inner in steps]))
    inside = [each for _, read in branches for _, names in read for each in names]
    return merged([(odds, [op for op, _ in read]) for odds, read in branches]), [_name_of(step), *inside]


_CROPS = dict.fromkeys(
    ("FiveCrop", "TenCrop"),
    ". Its crops are native where a function of yours makes a tensor of each, lists or stacks these, and does no more",
)


def _checked(op: Op, name: str) -> tuple[Op, list[str]]:
    check_functions(op)
    try:
        return op, [name] * _native.Op(op).positions
    except ValueError as refused:
        raise Unrecognized(f"{name} has no native kernel: {refused}") from None


def _name_of(step: Any) -> str:
    """Names the class of a step, or the function that it is."""
    if isinstance(step, Made):
        return next(iter(step.op))
    return describe(step).rpartition(".")[2]


def _read_inside(step: Any, channels: int) -> tuple[Op, list[str]]:
    """Reads a step of a random composition."""
    op, names = read_step(step, channels)
    rule = RULES.get(class_name(step) or "")
    if rule is not None and rule.channels is not None and rule.channels(step) != channels:
        raise Unrecognized(f"{describe(step)} may change the number of channels, and so runs in Python")
    return op, names


def _inside(step: Any) -> list[Any] | None:
    """The steps inside a random composition, or those that a user's own code calls; `None` where a step is neither."""
    found = trace_of(step)
    if found is not None and found.is_one_image:
        return [inner for way in found.ways for inner in flatten(way.nest)]
    rule = RULES.get(_name_of(step))
    if rule is None or rule.compose is None:
        return None
    return [inner for branch in step.transforms for inner in flatten(branch)]


def padding_of(step: Any, name: str) -> Pads | None:
    """The padding that a step of a class may do."""
    rule = RULES.get(name)
    return None if rule is None else rule.pads(step)


def may_lose_metadata(step: Any) -> bool:
    """Whether a step may enlarge an image by padding, or blend it with a new one, and so lose its metadata."""
    inside = _inside(step)
    if inside is not None:
        return any(map(may_lose_metadata, inside))
    rule = RULES.get(_name_of(step))
    return rule is not None and (rule.pads(step) is not None or rule.loses_metadata(step))


def notes_of(step: Any) -> list[str]:
    """What an op, or one in a random composition, does not do quite as torchvision does."""
    inside = _inside(step)
    if inside is not None:
        return [note for inner in inside for note in notes_of(inner)]
    return list(RULES[_name_of(step)].notes)


def check_on_tensor(step: Any, ramp: Ramp) -> list[str]:
    """Checks that a step does to a tensor what it does to the pixels before; returns what differs.

    Raises:
        Unrecognized: it does not, or not if it moves in front of the value transforms.
    """
    inside = _inside(step)
    if inside is not None:
        return [note for inner in inside for note in check_on_tensor(inner, ramp)]
    rule = RULES[_name_of(step)]
    notes = rule.on_tensor(step, ramp)
    pads = rule.pads(step)
    if pads is not None:
        check_padding(step, pads.fill, pads.mode, ramp)
    return notes
