"""FFCV, on a file of its own format that holds the bytes of the JPEGs as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision import datasets

from torchfeed.bench.tasks import MEAN_STD, SIZE, Job

from . import Epochs

__all__ = ["build"]


def build(_: str, job: Job) -> Epochs:
    """As `peers.build`; the file is written on the first call.

    Raises:
        ValueError: not all files are JPEGs.
    """
    from ffcv.fields import IntField, RGBImageField
    from ffcv.fields.decoders import CenterCropRGBImageDecoder, IntDecoder, RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, Squeeze, ToTensor, ToTorchImage
    from ffcv.writer import DatasetWriter

    class Bytes(RGBImageField):
        """Stores a JPEG's own bytes: FFCV itself would encode its pixels again."""

        def encode(self, destination: Any, image: str, malloc: Any) -> None:
            with Image.open(image) as opened:
                if opened.format != "JPEG":
                    raise ValueError(f"FFCV holds JPEGs, and {image} is {opened.format}")
                destination["width"], destination["height"] = opened.size
            data = np.frombuffer(Path(image).read_bytes(), np.uint8)
            destination["mode"] = 0  # a JPEG
            destination["data_ptr"], storage = malloc(data.nbytes)
            storage[:] = data

    path = Path(job.scratch) / f"{job.task}.beton"
    if not path.exists():
        samples = datasets.ImageFolder(job.folder).samples
        fields = {"image": Bytes(write_mode="jpg"), "label": IntField()}
        DatasetWriter(str(path), fields, num_workers=1).from_indexed_dataset(samples)
    mean, std = (np.array(values) * 255 for values in MEAN_STD)
    geometry: list[Any] = (
        [RandomResizedCropRGBImageDecoder((SIZE, SIZE)), RandomHorizontalFlip()]
        if job.transform == "train"
        else [CenterCropRGBImageDecoder((SIZE, SIZE), ratio=SIZE / 256)]
    )
    loader: Epochs = Loader(
        str(path),
        batch_size=job.batch_size,
        num_workers=job.cores,
        order=OrderOption.RANDOM if job.shuffle else OrderOption.SEQUENTIAL,
        os_cache=True,
        drop_last=False,
        custom_fields={"image": Bytes},
        pipelines={
            "image": [*geometry, NormalizeImage(mean, std, np.float32), ToTensor(), ToTorchImage(channels_last=False)],
            "label": [IntDecoder(), ToTensor(), Squeeze(1)],
        },
    )
    return lambda: loader  # type: ignore[return-value]
