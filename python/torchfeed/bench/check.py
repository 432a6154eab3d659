"""Are the answers the same? Asserted before anything is timed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

import torch
from PIL import Image

from torchfeed.epoch.internals import internals
from torchfeed.plan.resolve import Gathered, Torch, resolve
from torchfeed.replay import replayed, same

__all__ = ["assert_same_bits", "leaves", "level_difference", "pil_image"]


def pil_image(dataset: Any, index: int) -> Image.Image:
    """Decodes a sample of a torchvision dataset of files, or of arrays in memory, as the dataset does."""
    if hasattr(dataset, "samples"):
        decoded: Image.Image = dataset.loader(dataset.samples[index][0])
        return decoded
    return Image.fromarray(dataset.data[index])


def assert_same_bits(loader: Any, order: Iterable[int], dataset: Any = None) -> str:
    """Asserts that torchfeed's batches are torchvision's, by replaying what was drawn.

    Args:
        loader: a `torchfeed.DataLoader` with `order` as its sampler.
        order: the indices of an epoch.
        dataset: the same samples as a torchvision dataset; that of the loader if omitted.

    Returns:
        What the answer is worth: ``"same bits"``, or a remark.

    Raises:
        AssertionError: bits or labels differ; the message names the sample.
    """
    dataset = loader.dataset if dataset is None else dataset
    way = resolve(loader.dataset, internals(loader).settings(loader))
    if isinstance(way, Torch):
        return f"torch's own path: {way.why}"
    assert not isinstance(way, Gathered), "tensors need no transforms"
    plan = way.tree.leaves[0].plan
    if plan.notes:
        return "; ".join(plan.notes)
    indices = iter(order)
    for images, labels in loader:
        for place, label in enumerate(labels.tolist()):
            index = next(indices)
            expected = leaves(replayed(pil_image(dataset, index), dataset.transform, loader.drawn(index), plan))
            for made, wanted in zip(leaves(images), expected, strict=True):
                same(made[place], wanted, f"sample {index} has other bits than torchvision's")
            if label != dataset.targets[index]:
                raise AssertionError(f"sample {index} is labelled {label}, not {dataset.targets[index]}")
    if next(indices, None) is not None:
        raise AssertionError("the epoch is too short")
    return "same bits, in part by Python" if plan.rest else "same bits"


def leaves(nested: Any) -> list[Any]:
    """The tensors, or transforms, in lists and dicts, in the order in which they are written."""
    if isinstance(nested, (list, tuple, dict)):
        return [leaf for each in (nested.values() if isinstance(nested, dict) else nested) for leaf in leaves(each)]
    return [nested]


def level_difference(
    made: Iterable[tuple[Any, Any]], expected: Iterable[tuple[Any, Any]], std: tuple[float, ...], images: int = 32
) -> float:
    """How far two epochs in the same order are from each other.

    Args:
        made: batches of (normalized images (N, 3, H, W), labels).
        expected: the same by torchvision.
        std: what the images were divided by.
        images: how many to compare.

    Returns:
        The mean absolute difference, in levels of 0 to 255.

    Raises:
        AssertionError: the labels differ, or the shapes do.
    """

    def pixels(batches: Iterable[tuple[Any, Any]]) -> tuple[torch.Tensor, list[int]]:
        pairs = list(
            islice(
                chain.from_iterable(
                    zip(torch.as_tensor(x), torch.as_tensor(y).tolist(), strict=True) for x, y in batches
                ),
                images,
            )
        )
        return torch.stack([image.clone() for image, _ in pairs]), [label for _, label in pairs]

    (ours, our_labels), (theirs, their_labels) = pixels(made), pixels(expected)
    if our_labels != their_labels or ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise AssertionError(f"other labels or shapes: {tuple(ours.shape)}, {tuple(theirs.shape)}")
    scale = torch.tensor(std).view(-1, 1, 1) * 255
    return float(((ours - theirs).abs() * scale).mean())
