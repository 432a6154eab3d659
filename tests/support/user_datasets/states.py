"""Datasets that keep something: images, results, handles, counters, transforms that change; and odd nestings."""

from __future__ import annotations

import copy
import glob
import os
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps
from torch.utils.data import Dataset, get_worker_info
from torchvision import transforms

from .chains import small, test_transform, train_transform
from .registry import listed


class Photos(Dataset[Any]):
    def __init__(self, root, transform=small):
        self.paths = sorted(glob.glob(root + "/images/*.jpg"))
        self.transform = transform

    def __len__(self):
        return len(self.paths)


@listed(1, (10, 16), make=lambda cls, root: cls(root))
class ImagesInMemory(Photos):
    """All of them are opened beforehand; their files stay open until they are needed."""

    def __init__(self, root):
        super().__init__(root)
        self.images = [Image.open(p) for p in self.paths[:6]] + [Image.open(p).convert("RGB") for p in self.paths[6:]]

    def __getitem__(self, index):
        return self.transform(self.images[index].convert("RGB")), index


@listed(1, (10,), make=lambda cls, root: cls(root), draws="pixels")
class CachesImages(Photos):
    def __init__(self, root):
        super().__init__(root, train_transform)
        self.cache = {}

    def __getitem__(self, index):
        index = index // 2
        if index not in self.cache:
            self.cache[index] = Image.open(self.paths[index]).convert("RGB")
        return self.transform(self.cache[index]), index


@listed(1, (10,), make=lambda cls, root: cls(root))
class CachesResults(Photos):
    def __init__(self, root):
        super().__init__(root)
        self.results = [None] * len(self)

    def __getitem__(self, index):
        index = index // 2
        if self.results[index] is None:
            self.results[index] = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return self.results[index], index


@listed(1, (13,), make=lambda cls, root: cls(root))
class TransformOfSample(Photos):
    """The transform is another one for each sample, made of numbers that only this one knows."""

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        side = 24 + 2 * (index % 3)
        tf = transforms.Compose([transforms.Resize((side, side)), transforms.CenterCrop(20), transforms.ToTensor()])
        return tf(image), side


@listed(1, (13,), make=lambda cls, root: cls(root))
class TransformEdited(Photos):
    def __init__(self, root):
        super().__init__(root, transforms.Compose([transforms.Resize((20, 20)), transforms.ToTensor()]))

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        self.transform.transforms[0].size = (20 + index % 2, 20)
        return self.transform(image)[:, :20], index


@listed(1, (13,), make=lambda cls, root: cls(root))
class TransformByLabel(Photos):
    """Transforms in a dict: which of them, the label says."""

    def __init__(self, root):
        super().__init__(
            root, {"even": small, "odd": transforms.Compose([transforms.RandomHorizontalFlip(1.0), small])}
        )

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform["odd" if index % 2 else "even"](image), index


