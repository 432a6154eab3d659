"""A path is opened, converted, transformed, and returned with a label: what most classes do."""

from __future__ import annotations

import csv
import glob
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.datasets.folder import default_loader

from .chains import jitter_transform, rotating, small, test_transform, train_transform
from .registry import listed


@listed(1, make=lambda cls, root: cls(f"{root}/labels.csv", f"{root}/images", train_transform), draws="pixels")
class CsvDataset(Dataset[Any]):
    def __init__(self, csv_file, img_dir, transform=None):
        with open(csv_file) as f:
            reader = csv.reader(f)
            next(reader)
            self.rows = [row for row in reader]
        self.img_dir = img_dir
        self.transform = transform

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        img_path = os.path.join(self.img_dir, self.rows[idx][0])
        image = Image.open(img_path).convert("RGB")
        label = int(self.rows[idx][1])
        if self.transform:
            image = self.transform(image)
        return image, label


@listed(1, make=lambda cls, root: cls(f"{root}/images", test_transform))
class ListdirDataset(Dataset[Any]):
    def __init__(self, root, transform):
        self.root = root
        self.imgs = sorted(os.listdir(root))
        self.transform = transform

    def __getitem__(self, index):
        name = self.imgs[index]
        img = Image.open(os.path.join(self.root, name))
        img = img.convert("RGB")
        img = self.transform(img)
        label = int(name.split("_")[1].split(".")[0]) % 2
        return img, label

    def __len__(self):
        return len(self.imgs)


@listed(1, make=lambda cls, root: cls(root, jitter_transform), draws="pixels")
class GlobDataset(Dataset[Any]):
    def __init__(self, root, transform):
        self.files = sorted(glob.glob(root + "/images/*.jpg"))
        self.transform = transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        path = self.files[i]
        x = Image.open(path).convert("RGB")
        return self.transform(x), path


@listed(1, make=lambda cls, root: cls(f"{root}/folders", small))
class FolderWalker(Dataset[Any]):
    """As ImageFolder is, written once more."""

    def __init__(self, root, transform=None, target_transform=None):
        self.classes = sorted(d.name for d in os.scandir(root) if d.is_dir())
        self.class_to_idx = {c: i for i, c in enumerate(self.classes)}
        self.samples = []
        for c in self.classes:
            for r, _, fnames in sorted(os.walk(os.path.join(root, c))):
                for fname in sorted(fnames):
                    self.samples.append((os.path.join(r, fname), self.class_to_idx[c]))
        self.transform = transform
        self.target_transform = target_transform

    def loader(self, path):
        with open(path, "rb") as f:
            img = Image.open(f)
            return img.convert("RGB")

    def __getitem__(self, index):
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return sample, target

    def __len__(self):
        return len(self.samples)


@listed(1, make=lambda cls, root: cls(root, "train.txt"), draws="pixels")
class TxtDataset(Dataset[Any]):
    def __init__(self, root, txt):
        self.root = root
        self.lines = [l.strip().split(" ") for l in open(os.path.join(root, txt), encoding="utf-8").readlines()]
        self.transform = transforms.Compose(
            [
                transforms.Resize((40, 40)),
                transforms.RandomCrop(32),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
            ]
        )

    def __getitem__(self, item):
        p, l = self.lines[item]
        img = self.transform(Image.open(self.root + "/" + p).convert("RGB"))
        return img, torch.tensor(int(l), dtype=torch.long)

    def __len__(self):
        return len(self.lines)


@listed(1, (7,), make=lambda cls, root: cls(root, test_transform))
class DefaultLoaderDataset(Dataset[Any]):
    def __init__(self, root, transform, loader=default_loader):
        self.paths = sorted(Path(root, "images").glob("*.jpg"))
        self.transform = transform
        self.loader = loader

    def __getitem__(self, index):
        img = self.loader(self.paths[index])
        return self.transform(img), index % 5

    def __len__(self):
        return len(self.paths)


