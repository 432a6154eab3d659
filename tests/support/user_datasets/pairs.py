"""Image and mask, image and image: pairs that must stay in step, and pairs that need not."""

from __future__ import annotations

import glob
import os
import random
from typing import Any

import numpy as np
import torch
import torchvision.transforms.functional as TF
from PIL import Image, ImageFilter, ImageOps
from torch.utils.data import Dataset
from torchvision import transforms

from .chains import small, train_transform, transforms as T
from .registry import listed


class Segmentation(Dataset[Any]):
    def __init__(self, root, masks="masks_p"):
        self.images = sorted(glob.glob(os.path.join(root, "images", "*.jpg")))
        self.masks = sorted(glob.glob(os.path.join(root, masks, "*.png")))
        assert len(self.images) == len(self.masks)

    def __len__(self):
        return len(self.images)


@listed(5, (11, 12), make=lambda cls, root: cls(root), draws="pixels")
class JointByRandom(Segmentation):
    """As the DeepLab repositories do: each step takes image and mask."""

    def __getitem__(self, index):
        img = Image.open(self.images[index]).convert("RGB")
        mask = Image.open(self.masks[index])
        if random.random() < 0.5:
            img = img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            mask = mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        crop_size = 40
        short_size = random.randint(int(crop_size * 0.5), int(crop_size * 2.0))
        w, h = img.size
        if h > w:
            ow, oh = short_size, int(1.0 * h * short_size / w)
        else:
            oh, ow = short_size, int(1.0 * w * short_size / h)
        img = img.resize((ow, oh), Image.Resampling.BILINEAR)
        mask = mask.resize((ow, oh), Image.Resampling.NEAREST)
        if short_size < crop_size:
            padh, padw = max(crop_size - oh, 0), max(crop_size - ow, 0)
            img = ImageOps.expand(img, border=(0, 0, padw, padh), fill=0)
            mask = ImageOps.expand(mask, border=(0, 0, padw, padh), fill=255)
        w, h = img.size
        x1, y1 = random.randint(0, w - crop_size), random.randint(0, h - crop_size)
        img = img.crop((x1, y1, x1 + crop_size, y1 + crop_size))
        mask = mask.crop((x1, y1, x1 + crop_size, y1 + crop_size))
        if random.random() < 0.5:
            img = img.filter(ImageFilter.GaussianBlur(radius=random.random()))
        img = np.array(img).astype(np.float32).transpose((2, 0, 1))
        return {"image": torch.from_numpy(img).float(), "label": torch.from_numpy(np.array(mask)).long()}


@listed(5, make=lambda cls, root: cls(root, "masks_l"), draws="pixels")
class JointByFunctional(Segmentation):
    def transform(self, image, mask):
        image, mask = TF.resize(image, [40, 40]), TF.resize(mask, [40, 40], TF.InterpolationMode.NEAREST)
        i, j, h, w = transforms.RandomCrop.get_params(image, output_size=(32, 32))
        image, mask = TF.crop(image, i, j, h, w), TF.crop(mask, i, j, h, w)
        if random.random() > 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        if torch.rand(1).item() > 0.5:
            image, mask = TF.vflip(image), TF.vflip(mask)
        return TF.to_tensor(image), TF.to_tensor(mask)

    def __getitem__(self, index):
        image = Image.open(self.images[index])
        mask = Image.open(self.masks[index])
        return self.transform(image, mask)


class SyncFlip:
    def __call__(self, img, mask):
        if np.random.rand() < 0.5:
            return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT), mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return img, mask


class SyncScale:
    def __init__(self, size):
        self.size = size

    def __call__(self, img, mask):
        return img.resize(self.size, Image.Resampling.BICUBIC), mask.resize(self.size, Image.Resampling.NEAREST)


class SyncCompose:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, img, mask):
        assert img.size == mask.size
        for s in self.steps:
            img, mask = s(img, mask)
        return img, mask


@listed(5, make=lambda cls, root: cls(root), draws="pixels")
class JointByNumpy(Segmentation):
    """A chain of the author's own, and an own chain of torchvision's for each afterwards."""

    joint = SyncCompose([SyncScale((36, 30)), SyncFlip()])
    img_transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)])

    def __getitem__(self, index):
        img, mask = Image.open(self.images[index]).convert("RGB"), Image.open(self.masks[index])
        img, mask = self.joint(img, mask)
        return self.img_transform(img), torch.as_tensor(np.array(mask), dtype=torch.int64)


def in_step(batch):
    assert torch.equal(batch[0], batch[1])


@listed(5, (3,), make=lambda cls, root: cls(root), draws="pixels", check=in_step)
class Reseeded(Segmentation):
    """The same seed before the image and before its partner, which here is the same file: both must be equal."""

    transform = T.Compose([T.RandomResizedCrop(20), T.RandomHorizontalFlip(), T.RandomRotation(20), T.ToTensor()])

    def __getitem__(self, index):
        seed = np.random.randint(2147483647)
        random.seed(seed)
        torch.manual_seed(seed)
        img = self.transform(Image.open(self.images[index]).convert("RGB"))
        random.seed(seed)
        torch.manual_seed(seed)
        other = self.transform(Image.open(self.images[index]).convert("RGB"))
        return img, other