@listed(1, (14,), make=lambda cls, root: cls(root))
class TensorFirst(Photos):
    """These look like the usual ones, and are not: the resize is one of tensors."""

    def __init__(self, root):
        chain = [
            transforms.ToTensor(),
            transforms.Resize((20, 20), antialias=True),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
        super().__init__(root, transforms.Compose(chain))

    def __getitem__(self, index):
        return self.transform(Image.open(self.paths[index]).convert("RGB")), index


@listed(1, (14,), make=lambda cls, root: cls(root))
class ThereAndBack(Photos):
    """Super resolution: the small image is made of the tensor of the large one."""

    large = transforms.Compose([transforms.CenterCrop(36), transforms.ToTensor()])
    little = transforms.Compose(
        [transforms.ToPILImage(), transforms.Resize(12, Image.Resampling.BICUBIC), transforms.ToTensor()]
    )

    def __getitem__(self, index):
        large = self.large(Image.open(self.paths[index]).convert("RGB"))
        return self.little(large), large


@listed(4, (9,), make=lambda cls, root: cls(root))
class DrawnUpon(Photos):
    """Images change in place, and bear two names."""

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        before, same = image.copy(), image
        ImageDraw.Draw(image).rectangle([2, 2, 20, 12], fill="yellow", outline="blue")
        image.putpixel((0, 0), (1, 2, 3))
        image.paste(before.resize((9, 7)), (21, 3))
        return small(before), small(same), small(ImageOps.mirror(image))


@listed(5, (9,), make=lambda cls, root: cls(root))
class Thumbnails(Photos):
    def __getitem__(self, index):
        image = Image.open(self.paths[index])
        image.thumbnail((30, 30))
        canvas = Image.new("RGB", (30, 30))
        canvas.paste(image, ((30 - image.width) // 2, (30 - image.height) // 2))
        return transforms.functional.to_tensor(canvas), image.size


@listed(4, (9,), make=lambda cls, root: cls(root))
class Drafted(Photos):
    """A JPEG that is decoded smaller, as large as it must be."""

    def __getitem__(self, index):
        image = Image.open(self.paths[index])
        image.draft("RGB", (30, 30))
        size = image.size
        return np.array(image.convert("RGB").resize((25, 25), reducing_gap=2.0)), size


@listed(1, (15,), make=lambda cls, root: cls(root))
class AsksForWorker(Photos):
    def __getitem__(self, index):
        info = get_worker_info()
        return self.transform(Image.open(self.paths[index]).convert("RGB")), -1 if info is None else info.id


@listed(1, (15,), make=lambda cls, root: cls(root))
class CountsCalls(Photos):
    """Options are taken out when they are needed first, and calls are counted: of each worker process."""

    def __init__(self, root):
        super().__init__(root)
        self.options, self.calls = {"side": 26}, 0

    def __getitem__(self, index):
        if "side" in self.options:
            self.chain = transforms.Compose([transforms.Resize((self.options.pop("side"),) * 2), transforms.ToTensor()])
        self.calls += 1
        return self.chain(Image.open(self.paths[index]).convert("RGB")), index


@listed(1, (17,), make=lambda cls, root: cls(root))
class OddKeys(Photos):
    """Keys are tuples, and a key goes at the end, as in Monodepth2."""

    def __getitem__(self, index):
        inputs = OrderedDict()
        inputs["color", 0, -1] = Image.open(self.paths[index]).convert("RGB")
        for scale in range(2):
            inputs["color", 0, scale] = transforms.Resize((40 >> scale, 48 >> scale))(inputs["color", 0, scale - 1])
        for key in [k for k in inputs if k[-1] >= 0]:
            inputs[key] = transforms.ToTensor()(inputs[key])
        del inputs["color", 0, -1]
        return inputs


Pair = namedtuple("Pair", "image twin")


@listed(1, (17,), make=lambda cls, root: cls(root))
class TwiceTheSame(Photos):
    def __getitem__(self, index):
        made = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return Pair(made, {"again": [made, (made, index)]})


@dataclass
class Record:
    image: Any
    label: int


def as_records(batch):
    return Record(torch.stack([r.image for r in batch]), torch.tensor([r.label for r in batch]))


@listed(1, (17,), make=lambda cls, root: cls(root), collate_fn=as_records)
class Records(Photos):
    def __getitem__(self, index):
        return Record(self.transform(Image.open(self.paths[index]).convert("RGB")), index)


@listed(1, (17,), make=lambda cls, root: cls(root), draws="pixels")
class FetchesTwice(Photos):
    """A dataset around another, which it asks twice for a sample: each time it draws."""

    class Inner(Photos):
        def __getitem__(self, index):
            return self.transform(Image.open(self.paths[index]).convert("RGB")), index

    def __init__(self, root):
        super().__init__(root)
        self.inner = self.Inner(root, train_transform)

    def __getitem__(self, index):
        return self.inner[index][0], self.inner[index][0], copy.copy(self.inner[index][1])


@listed(12, make=lambda cls, root: cls(root), raises=TypeError)
class ReturnsImages(Photos):
    """No default collate takes an image."""

    def __getitem__(self, index):
        return Image.open(self.paths[index]).convert("RGB"), index


def stack_images(batch):
    """Somebody's own collate gets true images."""
    images, names = zip(*batch, strict=True)
    assert all(isinstance(image, Image.Image) for image in images)
    return torch.stack([test_transform(image) for image in images]), list(names)


@listed(12, (8,), make=lambda cls, root: cls(root), collate_fn=stack_images)
class CollatesImages(Photos):
    def __getitem__(self, index):
        return Image.open(self.paths[index]).convert("RGB"), os.path.basename(self.paths[index])


@listed(12, (8,), make=lambda cls, root: cls(root))
class AsksEverything(Photos):
    """What an image tells of itself besides its pixels."""

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as image:
            told = f"{image.format} {image.mode} {image.size} {image.info.get('jfif')} {len(image.getexif())}"
            told += f" {getattr(image, 'n_frames', 1)} {image.getbands()} {os.path.basename(image.filename)}"
            told += f" {sorted(image.quantization)} {image.get_format_mimetype()} {isinstance(image, Image.Image)}"
            told += f" {image.tell()} {image.is_animated if hasattr(image, 'is_animated') else None} {image == image.copy()}"
            rgb = image.convert("RGB")
        return small(rgb), told, rgb.format is None, copy.deepcopy(rgb).tobytes()[:5]
