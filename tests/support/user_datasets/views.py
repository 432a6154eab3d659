"""Several views of an image, several frames, and what is made of tensors afterwards."""

from __future__ import annotations

import glob
import os
import random
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.transforms import functional as F

from .chains import jitter_transform, small, train_transform, transforms as T
from .registry import listed


class Photos(Dataset[Any]):
    def __init__(self, root, transform=None):
        self.imgs = sorted(glob.glob(root + "/images/*.jpg"))
        self.transform = transform

    def __len__(self):
        return len(self.imgs)


class TwoCropsTransform:
    def __init__(self, base_transform):
        self.base_transform = base_transform

    def __call__(self, x):
        q = self.base_transform(x)
        k = self.base_transform(x)
        return [q, k]


class GaussianBlur:
    """MoCo's."""

    def __init__(self, sigma):
        self.sigma = sigma

    def __call__(self, x):
        sigma = random.uniform(self.sigma[0], self.sigma[1])
        return x.filter(ImageFilter.GaussianBlur(radius=sigma))


moco = T.Compose(
    [
        T.RandomResizedCrop(24, scale=(0.2, 1.0)),
        T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        T.RandomGrayscale(p=0.2),
        T.RandomApply([GaussianBlur([0.1, 2.0])], p=0.5),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
    ]
)


@listed(15, (17,), make=lambda cls, root: cls(root, TwoCropsTransform(moco)), draws="pixels")
class MocoDataset(Photos):
    def __getitem__(self, index):
        img = Image.open(self.imgs[index]).convert("RGB")
        return self.transform(img), index


@listed(6, (17,), make=lambda cls, root: cls(root, jitter_transform), draws="pixels")
class SimclrViews(Photos):
    n_views = 3

    def __getitem__(self, index):
        img = Image.open(self.imgs[index]).convert("RGB")
        return [self.transform(img) for _ in range(self.n_views)]


class Solarize:
    def __call__(self, img):
        return ImageOps.solarize(img) if random.random() < 0.4 else img


