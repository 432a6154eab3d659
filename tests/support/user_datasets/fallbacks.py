"""What people do about files that cannot be read: black images, None, the next index, another one."""

from __future__ import annotations

import glob
import random
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFile, UnidentifiedImageError
from torch.utils.data import Dataset, default_collate

from .chains import small, test_transform
from .registry import listed


class Broken(Dataset[Any]):
    """Four of ten files are damaged."""

    def __init__(self, root, transform=small):
        self.files = sorted(glob.glob(root + "/broken/*"))
        self.transform = transform

    def __len__(self):
        return len(self.files)


@listed(14, (1, 2), make=lambda cls, root: cls(root))
class BlackImage(Broken):
    def __getitem__(self, idx):
        try:
            image = Image.open(self.files[idx]).convert("RGB")
        except Exception as e:
            str(e)
            image = Image.new("RGB", (60, 60), (0, 0, 0))
        return self.transform(image), idx


@listed(14, (1, 2), make=lambda cls, root: cls(root))
class BareExcept(Broken):
    """Even the transform stands in the `try`."""

    def __getitem__(self, idx):
        try:
            image = self.transform(Image.open(self.files[idx]).convert("RGB"))
        except:
            image = torch.zeros(3, 20, 28)
        return image, idx


def without_none(batch):
    batch = [sample for sample in batch if sample is not None]
    return default_collate(batch) if batch else torch.zeros(0)


@listed(14, (2,), make=lambda cls, root: cls(root), collate_fn=without_none)
class NoneForBroken(Broken):
    def __getitem__(self, idx):
        try:
            img = Image.open(self.files[idx])
            img.load()
        except (OSError, UnidentifiedImageError):
            return None
        return self.transform(img.convert("RGB")), self.files[idx]


@listed(14, (2,), make=lambda cls, root: cls(root))
class NextIndex(Broken):
    def __getitem__(self, index):
        try:
            img = Image.open(self.files[index]).convert("RGB")
        except OSError:
            return self[(index + 1) % len(self)]
        return self.transform(img), index


@listed(14, (2,), make=lambda cls, root: cls(root), draws="all")
class AnotherIndex(Broken):
    def __getitem__(self, index):
        for _ in range(100):
            try:
                return self.transform(Image.open(self.files[index]).convert("RGB")), index
            except Exception:
                index = random.randint(0, len(self) - 1)
        raise RuntimeError("no image")


def read_image(img_path):
    """Tries for ever, as re-identification's loaders do; here, until the third time."""
    got_img = tries = 0
    while not got_img:
        try:
            img = Image.open(img_path).convert("RGB")
            got_img = True
        except OSError:
            tries += 1
            if tries == 3:
                return Image.fromarray(np.full((20, 28, 3), tries, dtype=np.uint8))
    return img


@listed(14, (2,), make=lambda cls, root: cls(root))
class TriesAgain(Broken):
    def __getitem__(self, index):
        return test_transform(read_image(self.files[index])), index


@listed(14, (2,), make=lambda cls, root: cls(root), raises=RuntimeError)
class RaisesFrom(Broken):
    def __getitem__(self, index):
        try:
            image = Image.open(self.files[index]).convert("RGB")
        except Exception as e:
            raise RuntimeError(f"can not read image for sample {index}") from e
        return self.transform(image), index


@listed(14, (4,), make=lambda cls, root: cls(root))
class TruncatedAllowed(Broken):
    """The rest of an image that is cut is gray: a switch of Pillow's for all of the process."""

    def __getitem__(self, index):
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            image = Image.open(self.files[index]).convert("RGB")
        except UnidentifiedImageError:
            image = Image.new("RGB", (3, 3), "red")
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
        return self.transform(image), index


@listed(14, (4,), make=lambda cls, root: cls(root))
class WarningsAreErrors(Broken):
    """Images are too large by a limit of the dataset's own, which Pillow warns of."""

    def __getitem__(self, index):
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 6000
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(self.files[index]).convert("RGB")
        except (Image.DecompressionBombWarning, OSError) as error:
            return torch.zeros(3, 20, 28), type(error).__name__
        finally:
            Image.MAX_IMAGE_PIXELS = before
        return self.transform(image), "good"


@listed(14, (2, 8), make=lambda cls, root: cls(root))
class Verified(Broken):
    """`verify` reads a file to its end, which must be opened again afterwards."""

    def __getitem__(self, index):
        try:
            with Image.open(self.files[index]) as image:
                image.verify()
            image = Image.open(self.files[index]).convert("RGB")
        except Exception as e:
            return torch.zeros(3, 20, 28), type(e).__name__
        return self.transform(image), image.mode


@listed(1, (2,), make=lambda cls, root: cls(root), raises=UnidentifiedImageError)
class NotCaught(Broken):
    """The text file among them: nobody caught that."""

    def __init__(self, root):
        super().__init__(root)
        self.files = [file for file in self.files if "02" not in file]

    def __getitem__(self, index):
        return self.transform(Image.open(self.files[index]).convert("RGB")), index
