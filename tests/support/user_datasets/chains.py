"""Transforms that people pass to their datasets."""

from __future__ import annotations

from typing import Any

from torchvision import transforms as their_transforms

# torchvision's annotations tell of tensors only; all of it takes PIL images.
transforms: Any = their_transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

train_transform = transforms.Compose(
    [
        transforms.RandomResizedCrop(24),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)
jitter_transform = transforms.Compose(
    [
        transforms.Resize(36),
        transforms.RandomCrop(28, padding=2),
        transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
        transforms.RandomGrayscale(p=0.3),
        transforms.ToTensor(),
    ]
)
test_transform = transforms.Compose(
    [
        transforms.Resize(32),
        transforms.CenterCrop(24),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)
small = transforms.Compose([transforms.Resize((20, 28)), transforms.ToTensor()])
rotating = transforms.Compose(
    [
        transforms.Resize((30, 30)),
        transforms.RandomRotation(15),
        transforms.RandomVerticalFlip(0.5),
        transforms.ToTensor(),
        transforms.RandomErasing(0.5),
    ]
)
