"""Datasets of torchvision's that are run in Python."""

from __future__ import annotations

import glob
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets, tv_tensors
from torchvision.transforms import v2

from .chains import small, transforms as T
from .registry import listed


def voc_root(root):
    """The folders of PASCAL VOC 2012, of the photos of `user_files`."""
    base = Path(root) / "VOCdevkit" / "VOC2012"
    if not base.is_dir():
        names = [Path(p).stem for p in sorted(glob.glob(root + "/images/*.jpg"))]
        for folder in ("JPEGImages", "SegmentationClass", "Annotations", "ImageSets/Segmentation", "ImageSets/Main"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(f"{root}/images/{name}.jpg", base / "JPEGImages")
            shutil.copy(f"{root}/masks_p/{name}.png", base / "SegmentationClass")
            shutil.copy(f"{root}/xml/{name}.xml", base / "Annotations")
        for kind in ("Segmentation", "Main"):
            (base / "ImageSets" / kind / "train.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return root


pair = T.Compose([T.Resize((24, 24), T.InterpolationMode.NEAREST), T.PILToTensor()])


listed(
    10,
    make=lambda cls, root: cls(voc_root(root), image_set="train", transform=small, target_transform=pair),
)(datasets.VOCSegmentation)


joint = v2.Compose(
    [
        v2.ToImage(),
        v2.RandomResizedCrop(24, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
    ]
)


@listed(5, name="VOCSegmentationWrapped", make=lambda make, root: make(root), draws="pixels")
def wrapped(root):
    data = datasets.VOCSegmentation(voc_root(root), image_set="train", transforms=joint)
    return datasets.wrap_dataset_for_transforms_v2(data)


def detections(batch):
    return torch.stack([image for image, _ in batch]), [target["annotation"]["filename"] for _, target in batch]


listed(
    1,
    (17,),
    make=lambda cls, root: cls(voc_root(root), image_set="train", transform=small),
    collate_fn=detections,
)(datasets.VOCDetection)


def coco_files(root):
    file = Path(root) / "coco.json"
    if not file.exists():
        names = sorted(Path(p).name for p in glob.glob(root + "/images/*.jpg"))
        boxes = json.loads((Path(root) / "boxes.json").read_text(encoding="utf-8"))
        found: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "thing"}]}
        for number, name in enumerate(names):
            found["images"].append({"id": number, "file_name": name})
            for x1, y1, x2, y2 in boxes[name]:
                box = {"id": len(found["annotations"]), "image_id": number, "category_id": 1, "iscrowd": 0}
                found["annotations"].append(box | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
        file.write_text(json.dumps(found), encoding="utf-8")
    return f"{root}/images", str(file)


def boxes_collate(batch):
    return torch.stack([image for image, _ in batch]), [[each["bbox"] for each in target] for _, target in batch]


listed(
    1,
    needs=("pycocotools",),
    make=lambda cls, root: cls(*coco_files(root), transform=small),
    collate_fn=boxes_collate,
)(datasets.CocoDetection)


def caltech_root(root):
    """The folders of Caltech 101."""
    base = Path(root) / "caltech101"
    if not base.is_dir():
        for number, path in enumerate(sorted(glob.glob(root + "/images/*.jpg"))):
            folder = base / "101_ObjectCategories" / ("chair" if number < 5 else "crab")
            folder.mkdir(parents=True, exist_ok=True)
            (base / "Annotations").mkdir(exist_ok=True)
            (base / "101_ObjectCategories" / "BACKGROUND_Google").mkdir(exist_ok=True)
            place = number if number < 5 else number - 5
            shutil.copy(path, folder / f"image_{place + 1:04d}.jpg")
    return root


listed(1, needs=("scipy",), make=lambda cls, root: cls(caltech_root(root), transform=small))(datasets.Caltech101)
