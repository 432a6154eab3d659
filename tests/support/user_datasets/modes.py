"""Images in the mode that they are stored in, and conversions that matter."""

from __future__ import annotations

import glob
import os
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from .chains import small, transforms as T
from .registry import listed

# Each of another mode: L, CMYK, RGB, LA, P, RGBA, I;16, 1.
ODD = "gray.jpg cmyk.jpg exif.jpg gray.png gray_alpha.png palette.png palette_clear.png rgb.png rgba.png sixteen.png"
ODD += " bit.png"


class OddFiles(Dataset[Any]):
    def __init__(self, root, names=ODD):
        self.paths = [os.path.join(root, "odd", n) for n in names.split()]

    def __len__(self):
        return len(self.paths)


@listed(7, make=lambda cls, root: cls(root))
class NotConverted(Dataset[Any]):
    def __init__(self, root):
        self.root = root + "/images"
        self.images = sorted(os.listdir(self.root))
        self.transform = T.Compose([T.Resize(28), T.CenterCrop(28), T.ToTensor()])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        image = Image.open(os.path.join(self.root, self.images[idx]))
        return self.transform(image), torch.tensor(idx)


@listed(7, (21,), make=lambda cls, root: cls(root))
class GrayDataset(Dataset[Any]):
    def __init__(self, root):
        self.paths = sorted(glob.glob(root + "/images/*")) + [root + "/odd/gray.jpg", root + "/odd/palette.png"]
        self.transform = transforms.Compose(
            [transforms.Resize((24, 24)), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, idx):
        image = Image.open(self.paths[idx]).convert("L")
        return self.transform(image), idx


def as_lists(batch):
    return [list(column) for column in zip(*batch, strict=True)]


@listed(7, (11, 21), make=lambda cls, root: cls(root), collate_fn=as_lists)
class EveryMode(OddFiles):
    def __getitem__(self, i):
        img = Image.open(self.paths[i])
        return transforms.functional.to_tensor(img), img.mode, img.size


@listed(7, (11, 21), make=lambda cls, root: cls(root), collate_fn=as_lists)
class EveryModeResized(OddFiles):
    def __getitem__(self, i):
        img = Image.open(self.paths[i])
        img = img.resize((25, 31)).crop((2, 3, 22, 30)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.array(img), img.getbands()


@listed(7, (21,), make=lambda cls, root: cls(root, "rgb.png gray.jpg rgba.png cmyk.jpg"), raises=RuntimeError)
class MixedChannels(OddFiles):
    """Somebody forgot that not all are RGB: collate says so."""

    def __getitem__(self, i):
        return small(Image.open(self.paths[i])), i


@listed(1, (11, 21), make=lambda cls, root: cls(root))
class ConvertedFromAll(OddFiles):
    def __getitem__(self, i):
        return small(Image.open(self.paths[i]).convert("RGB")), i


@listed(7, make=lambda cls, root: cls(root, "rgba.png palette_clear.png gray_alpha.png rgb.png"))
class OnWhite(OddFiles):
    """Transparent images are put on white."""

    def __getitem__(self, i):
        img = Image.open(self.paths[i]).convert("RGBA")
        background = Image.new("RGBA", img.size, (255, 255, 255, 255))
        background.paste(img, mask=img.split()[3])
        return small(background.convert("RGB")), small(img)[3:]


@listed(4, (11,), make=lambda cls, root: cls(root))
class Dithered(OddFiles):
    def __getitem__(self, i):
        img = Image.open(self.paths[i])
        bits = img.convert("L").resize((40, 40)).convert("1")
        sharp = img.convert("L").point(lambda v: 255 if v > 120 else 0).resize((40, 40), Image.Resampling.NEAREST)
        return np.array(bits), np.array(sharp) // 255


@listed(4, (11,), make=lambda cls, root: cls(root))
class DepthMaps(Dataset[Any]):
    """16 bits of depth."""

    def __init__(self, root):
        self.path = root + "/odd/sixteen.png"

    def __len__(self):
        return 4

    def __getitem__(self, i):
        depth = np.array(Image.open(self.path), dtype=np.float32) / 256.0
        depth[depth == 0] = -1.0
        return torch.from_numpy(depth[None, i:]) if i > 9 else torch.from_numpy(depth)[None]


@listed(7, make=lambda cls, root: cls(root, "gray.jpg rgb.png palette.png rgba.png cmyk.jpg"))
class ConvertedIfNeeded(OddFiles):
    def __getitem__(self, i):
        img = Image.open(self.paths[i])
        if img.mode == "P":
            img = img.convert("RGBA")
        if img.mode != "RGB":
            img = img.convert("RGB")
        return small(img), self.paths[i]
