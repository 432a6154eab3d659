"""Transforms as people write them themselves: blurs, solarizations, wrappers and views of public recipes."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import nn
from torchvision import transforms
from torchvision.transforms import functional as F

# One image


class RangeBlur:
    """MoCo's: always, a radius from a range."""

    def __init__(self, sigma: Any = (0.1, 2.0)) -> None:
        self.sigma = sigma

    def __call__(self, x: Any) -> Any:
        sigma = random.uniform(self.sigma[0], self.sigma[1])
        return x.filter(ImageFilter.GaussianBlur(radius=sigma))


class MaybeBlur:
    """DINO's: sometimes."""

    def __init__(self, p: float = 0.5, radius_min: float = 0.1, radius_max: float = 2.0) -> None:
        self.prob = p
        self.radius_min = radius_min
        self.radius_max = radius_max

    def __call__(self, img: Any) -> Any:
        do_it = random.random() <= self.prob
        if not do_it:
            return img
        return img.filter(ImageFilter.GaussianBlur(radius=random.uniform(self.radius_min, self.radius_max)))


class ScaledBlur:
    """Barlow Twins': a radius that is scaled by hand."""

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        if random.random() < self.p:
            sigma = random.random() * 1.9 + 0.1
            return img.filter(ImageFilter.GaussianBlur(sigma))
        return img


class NumPyBlur:
    """NumPy draws."""

    def __init__(self, prob: float = 0.5, sigmas: Any = (0.2, 2)) -> None:
        self.prob = prob
        self.sigmas = sigmas

    def __call__(self, sample: Any) -> Any:
        prob = np.random.random_sample()  # noqa: NPY002
        if prob < self.prob:
            sigma = np.random.uniform(self.sigmas[0], self.sigmas[1])  # noqa: NPY002
            return sample.filter(ImageFilter.GaussianBlur(radius=sigma))
        return sample


class BlurOfEither:
    """lightly's: for images, and for tensors."""

    def __init__(self, prob: float = 0.5, sigmas: tuple[float, float] = (0.2, 2)) -> None:
        self.prob, self.sigmas = prob, sigmas

    def __call__(self, sample: Any) -> Any:
        prob = np.random.random_sample()  # noqa: NPY002
        is_input_tensor = isinstance(sample, torch.Tensor)
        sample_pil = transforms.functional.to_pil_image(sample) if is_input_tensor else sample
        if prob < self.prob:
            sigma = np.random.uniform(self.sigmas[0], self.sigmas[1])  # noqa: NPY002
            sample_pil = sample_pil.filter(ImageFilter.GaussianBlur(radius=sigma))
        return transforms.functional.to_tensor(sample_pil) if is_input_tensor else sample_pil


class TorchBlur(nn.Module):
    """A module, for which torch draws."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.blur = ImageFilter.GaussianBlur(1.5)

    def forward(self, img: Any) -> Any:
        if torch.rand(1).item() > self.p:
            return img
        return img.filter(ImageFilter.GaussianBlur(1.5))


class Solarization:
    def __init__(self, p: float, threshold: int = 128) -> None:
        self.p, self.threshold = p, threshold

    def __call__(self, img: Any) -> Any:
        if np.random.rand() < self.p:  # noqa: NPY002
            return ImageOps.solarize(img, threshold=self.threshold)
        else:  # noqa: RET505
            return img


class Sometimes:
    """Calls what it holds; DeiT III's gray and flip."""

    def __init__(self, transform: Callable[[Any], Any], p: float) -> None:
        self.transf, self.p = transform, p

    def __call__(self, img: Any) -> Any:
        if random.random() < self.p:
            return self.transf(img)
        return img


class OneOfThree:
    """A choice by hand, of unequal odds: one number is compared twice."""

    def __call__(self, img: Any) -> Any:
        u = random.random()
        if u < 0.2:
            return ImageOps.invert(img)
        if u < 0.5:
            return ImageOps.equalize(img)
        return img.filter(ImageFilter.GaussianBlur(u))


class Choice:
    def __init__(self) -> None:
        self.choices = [ImageOps.mirror, ImageOps.flip, ImageOps.autocontrast]

    def __call__(self, img: Any) -> Any:
        return random.choice(self.choices)(img)


