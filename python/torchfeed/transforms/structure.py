"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Compose", "MultiViewTransform", "Views"]


class Compose:
    """Applies transforms one after the other; `torchvision.transforms.Compose`.

    Args:
        transforms: functions of one argument; the result of each is the argument of the next.

    Example:
        >>> Compose([Resize(256), CenterCrop(224), ToTensor()])(image).shape
        torch.Size([3, 224, 224])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        """Applies the transforms."""
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = [f"    {transform}" for transform in self.transforms]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


class MultiViewTransform:
    """Makes several views of one image, as contrastive learning needs them; `lightly.transforms.MultiViewTransform`.

    A batch of a loader is then ``[[views of transform 0, views of transform 1, ...], targets]``, as torch's own
    collates it. A native loader reads and decodes each image once, whatever the number of its views.

    Args:
        transforms: one function of the image for each view. Views may have different sizes. The same transform twice
            draws twice.

    Example:
        >>> crop = Compose([RandomResizedCrop(224), RandomHorizontalFlip(), ToTensor()])
        >>> [view.shape for view in MultiViewTransform([crop, crop])(image)]
        [torch.Size([3, 224, 224]), torch.Size([3, 224, 224])]
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> list[Any]:
        """Makes the views."""
        return [transform(image) for transform in self.transforms]

    def __repr__(self) -> str:
        lines = [f"    {transform}" for transform in self.transforms]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


class Views:
    """Makes several views of one image, by name: a list or dict of transforms, nested as you like.

    A batch of a loader is then ``[views, targets]``, with a tensor in the place of each transform. A native loader
    reads and decodes each image once, whatever the number of its views.

    Args:
        transforms: functions of the image, in lists and dicts. The same transform twice draws twice.

    Example:
        >>> large = Compose([RandomResizedCrop(224), ToTensor()])
        >>> small = Compose([RandomResizedCrop(96), ToTensor()])
        >>> views = Views({"global": [large, large], "local": [small] * 8})(image)
        >>> len(views["local"]), views["global"][1].shape
        (8, torch.Size([3, 224, 224]))
    """

    def __init__(self, transforms: Any) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        """Makes the views."""
        return _views(self.transforms, image)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms})"


def _views(transforms: Any, image: Any) -> Any:
    if type(transforms) in {list, tuple}:
        return [_views(each, image) for each in transforms]
    if type(transforms) is dict:
        return {name: _views(each, image) for name, each in transforms.items()}
    return transforms(image)
