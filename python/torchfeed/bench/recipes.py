"""Recipes: the transforms with which public training code trains, by name.

Each is written as such code writes it. Where torchvision's loader gets other classes than torchfeed's does, as for
several views of one image, the recipe has both, of the same distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torchvision import transforms as T
from torchvision.transforms import v2 as their_v2

from . import contrastive
from .tasks import CIFAR_MEAN_STD, MEAN_STD, RECIPE, SIZE, Task

__all__ = ["RECIPES", "Recipe", "recipe_task"]

v2: Any = their_v2  # its names are not exported as a type checker has it

BILINEAR, BICUBIC = T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC


@dataclass(frozen=True)
class Recipe:
    """The transforms of one way to train.

    Attributes:
        title: in tables.
        ours: makes the transform that torchfeed's loader gets.
        theirs: makes that of torch's loader; the same if omitted.
        needs: a module that must be installed.
        data: as in `Task`.
    """

    title: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any] | None = None
    needs: str = ""
    data: str = "given"

    def transform(self, peer: str) -> Any:
        """Makes the transform that a peer's loader gets."""
        return self.ours() if peer == "torchfeed" or self.theirs is None else self.theirs()


def _crop_and_flip(size: int = SIZE, **crop: Any) -> list[Any]:
    return [T.RandomResizedCrop(size, **crop), T.RandomHorizontalFlip()]


def _values() -> list[Any]:
    return [T.ToTensor(), T.Normalize(*MEAN_STD)]


def _float_values() -> list[Any]:
    """The same, as torchvision's own training scripts write it."""
    return [T.PILToTensor(), T.ConvertImageDtype(torch.float32), T.Normalize(*MEAN_STD)]


def _convert_to_rgb(image: Any) -> Any:
    """A step of OpenCLIP's kind: a function, not a class."""
    return image.convert("RGB")


def _plain() -> Any:
    return T.Compose([*_crop_and_flip(), *_values()])


def _trivial() -> Any:
    augment = T.TrivialAugmentWide(interpolation=BILINEAR)
    return T.Compose([*_crop_and_flip(176), augment, *_float_values(), T.RandomErasing(p=0.1)])


def _vit() -> Any:
    augment = T.RandAugment(magnitude=9, interpolation=BILINEAR)
    return T.Compose([*_crop_and_flip(), augment, *_float_values(), T.RandomErasing(p=0.2)])


def _autoaugment() -> Any:
    return T.Compose([*_crop_and_flip(), T.AutoAugment(), *_values()])


def _v2_randaugment() -> Any:
    values = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*MEAN_STD)]
    return v2.Compose([v2.RandomResizedCrop(SIZE), v2.RandomHorizontalFlip(), v2.RandAugment(), *values])


def _timm(**given: Any) -> Any:
    from timm.data import create_transform

    return create_transform(SIZE, is_training=True, **given)


def _timm_rand() -> Any:
    return _timm(auto_augment="rand-m8-inc1", interpolation="bicubic", re_prob=0.25, re_mode="pixel")


def _jitter() -> Any:
    return T.Compose([*_crop_and_flip(), T.ColorJitter(0.4, 0.4, 0.4, 0.1), *_values()])


def _tutorial() -> Any:
    steps = [T.Resize((SIZE, SIZE)), T.RandomHorizontalFlip(), T.RandomRotation(15), T.ColorJitter(0.2, 0.2, 0.2)]
    return T.Compose([*steps, *_values()])


def _openclip() -> Any:
    crop = T.RandomResizedCrop(SIZE, scale=(0.9, 1.0), interpolation=BICUBIC)
    return T.Compose([crop, _convert_to_rgb, *_values()])


def _cifar() -> Any:
    augment = T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)
    steps = [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), augment]
    return T.Compose([*steps, T.ToTensor(), T.Normalize(*CIFAR_MEAN_STD), T.RandomErasing(p=0.1)])


RECIPES = {
    "plain": Recipe("RandomResizedCrop, flip", _plain),
    "trivial": Recipe("torchvision's V2 weights: TrivialAugmentWide, RandomErasing", _trivial),
    "vit": Recipe("torchvision's ViT: RandAugment, RandomErasing", _vit),
    "autoaugment": Recipe("AutoAugment", _autoaugment),
    "v2-randaugment": Recipe("transforms.v2: RandAugment", _v2_randaugment),
    "timm-rand": Recipe("timm: rand-m8-inc1, erasing of pixels", _timm_rand, needs="timm"),
    "timm": Recipe("timm: the default, ColorJitter", _timm, needs="timm"),
    "jitter": Recipe("ColorJitter", _jitter),
    "tutorial": Recipe("tutorials: Resize((224, 224)), RandomRotation, ColorJitter", _tutorial),
    "openclip": Recipe("OpenCLIP: RandomResizedCrop, convert", _openclip),
    "cifar": Recipe("CIFAR in memory: AutoAugment, RandomErasing", _cifar, data="cifar"),
    "simclr": Recipe("SimCLR: 2 views", contrastive.simclr, contrastive.simclr_of_torch),
    "moco": Recipe("MoCo v2: 2 views", contrastive.moco, contrastive.moco_of_torch),
    "dino": Recipe("DINO: 2 global and 8 local views", contrastive.dino, contrastive.dino_of_torch),
}


def recipe_task(name: str) -> Task:
    """Makes the task of a recipe."""
    recipe = RECIPES[name]
    batch_size = 128 if recipe.data == "cifar" else None
    return Task(name, recipe.title, RECIPE, recipe.data, batch_size, needs=recipe.needs)