@listed(1, (7,), make=lambda cls, root: cls(glob.glob(root + "/images/*")))
class LambdaLoaderDataset(Dataset[Any]):
    def __init__(self, paths, loader=lambda p: Image.open(p).convert("RGB")):
        self.paths = sorted(paths)
        self.loader = loader
        self.transform = transforms.Compose(
            [transforms.Lambda(lambda im: im.resize((22, 18))), transforms.ToTensor()],
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return self.transform(self.loader(self.paths[index])), float(index)


@listed(1, make=lambda cls, root: cls(root, True), draws="pixels")
class DictDataset(Dataset[Any]):
    def __init__(self, data_dir, is_train):
        with open(data_dir + "/labels.csv") as f:
            self.data = list(csv.DictReader(f))
        self.data_dir = data_dir
        if is_train:
            self.transform = rotating
        else:
            self.transform = small

    def __len__(self):
        return len(self.data)

    def __getitem__(self, idx):
        row = self.data[idx]
        filename = os.path.join(self.data_dir, "images", row["name"])
        image = Image.open(filename).convert("RGB")
        sample = {"image": self.transform(image), "label": int(row["label"]), "score": np.float32(row["score"])}
        sample["path"] = filename
        return sample


@listed(1, make=lambda cls, root: cls(root))
class NumpyLabels(Dataset[Any]):
    def __init__(self, root):
        self.image_paths = np.array(sorted(glob.glob(root + "/images/*.jpg")))
        self.labels = np.arange(len(self.image_paths)) % 4
        self.transform = test_transform

    def __getitem__(self, idx):
        img = Image.open(self.image_paths[idx]).convert("RGB")
        return self.transform(img), self.labels[idx]

    def __len__(self):
        return len(self.labels)


@listed(1, make=lambda cls, root: cls(root), draws="pixels")
class MultiLabel(Dataset[Any]):
    def __init__(self, root):
        self.root = Path(root)
        with (self.root / "boxes.json").open() as f:
            self.ann = json.load(f)
        self.names = list(self.ann)
        self.tf = train_transform

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        target = torch.zeros(6)
        target[[i % 6, (i * 2) % 6]] = 1
        with Image.open(self.root / "images" / self.names[i]) as img:
            img = img.convert("RGB")
        return self.tf(img), target


@listed(1, (20,), make=lambda cls, root: cls(root), needs=("pandas",), draws="pixels")
class PandasDataset(Dataset[Any]):
    def __init__(self, root):
        import pandas as pd

        self.df = pd.read_csv(root + "/labels.csv")
        self.root = root
        self.transform = train_transform

    def __len__(self):
        return len(self.df)

    def __getitem__(self, idx):
        if torch.is_tensor(idx):
            idx = idx.tolist()
        img_name = os.path.join(self.root, "images", self.df.iloc[idx, 0])
        image = Image.open(img_name).convert("RGB")
        y_label = torch.tensor(float(self.df.iloc[idx, 2]))
        return self.transform(image), y_label


def detection_collate(batch):
    images, targets = zip(*batch, strict=True)
    return torch.stack(images), list(targets)


@listed(1, (20,), make=lambda cls, root: cls(root), collate_fn=detection_collate)
class XmlBoxes(Dataset[Any]):
    def __init__(self, root):
        self.root = root
        self.ids = sorted(f[:-4] for f in os.listdir(root + "/xml"))
        self.transforms = transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, idx):
        img = Image.open(f"{self.root}/images/{self.ids[idx]}.jpg").convert("RGB")
        w, h = img.size
        boxes = []
        for obj in ET.parse(f"{self.root}/xml/{self.ids[idx]}.xml").getroot().iter("object"):
            b: Any = obj.find("bndbox")
            x1, y1, x2, y2 = (float(b.find(k).text) for k in ("xmin", "ymin", "xmax", "ymax"))
            boxes.append([x1 / w, y1 / h, x2 / w, y2 / h])
        return self.transforms(img), {"boxes": torch.as_tensor(boxes), "image_id": torch.tensor([idx])}


class Base(Dataset[Any]):
    def __init__(self, root):
        self.root = root
        self.items = self.make_items()

    def make_items(self):
        raise NotImplementedError

    def load_image(self, index):
        return Image.open(self.items[index][0]).convert("RGB")

    def load_label(self, index):
        return self.items[index][1]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        img = self.load_image(index)
        return self.transform(img), self.load_label(index)

    def transform(self, img):
        return transforms.ToTensor()(transforms.CenterCrop(38)(img))


@listed(1, make=lambda cls, root: cls(root))
class DerivedDataset(Base):
    def make_items(self):
        return [(p, os.path.basename(p)) for p in sorted(glob.glob(self.root + "/images/*"))]


@listed(1, (17,), make=lambda cls, root: cls([(p, i) for i, p in enumerate(sorted(glob.glob(root + "/images/*")))]))
class ImageData:
    """No subclass of torch's, as in re-identification."""

    def __init__(self, dataset, transform=test_transform):
        self.dataset, self.transform = dataset, transform

    def __getitem__(self, item):
        img, pid = self.dataset[item]
        cam = pid % 3
        img = Image.open(img).convert("RGB")
        if self.transform is not None:
            img = self.transform(img)
        return img, pid, cam, self.dataset[item][0]

    def __len__(self):
        return len(self.dataset)


@listed(1, (12,), make=lambda cls, root: cls(root))
class ResizedInCode(Dataset[Any]):
    """The default filter, and a resize to the size that an image has."""

    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))
        self.to_tensor = transforms.ToTensor()
        self.norm = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def __getitem__(self, i):
        im = Image.open(self.files[i]).convert("RGB").resize((26, 26))
        im = im.resize(im.size, Image.Resampling.BICUBIC)
        return self.norm(self.to_tensor(im)), i

    def __len__(self):
        return len(self.files)


@listed(1, make=lambda cls, root: cls(root, lambda y: y * 10))
class WithTargetTransform(Dataset[Any]):
    def __init__(self, root, target_transform):
        self.image_paths = [os.path.join(root, l.split()[0]) for l in open(root + "/train.txt")]
        self.labels = [l.split()[1] for l in open(root + "/train.txt")]
        self.transform = transforms.Compose([transforms.Grayscale(3), transforms.Resize(30), transforms.CenterCrop(30)])
        self.target_transform = target_transform

    def __len__(self):
        return len(self.image_paths)

    def __getitem__(self, idx):
        img = self.transform(Image.open(self.image_paths[idx]).convert("RGB"))
        return transforms.functional.to_tensor(img), self.target_transform(int(self.labels[idx])), idx


@listed(1, make=lambda cls, root: cls(root, None), raises=TypeError)
class NoTransformGiven(Dataset[Any]):
    """Without a transform, images stay as they are, and no default collate can stack them."""

    def __init__(self, root, transform):
        self.files = sorted(glob.glob(root + "/images/*"))
        self.transform = transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, idx):
        image = Image.open(self.files[idx]).convert("RGB")
        if self.transform is not None:
            image = self.transform(image)
        return image, 0
