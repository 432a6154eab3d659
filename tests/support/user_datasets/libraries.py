"""Datasets that read or change images by other libraries than Pillow and torchvision's transforms."""

from __future__ import annotations

import glob
import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.io import decode_image, read_image
from torchvision.transforms import v2

from .chains import small, transforms as T
from .registry import listed


class Photos(Dataset[Any]):
    def __init__(self, root):
        self.image_paths = sorted(glob.glob(root + "/images/*.jpg"))
        self.root = root

    def __len__(self):
        return len(self.image_paths)


@listed(3, needs=("cv2",), make=lambda cls, root: cls(root))
class OpenCvDataset(Photos):
    def __getitem__(self, idx):
        import cv2

        image = cv2.imread(self.image_paths[idx])
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        image = cv2.resize(image, (28, 28)).astype(np.float32) / 255.0
        return torch.from_numpy(image.transpose(2, 0, 1)), idx


@listed(3, needs=("cv2",), make=lambda cls, root: cls(root))
class PillowToOpenCv(Photos):
    """Pillow opens, OpenCV changes: in place, and with its channels the other way round."""

    def __getitem__(self, idx):
        import cv2

        image = np.array(Image.open(self.image_paths[idx]).convert("RGB"))[:, :, ::-1].copy()
        cv2.rectangle(image, (3, 3), (20, 20), (0, 255, 0), 2)
        blurred = cv2.GaussianBlur(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA), (3, 3), 0)
        return blurred.transpose(2, 0, 1).copy(), idx


@listed(3, needs=("cv2", "albumentations"), make=lambda cls, root: cls(root), draws="pixels")
class AlbumentationsOfOpenCv(Photos):
    def __init__(self, root):
        import albumentations as A

        super().__init__(root)
        self.transform = A.Compose([A.Resize(30, 30), A.HorizontalFlip(p=0.5), A.Normalize()], seed=7)

    def __getitem__(self, idx):
        import cv2

        image = cv2.cvtColor(cv2.imread(self.image_paths[idx]), cv2.COLOR_BGR2RGB)
        return self.transform(image=image)["image"].transpose(2, 0, 1).astype(np.float32), idx


@listed(4, (19,), needs=("albumentations",), make=lambda cls, root: cls(root), draws="pixels")
class AlbumentationsOfPillow(Photos):
    """Image and mask together, as tutorials of detection and segmentation do."""

    def __init__(self, root):
        import albumentations as A
        from albumentations.pytorch import ToTensorV2

        super().__init__(root)
        self.masks = sorted(glob.glob(root + "/masks_l/*.png"))
        steps = [A.Resize(32, 32), A.RandomCrop(28, 28), A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=0.3)]
        self.transform = A.Compose(
            [*steps, A.Normalize(mean=[0.0] * 3, std=[1.0] * 3, max_pixel_value=255), ToTensorV2()], seed=7
        )

    def __getitem__(self, index):
        image = np.array(Image.open(self.image_paths[index]).convert("RGB"))
        mask = np.array(Image.open(self.masks[index]).convert("L"), dtype=np.float32)
        mask[mask == 255.0] = 1.0
        augmented = self.transform(image=image, mask=mask)
        return augmented["image"], augmented["mask"]


@listed(8, needs=("matplotlib",), make=lambda cls, root: cls(root))
class PyplotDataset(Photos):
    def __getitem__(self, idx):
        import matplotlib.image

        image = matplotlib.image.imread(self.image_paths[idx])
        return image[:40, :40].transpose(2, 0, 1).copy(), idx


@listed(15, make=lambda cls, root: cls(root))
class TutorialDataset(Photos):
    """PyTorch's own, of its tutorial on datasets."""

    resize = v2.Resize((24, 24), antialias=True)

    def __getitem__(self, idx):
        image = read_image(self.image_paths[idx])
        return self.resize(image), idx


@listed(15, make=lambda cls, root: cls(root))
class DecodedByTorchvision(Photos):
    def __getitem__(self, idx):
        with open(self.image_paths[idx], "rb") as f:
            data = torch.frombuffer(bytearray(f.read()), dtype=torch.uint8)
        return T.ConvertImageDtype(torch.float32)(decode_image(data))[:, :40, :40], idx


class Processor:
    """As those of Hugging Face's models: images in, arrays out."""

    def __call__(self, images, return_tensors="pt"):
        images = [image if image.mode == "RGB" else image.convert("RGB") for image in images]
        arrays = [np.array(image.resize((24, 24), resample=3)).astype(np.float32) * (1 / 255) for image in images]
        assert return_tensors == "pt"
        return {"pixel_values": torch.tensor(np.stack([(a - 0.5) / 0.5 for a in arrays]).transpose(0, 3, 1, 2))}


@listed(15, make=lambda cls, root: cls(root))
class ModelProcessor(Photos):
    processor = Processor()

    def __getitem__(self, idx):
        image = Image.open(self.image_paths[idx])
        encoding = self.processor(images=[image], return_tensors="pt")
        return {k: v.squeeze(0) for k, v in encoding.items()} | {"labels": torch.tensor(idx % 3)}


def _hugging_face(root):
    import datasets

    paths = sorted(glob.glob(root + "/images/*.jpg")) + [root + "/odd/exif.jpg", root + "/odd/rgb.png"]
    rows = {"image": [{"path": None, "bytes": open(p, "rb").read()} for p in paths], "label": [*range(len(paths))]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict(rows, features=features)


def _pixel_values(examples):
    examples["pixel_values"] = [small(image.convert("RGB")) for image in examples["image"]]
    del examples["image"]
    return examples


@listed(1, (6, 17), name="HuggingFaceTransform", needs=("datasets",), make=lambda cls, root: cls(root))
def hugging_face_transform(root):
    return _hugging_face(root).with_transform(_pixel_values)


def _as_batch(examples):
    return {
        "pixel_values": torch.stack([e["pixel_values"] for e in examples]),
        "labels": torch.tensor([e["label"] for e in examples]),
    }


@listed(
    1, (6, 17), name="HuggingFaceCollated", needs=("datasets",), make=lambda cls, root: cls(root), collate_fn=_as_batch
)
def hugging_face_collated(root):
    data = _hugging_face(root).shuffle(seed=3).select(range(9))
    data.set_transform(_pixel_values)
    return data


@listed(
    7,
    (6, 12),
    name="HuggingFacePlain",
    needs=("datasets",),
    make=lambda cls, root: cls(root),
    collate_fn=lambda batch: [(np.array(e["image"]), e["image"].mode, e["label"]) for e in batch],
)
def hugging_face_plain(root):
    return _hugging_face(root)


@listed(7, (6,), name="HuggingFaceTensors", needs=("datasets",), make=lambda cls, root: cls(root), collate_fn=list)
def hugging_face_tensors(root):
    return _hugging_face(root).with_format("torch")


class LmdbLike(Dataset[Any]):
    """A store of bytes that each worker opens for itself, and keys that are numbers as text."""

    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*.jpg"))
        self.store = None

    def __len__(self):
        return len(self.files)


@listed(1, (5, 15), make=lambda cls, root: cls(root))
class StoreOpenedLate(LmdbLike):
    def __getitem__(self, index):
        if self.store is None:
            self.store = {f"image-{i:09d}".encode(): open(p, "rb").read() for i, p in enumerate(self.files)}
        buf = io.BytesIO()
        buf.write(self.store[f"image-{index:09d}".encode()])
        buf.seek(0)
        return small(Image.open(buf).convert("RGB")), index