@listed(5, (3,), make=lambda cls, root: cls(root), draws="pixels", check=in_step)
class StateSetBack(Segmentation):
    transform = train_transform

    def __getitem__(self, index):
        img = Image.open(self.images[index]).convert("RGB")
        state = torch.get_rng_state()
        a = self.transform(img)
        torch.set_rng_state(state)
        b = self.transform(img)
        return a, b, torch.rand(2)


@listed(10, make=lambda cls, root: cls(root, "masks_l"), draws="pixels", own_draws=True)
class TwoComposes(Segmentation):
    """Each draws for itself, which the author did not mean."""

    tf_img = T.Compose([T.Resize((32, 32)), T.RandomHorizontalFlip(), T.ToTensor()])
    tf_mask = T.Compose([T.Resize((32, 32), 0), T.RandomHorizontalFlip(), T.ToTensor()])

    def __getitem__(self, index):
        img = self.tf_img(Image.open(self.images[index]).convert("RGB"))
        mask = self.tf_mask(Image.open(self.masks[index]).convert("L"))
        return img, mask


@listed(10, make=lambda cls, root: cls(root))
class HighAndLow(Segmentation):
    """Super resolution: the small image is made of the large one."""

    hr = T.Compose([T.CenterCrop(36), T.ToTensor()])
    lr = T.Compose([T.CenterCrop(36), T.Resize(9, T.InterpolationMode.BICUBIC), T.ToTensor()])

    def __getitem__(self, index):
        img = Image.open(self.images[index]).convert("RGB")
        return {"lr": self.lr(img), "hr": self.hr(img)}


@listed(13, make=lambda cls, root: cls(root), draws="pixels")
class MaskByNumpy(Segmentation):
    transform = T.Compose([T.Resize((24, 24)), T.ColorJitter(0.2), T.ToTensor()])

    def __getitem__(self, index):
        image = self.transform(Image.open(self.images[index]).convert("RGB"))
        mask = np.array(Image.open(self.masks[index]).resize((24, 24), Image.Resampling.NEAREST))
        mask[mask == 4] = 255
        return image, torch.from_numpy(mask).long()


@listed(13, (18,), make=lambda cls, root: cls(root))
class MaskIfThere(Segmentation):
    """Some samples have a mask."""

    def __getitem__(self, index):
        image = small(Image.open(self.images[index]).convert("RGB"))
        if index % 3 == 1:
            return image, torch.zeros(20, 28, dtype=torch.uint8)
        mask = Image.open(self.masks[index]).resize((28, 20), Image.Resampling.NEAREST)
        return image, torch.as_tensor(np.array(mask))


@listed(5, (13,), make=lambda cls, root: cls(root), draws="pixels")
class AlignedHalves(Segmentation):
    """pix2pix: A and B are the halves of one image, and a transform is made for each sample."""

    def __getitem__(self, index):
        AB = Image.open(self.images[index]).convert("RGB")
        w, h = AB.size
        w2 = int(w / 2)
        A, B = AB.crop((0, 0, w2, h)), AB.crop((w2, 0, w, h))
        x, y, flip = random.randint(0, 8), random.randint(0, 8), random.random() > 0.5

        def crop(im):
            return im.crop((x, y, x + 32, y + 32))

        steps: Any = [transforms.Resize([40, 40], transforms.InterpolationMode.BICUBIC), transforms.Lambda(crop)]
        if flip:
            steps.append(transforms.Lambda(lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
        tf = transforms.Compose([*steps, transforms.ToTensor()])
        return {"A": tf(A), "B": tf(B), "path": self.images[index]}


class ByClass(Dataset[Any]):
    def __init__(self, root):
        self.samples = [(p, i % 3) for i, p in enumerate(sorted(glob.glob(root + "/images/*.jpg")))]
        self.transform = small

    def __len__(self):
        return len(self.samples)

    def open(self, i):
        return self.transform(Image.open(self.samples[i][0]).convert("RGB"))


@listed(10, make=lambda cls, root: cls(root), draws="all")
class SiameseDataset(ByClass):
    def __getitem__(self, index):
        img0, label = self.open(index), self.samples[index][1]
        should_get_same_class = random.randint(0, 1)
        while True:
            other = random.randrange(len(self.samples))
            if (self.samples[other][1] == label) == bool(should_get_same_class):
                break
        same = np.array([int(self.samples[other][1] != label)], dtype=np.float32)
        return img0, self.open(other), torch.from_numpy(same)


@listed(10, make=lambda cls, root: cls(root), draws="all")
class TripletDataset(ByClass):
    def __getitem__(self, index):
        label = self.samples[index][1]
        positives = [i for i, s in enumerate(self.samples) if s[1] == label and i != index]
        negatives = [i for i, s in enumerate(self.samples) if s[1] != label]
        p, n = np.random.choice(positives), np.random.choice(negatives)
        return (self.open(index), self.open(p), self.open(n)), []
