"""Pixels that are in memory, and images that become numpy arrays."""

from __future__ import annotations

import glob
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from .chains import train_transform
from .registry import listed


@listed(2, make=lambda cls, root: cls(root))
class NpyDataset(Dataset[Any]):
    def __init__(self, root):
        self.data = np.load(root + "/images.npy", mmap_mode="r")

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        x = torch.from_numpy(self.data[i].copy()).permute(2, 0, 1).float() / 255.0
        return x, i


@listed(2, make=lambda cls, root: cls(root), draws="pixels")
class FromArrayDataset(Dataset[Any]):
    def __init__(self, root):
        npz = np.load(root + "/all.npz")
        self.imgs, self.labels = npz["images"], npz["labels"]
        self.transform = train_transform

    def __len__(self):
        return self.imgs.shape[0]

    def __getitem__(self, index):
        img, target = self.imgs[index], self.labels[index].astype(int)
        img = Image.fromarray(img)
        img = img.convert("RGB")
        if self.transform is not None:
            img = self.transform(img)
        return img, target


@listed(2, make=lambda cls, root: cls(root))
class TensorsInMemory(Dataset[Any]):
    def __init__(self, root):
        npz = np.load(root + "/all.npz")
        self.x = torch.as_tensor(npz["images"]).permute(0, 3, 1, 2).contiguous()
        self.y = torch.as_tensor(npz["labels"])

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i].float().div(127.5).sub(1), self.y[i]


@listed(2, make=lambda cls, root: cls(root), draws="pixels")
class NoisyArrays(Dataset[Any]):
    def __init__(self, root):
        self.data = np.load(root + "/images.npy").astype(np.float32)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        x = self.data[i] + np.random.randn(32, 32, 3).astype("float32")
        if np.random.rand() > 0.5:
            x = x[:, ::-1].copy()
        return x.transpose(2, 0, 1), np.int64(i)


@listed(9, make=lambda cls, root: cls(root + "/images.bin"))
class RawDataset(Dataset[Any]):
    def __init__(self, path):
        self.path, self.size = path, 32 * 32 * 3

    def __len__(self):
        return 10

    def __getitem__(self, i):
        with open(self.path, "rb") as f:
            f.seek(i * self.size)
            raw = np.frombuffer(f.read(self.size), dtype=np.uint8)
        return torch.from_numpy(raw.reshape(32, 32, 3).astype(np.int16))


class Photos(Dataset[Any]):
    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))

    def __len__(self):
        return len(self.files)


@listed(4, (19,), make=lambda cls, root: cls(root))
class OwnNormalize(Photos):
    def __getitem__(self, i):
        img = np.array(Image.open(self.files[i]).convert("RGB"))
        img = img[:32, :32].astype(np.float64) / 255.0
        img -= np.array([0.4, 0.5, 0.6])
        return torch.from_numpy(img.transpose((2, 0, 1))).float(), i


@listed(4, (19,), make=lambda cls, root: cls(root), draws="pixels")
class WritesIntoArray(Photos):
    """Cutout, written into the array that Pillow's image gave."""

    def __getitem__(self, i):
        img = np.array(Image.open(self.files[i]).convert("RGB").resize((32, 32)))
        y, x = np.random.randint(0, 24, 2)
        img[y : y + 8, x : x + 8] = 0
        return torch.from_numpy(img)


@listed(4, (19,), make=lambda cls, root: cls(root))
class FlippedArray(Photos):
    """Numpy's views have negative strides, which `torch.from_numpy` does not take."""

    def __getitem__(self, i):
        img = np.asarray(Image.open(self.files[i]).convert("RGB"))[:36, :36]
        bgr = img[:, :, ::-1]
        return torch.from_numpy(np.ascontiguousarray(bgr)), np.flip(img, 0).copy(), img.flags.writeable


@listed(4, (19,), make=lambda cls, root: cls(root), raises=ValueError)
class WritesIntoReadOnly(Photos):
    """`np.asarray` of an image may not be written to: numpy says so."""

    def __getitem__(self, i):
        img = np.asarray(Image.open(self.files[i]).convert("RGB"))
        img[0, 0] = 0
        return img


@listed(11, make=lambda cls, root: cls(root))
class ResizedForNumpy(Photos):
    def __getitem__(self, i):
        img = Image.open(self.files[i]).convert("RGB")
        img = img.resize((28, 20), Image.Resampling.BILINEAR)
        x = np.array(img, dtype=np.float32)
        x = x[:, :, ::-1] - np.array((104.0, 116.6, 122.7), dtype=np.float32)
        return torch.from_numpy(x.transpose((2, 0, 1)).copy()), np.array((20, 28, 3))


@listed(11, make=lambda cls, root: cls(root), draws="pixels")
class RotatedForNumpy(Photos):
    def __getitem__(self, i):
        img = Image.open(self.files[i])
        rot = int(np.random.choice([0, 90, 180, 270]))
        img = img.rotate(rot, expand=True).resize((30, 30), Image.Resampling.LANCZOS)
        if torch.rand(1) < 0.5:
            img = img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        return np.asarray(img).astype(np.float32) / 127.5 - 1


@listed(4, make=lambda cls, root: cls(root))
class GrayStatistics(Photos):
    def __getitem__(self, i):
        gray = Image.open(self.files[i]).convert("L")
        arr = np.asarray(gray, dtype="float32")
        hist = np.array(gray.histogram())
        return (arr.mean() - 128) / (arr.std() + 1e-6), hist, gray.getextrema(), gray.size[0]


@listed(4, make=lambda cls, root: cls(root))
class PatchesOfArray(Photos):
    def __getitem__(self, i):
        image = np.array(Image.open(self.files[i]).convert("RGB").resize((32, 32), Image.Resampling.BOX))
        patches = image.reshape(4, 8, 4, 8, 3).swapaxes(1, 2)
        return transforms.functional.to_tensor(patches.reshape(16 * 8, 8, 3)), patches