@listed(15, make=lambda cls, root: cls(root), draws="pixels")
class DinoCrops(Photos):
    def __init__(self, root):
        super().__init__(root)
        flip = T.Compose([T.RandomHorizontalFlip(p=0.5), T.RandomApply([T.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8)])
        end = T.Compose([T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
        big = T.InterpolationMode.BICUBIC
        self.global1 = T.Compose([T.RandomResizedCrop(28, (0.4, 1.0), interpolation=big), flip, end])
        self.global2 = T.Compose([T.RandomResizedCrop(28, (0.4, 1.0), interpolation=big), flip, Solarize(), end])
        self.local = T.Compose([T.RandomResizedCrop(12, (0.05, 0.4), interpolation=big), flip, end])

    def __getitem__(self, index):
        image = Image.open(self.imgs[index]).convert("RGB")
        crops = [self.global1(image), self.global2(image)]
        for _ in range(2):
            crops.append(self.local(image))
        return crops, torch.zeros(1)


@listed(6, make=lambda cls, root: cls(root))
class StackedFrames(Dataset[Any]):
    def __init__(self, root):
        self.clips = sorted(glob.glob(root + "/clips/*"))
        self.transform = T.Compose([T.Resize((20, 20)), T.ToTensor()])

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        frames = []
        for f in sorted(os.listdir(self.clips[index])):
            frames.append(self.transform(Image.open(os.path.join(self.clips[index], f)).convert("RGB")))
        return torch.stack(frames).permute(1, 0, 2, 3), index


@listed(10, make=lambda cls, root: cls(root), draws="pixels")
class FlowPairs(StackedFrames):
    """Two frames and what lies between, in one flip of both by numpy."""

    def __getitem__(self, index):
        a, b = (np.array(Image.open(f"{self.clips[index]}/{n}.jpg")) for n in (0, 1))
        if np.random.rand() < 0.5:
            a, b = a[:, ::-1], b[:, ::-1]
        a, b = (torch.from_numpy(np.ascontiguousarray(x[:40, :40])).permute(2, 0, 1).float() for x in (a, b))
        return a, b, (a - b).abs().sum(0)


@listed(6, make=lambda cls, root: cls(root, small))
class CatOfGray(Photos):
    def __getitem__(self, index):
        im = Image.open(self.imgs[index])
        rgb, gray = self.transform(im.convert("RGB")), self.transform(im.convert("L"))
        x = torch.cat([rgb, gray], dim=0)
        return x.unsqueeze(0).squeeze(0) * 2 - 1, gray[0]


@listed(6, make=lambda cls, root: cls(root))
class TenCrops(Photos):
    def __init__(self, root):
        super().__init__(root)
        self.transform = transforms.Compose(
            [
                transforms.Resize(40),
                transforms.TenCrop(24),
                transforms.Lambda(lambda crops: torch.stack([transforms.ToTensor()(crop) for crop in crops])),
            ]
        )

    def __getitem__(self, index):
        return self.transform(Image.open(self.imgs[index]).convert("RGB")), index


@listed(6, make=lambda cls, root: cls(root))
class RotNet(Photos):
    """All four turns of an image."""

    def __getitem__(self, index):
        img = Image.open(self.imgs[index]).convert("RGB").resize((24, 24))
        views = [T.ToTensor()(F.rotate(img, a)) for a in (0, 90, 180, 270)]
        return torch.stack(views), torch.LongTensor([0, 1, 2, 3])


@listed(6, (12,), make=lambda cls, root: cls(root), draws="all")
class Jigsaw(Photos):
    def __getitem__(self, index):
        img = Image.open(self.imgs[index]).convert("RGB").resize((48, 48), Image.Resampling.BILINEAR)
        tiles = []
        for n in range(9):
            i, j = divmod(n, 3)
            c = [16 * i + 8, 16 * j + 8]
            box = np.array([c[1] - 7.5, c[0] - 7.5, c[1] + 7.5, c[0] + 7.5])
            tiles.append(T.ToTensor()(img.crop(box.tolist())))
        order = torch.randperm(9)
        return torch.stack([tiles[k] for k in order]), order


@listed(6, make=lambda cls, root: cls(root, train_transform), draws="all")
class Mixup(Photos):
    def __getitem__(self, index):
        lam = np.random.beta(0.4, 0.4)
        j = random.choice(range(len(self)))
        a = self.transform(Image.open(self.imgs[index]).convert("RGB"))
        b = self.transform(Image.open(self.imgs[j]).convert("RGB"))
        y = torch.zeros(len(self))
        y[index] += lam
        y[j] += 1 - lam
        return lam * a + (1 - lam) * b, y


@listed(5, make=lambda cls, root: cls(root), draws="all")
class Mosaic(Photos):
    """Four images pasted into one."""

    def __getitem__(self, index):
        size = 48
        canvas = Image.new("RGB", (size, size), (114, 114, 114))
        xc, yc = (int(random.uniform(size * 0.3, size * 0.7)) for _ in range(2))
        for k, i in enumerate([index] + random.choices(range(len(self)), k=3)):
            img = Image.open(self.imgs[i])
            img.thumbnail((size // 2, size // 2))
            w, h = img.size
            canvas.paste(img, (xc - w if k % 2 == 0 else xc, yc - h if k < 2 else yc))
        return np.array(canvas).transpose(2, 0, 1), index


@listed(6, make=lambda cls, root: cls(root))
class SlicedTensor(Photos):
    def __getitem__(self, index):
        x = T.ToTensor()(Image.open(self.imgs[index]).convert("RGB"))
        x = x[:, 4:36, 4:36]
        mean, std = x.mean(dim=(1, 2), keepdim=True), x.std(dim=(1, 2), keepdim=True)
        x = (x - mean) / (std + 1e-5)
        return x.clamp_(-2, 2), x.view(-1)[::7].clone()
