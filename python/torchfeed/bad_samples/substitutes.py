"""Puts substitutes into native batches in the places of bad samples, or closes the gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from torchfeed.batch.one_hot import one_hot
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.sample_source import Given, give

from .policy import LEFT_OUT, is_bad_sample

__all__ = ["check_target", "give_each", "mend"]


def give_each(samples: Sequence[tuple[Leaf, int]]) -> tuple[list[Given], list[Any], dict[int, Exception]]:
    """As `give`, and for each sample that cannot be given, why, by position."""
    items: list[Given] = []
    targets: list[Any] = []
    errors: dict[int, Exception] = {}
    for position, sample in enumerate(samples):
        item: Given = None
        target: Any = 0
        try:
            found, (target,) = give([sample])
            item = found[0] if found else None
            check_target(sample[0], target)
        except Exception as error:
            if not is_bad_sample(error):
                raise
            errors[position] = error
        items.append(item)
        targets.append(target)
    return items, targets, errors


def check_target(leaf: Leaf, target: Any) -> None:
    """Refuses a class index that has no place in its one-hot row."""
    levels: Any = leaf.target_transform
    if leaf.one_hot is not None:
        one_hot([target], levels.num_classes, dtype=levels.dtype, smoothing=levels.smoothing)


def mend(
    views: list[Tensor],
    targets: Any,
    failed: Sequence[int],
    settle: Callable[[int], Any],
    memory_format: torch.memory_format,
) -> tuple[list[Tensor], Any] | None:
    """Fills or closes the places of a batch's bad samples.

    Args:
        views: the images, usually one tensor: shape (N, C, H, W); (N, C, 0, 0) where all samples failed and the size
            depends on them.
        targets: N of them, in a tensor or a list.
        failed: the positions.
        settle: gives the (views, target) to be put in one, or `LEFT_OUT`.
        memory_format: of images that are of no size so far.

    Returns:
        Views and targets, in the same memory where they have a size; fewer where samples are left out, `None` if no
        sample is left.

    Raises:
        RuntimeError: images of unequal size.
    """
    keep = sorted({*range(len(views[0]))}.difference(failed))
    for position in sorted(failed):
        made = settle(position)
        if made is LEFT_OUT:
            continue
        substitutes, target = made
        views = [_put(images, position, image, memory_format) for images, image in zip(views, substitutes, strict=True)]
        targets[position] = target
        keep.append(position)
    if not keep:
        return None
    for at, position in enumerate(sorted(keep)):
        if at != position:
            for images in views:
                images[at].copy_(images[position])
            targets[at] = targets[position]
    return [images[: len(keep)] for images in views], targets[: len(keep)]


def _put(images: Tensor, position: int, image: Tensor, memory_format: torch.memory_format) -> Tensor:
    """Puts an image in its place; returns the images, which may be of a size only now.

    Raises:
        RuntimeError: it is of another size.
    """
    if images.numel() == 0:
        shape = (len(images), *image.shape)
        images = torch.empty(shape, dtype=image.dtype, device="cpu", memory_format=memory_format)
    if image.shape != images.shape[1:]:
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {list(images.shape[1:])} and, of a substitute at "
            f"entry {position}, {list(image.shape)}: add a Resize to a pair, or a crop, to the transform"
        )
    images[position].copy_(image)
    return images