class Turned(transforms.RandomApply):
    """DINOv2's way: a constructor, and no more."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__([transforms.RandomVerticalFlip(1.0)], p=1 - p)  # type: ignore[no-untyped-call]


class Wrapper:
    """Torchvision's references: a class around a Compose."""

    def __init__(self, size: int) -> None:
        self.transforms = transforms.Compose([transforms.RandomCrop(size, padding=2), Solarization(0.5)])

    def __call__(self, img: Any) -> Any:
        return self.transforms(img)


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList([transforms.RandomHorizontalFlip(), transforms.ColorJitter(0.3)])

    def forward(self, img: Any) -> Any:
        for step in self.steps:
            img = step(img)
        return self.last(img)

    def last(self, img: Any) -> Any:
        return F.hflip(img)


def by_function(image: Any) -> Any:
    return F.resize(image.convert("RGB"), [20, 22])


def flipped(image: Any, upside_down: bool) -> Any:
    return ImageOps.flip(image) if upside_down else image


ONE_IMAGE: dict[str, Callable[[], Any]] = {
    "MoCo's blur": RangeBlur,
    "DINO's blur": MaybeBlur,
    "Barlow Twins' blur": lambda: ScaledBlur(0.3),
    "Barlow Twins' first blur": lambda: ScaledBlur(1.0),
    "a blur by NumPy's numbers": NumPyBlur,
    "lightly's blur": BlurOfEither,
    "a module": lambda: TorchBlur(0.4),
    "solarization": lambda: Solarization(0.2),
    "what it holds": lambda: Sometimes(transforms.RandomGrayscale(1.0), 0.6),
    "an own class that it holds": lambda: Sometimes(MaybeBlur(0.5), 0.5),
    "one of three": OneOfThree,
    "a choice": Choice,
    "a subclass": Turned,
    "a wrapper": lambda: Wrapper(16),
    "steps": Steps,
    "a function": lambda: by_function,
    "a lambda": lambda: lambda image: image,
    "a partial": lambda: partial(flipped, upside_down=True),
    "a Lambda": lambda: transforms.Lambda(lambda image: ImageOps.mirror(image)),  # noqa: PLW0108
    "a function of Pillow's": lambda: ImageOps.flip,
    "a choice of own classes": lambda: transforms.RandomChoice([MaybeBlur(1.0), Solarization(1.0), ScaledBlur(1.0)]),
    "applied at random": lambda: transforms.RandomApply([RangeBlur([0.1, 2.0])], p=0.5),
}


# Several views


class TwoCrops:
    """MoCo's and SimCLR's: the same twice."""

    def __init__(self, base_transform: Callable[[Any], Any]) -> None:
        self.base_transform = base_transform

    def __call__(self, x: Any) -> Any:
        q = self.base_transform(x)
        k = self.base_transform(x)
        return [q, k]


class TwoTransforms:
    """Barlow Twins': two chains, and a tuple."""

    def __init__(self, transform: Any, transform_prime: Any) -> None:
        self.transform, self.transform_prime = transform, transform_prime

    def __call__(self, x: Any) -> Any:
        y1 = self.transform(x)
        y2 = self.transform_prime(x)
        return y1, y2


class MultiCrop:
    """DINO's: appended in a loop."""

    def __init__(self, large: Any, small: Any, count: int) -> None:
        self.global_transfo1 = self.global_transfo2 = large
        self.local_transfo, self.local_crops_number = small, count

    def __call__(self, image: Any) -> Any:
        crops = []
        crops.append(self.global_transfo1(image))
        crops.append(self.global_transfo2(image))
        for _ in range(self.local_crops_number):
            crops.append(self.local_transfo(image))  # noqa: PERF401
        return crops


class NamedCrops:
    """DINOv2's: a dict, and geometry apart from the rest."""

    def __init__(self, geometry: Any, large: Any, small: Any, count: int) -> None:
        self.geometric, self.large, self.small, self.count = geometry, large, small, count

    def __call__(self, image: Any) -> Any:
        output = {}
        image = image.convert("RGB")
        first = self.geometric(image)
        output["global_crops"] = [self.large(first), self.large(self.geometric(image))]
        local_crops = [self.small(image) for _ in range(self.count)]
        output["local_crops"] = local_crops
        return output


class ListOfTransforms:
    """lightly's: a list of transforms, each an object of its own class."""

    def __init__(self, transforms: Any) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        return [transform(image) for transform in self.transforms]


class ViewTransform:
    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, image: Any) -> torch.Tensor:
        transformed: torch.Tensor = self.transform(image)
        return transformed


