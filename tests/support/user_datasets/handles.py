"""Files by handles, members of archives, bytes in memory, and other names of the opener."""

from __future__ import annotations

import base64
import glob
import io
import os
import tarfile
import tempfile
import zipfile
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.Image import open as pil_open
from torch.utils.data import Dataset
from torchvision.datasets.folder import pil_loader

from .chains import small, test_transform, train_transform
from .registry import listed


@listed(1, (5,), make=lambda cls, root: cls(root), draws="pixels")
class OpenedByHandle(Dataset[Any]):
    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with open(self.files[i], "rb") as f:
            with Image.open(f) as img:
                img = img.convert("RGB")
        return train_transform(img), i


@listed(1, (5,), make=lambda cls, root: cls(root))
class FromBytes(Dataset[Any]):
    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))
        self.transform = test_transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with open(self.files[i], "rb") as f:
            buf = f.read()
        img = Image.open(BytesIO(buf)).convert("RGB")
        return self.transform(img), len(buf)


@listed(1, (5, 15), make=lambda cls, root: cls(root + "/images.zip"))
class ZipDataset(Dataset[Any]):
    """The archive is opened by whoever reads first: each worker has its own."""

    def __init__(self, path):
        self.path = path
        self.zip = None
        with zipfile.ZipFile(path) as z:
            self.names = [n for n in sorted(z.namelist()) if n.endswith(".jpg")]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        if self.zip is None:
            self.zip = zipfile.ZipFile(self.path)
        with self.zip.open(self.names[i]) as f:
            img = Image.open(f).convert("RGB")
        return small(img), os.path.basename(self.names[i])


@listed(1, (5, 15), make=lambda cls, root: cls(root + "/images.tar"))
class TarDataset(Dataset[Any]):
    def __init__(self, path):
        self.path, self.tar = path, None
        with tarfile.open(path) as t:
            self.members = sorted(m.name for m in t.getmembers())

    def __len__(self):
        return len(self.members)

    def __getitem__(self, i):
        if self.tar is None:
            self.tar = tarfile.open(self.path)
        img = Image.open(io.BytesIO(self.tar.extractfile(self.members[i]).read()))
        return small(img.convert("RGB")), i

    def __del__(self):
        if self.tar is not None:
            self.tar.close()


@listed(1, (5,), make=lambda cls, root: cls(root))
class ThroughTemporaryFile(Dataset[Any]):
    """As where files come from a store far away."""

    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))

    def download(self, src, dst):
        with open(src, "rb") as f:
            dst.write(f.read())
        dst.flush()

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with tempfile.NamedTemporaryFile(suffix=".jpg") as tmp:
            self.download(self.files[i], tmp)
            img = Image.open(tmp.name).convert("RGB")
        return small(img), i


@listed(2, (5,), make=lambda cls, root: cls(root))
class Base64Rows(Dataset[Any]):
    def __init__(self, root):
        self.rows = []
        for p in sorted(glob.glob(root + "/images/*")):
            with open(p, "rb") as f:
                self.rows.append({"id": p[-7:-4], "image": base64.b64encode(f.read()).decode()})

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        img = Image.open(BytesIO(base64.b64decode(self.rows[i]["image"]))).convert("RGB")
        return {"pixel_values": test_transform(img), "id": self.rows[i]["id"]}


@listed(1, (7,), make=lambda cls, root: cls(root), draws="pixels")
class OpenByAnotherName(Dataset[Any]):
    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return train_transform(pil_open(self.files[i]).convert("RGB")), i % 2


@listed(1, (7,), make=lambda cls, root: cls(root))
class PilLoaderDataset(Dataset[Any]):
    def __init__(self, root):
        self.files = sorted(glob.glob(root + "/images/*"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return test_transform(pil_loader(self.files[i]))


@listed(7, (6, 8), make=lambda cls, root: cls(root))
class LoadedAtOnce(Dataset[Any]):
    """As Hugging Face's datasets decode: load, and then the orientation."""

    def __init__(self, root):
        self.files = [*sorted(glob.glob(root + "/images/*"))[:5], root + "/odd/exif.jpg", root + "/odd/progressive.jpg"]

    def decode(self, path):
        with open(path, "rb") as f:
            image = Image.open(BytesIO(f.read()))
        image.load()
        if image.getexif().get(Image.ExifTags.Base.Orientation) is not None:
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
        if image.mode != "RGB":
            image = image.convert("RGB")
        return image

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        image = self.decode(self.files[i])
        return small(image), image.height, image.width