class WeakAndStrong:
    """FixMatch's: two chains with one end."""

    def __init__(self, weak: Any, strong: Any) -> None:
        self.weak = weak
        self.strong = strong
        self.normalize = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)])

    def __call__(self, x: Any) -> Any:
        return self.normalize(self.weak(x)), self.normalize(self.strong(x))


GEOMETRY = transforms.Compose([transforms.RandomResizedCrop(24), transforms.RandomHorizontalFlip()])
LARGE = transforms.Compose([GEOMETRY, MaybeBlur(), Solarization(0.2), transforms.ToTensor()])
SMALL = transforms.Compose([transforms.RandomResizedCrop(12), NumPyBlur(), transforms.ToTensor()])
END = transforms.Compose([RangeBlur(), transforms.ToTensor()])

VIEWS: dict[str, Callable[[], Any]] = {
    "two crops": lambda: TwoCrops(LARGE),
    "two transforms": lambda: TwoTransforms(LARGE, SMALL),
    "multi-crop": lambda: MultiCrop(LARGE, SMALL, 4),
    "named crops": lambda: NamedCrops(GEOMETRY, END, SMALL, 3),
    "a list": lambda: ListOfTransforms([ViewTransform(LARGE), ViewTransform(SMALL)]),
    "weak and strong": lambda: WeakAndStrong(GEOMETRY, transforms.Compose([GEOMETRY, Solarization(1.0)])),
    "a lambda": lambda: lambda image: {"view": (LARGE(image), SMALL(image))},
    "after a conversion": lambda: transforms.Compose([lambda image: image.convert("RGB"), TwoCrops(SMALL)]),
    "a view in a view": lambda: ViewTransform(TwoCrops(SMALL)),
}


# What cannot be followed


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Any) -> Any:
        self.calls += 1
        return image


class Keeping:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, image: Any) -> Any:
        self.seen.append(image)
        return image


class Trying:
    def __call__(self, image: Any) -> Any:
        try:
            return image.filter(ImageFilter.CONTOUR)
        except ValueError:
            return image


class Endless:
    def __call__(self, image: Any) -> Any:
        while random.random() < 0.5:
            image = ImageOps.mirror(image)
        return image


class Sized:
    def __call__(self, image: Any) -> Any:
        return image if image.size[0] > 9 else ImageOps.mirror(image)


class Pixels:
    def __call__(self, image: Any) -> Any:
        return Image.fromarray(255 - np.asarray(image))


class SameNumberTwice:
    def __call__(self, image: Any) -> Any:
        radius = random.uniform(0.1, 2.0)
        return image.filter(ImageFilter.GaussianBlur(radius)).filter(ImageFilter.GaussianBlur(radius))


class SharedCrop:
    """Both views are of one random crop."""

    def __call__(self, image: Any) -> Any:
        image = GEOMETRY(image)
        return END(image), END(image)


class SometimesTwo:
    def __call__(self, image: Any) -> Any:
        return [LARGE(image), SMALL(image)] if random.random() < 0.5 else [SMALL(image), LARGE(image)]


class OtherFilter:
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.BoxBlur(2))


class Property:
    @property
    def p(self) -> float:
        return random.random()

    def __call__(self, image: Any) -> Any:
        return ImageOps.mirror(image) if self.p < 0.5 else image


def printing(image: Any) -> Any:
    print("here")  # noqa: T201
    return image


TIMES = 0


def global_count(image: Any) -> Any:
    global TIMES  # noqa: PLW0603
    TIMES += 1
    return image


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "counts": (Counting, "sets the attribute calls"),
    "keeps": (Keeping, "does more with an image, or with an object"),
    "tries": (Trying, "has a try statement"),
    "loops": (Endless, "while loop"),
    "looks at the size": (Sized, "asks for size of an image"),
    "looks at pixels": (Pixels, "raises TypeError for what is no image"),
    "one number twice": (SameNumberTwice, "uses a drawn number twice"),
    "another filter": (OtherFilter, "makes an object of PIL.ImageFilter.BoxBlur"),
    "a property": (Property, "is a property"),
    "prints": (lambda: printing, "print"),
    "counts globally": (lambda: global_count, "sets the global TIMES"),
}
REFUSED_VIEWS: dict[str, Callable[[], Any]] = {"a shared crop": SharedCrop, "a choice of views": SometimesTwo}
