"""The job of a pipeline: the same decoded photos through torchfeed and through torchvision."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torchvision import transforms as T

from oracle import erased, functional, same, values
from torchfeed.datasets import ImageList

from .work import Work

__all__ = ["job"]


def job(name: str, steps: list[Any], images: list[Image.Image], theirs: list[Any] | None = None) -> Work:
    """Makes the job of a pipeline on some images of one size.

    Args:
        name: of a row of the table.
        steps: the pipeline.
        images: RGB, all of one size.
        theirs: what torchvision's side gets instead, where the class is not its own.
    """
    pipeline, their_pipeline = T.Compose(steps), T.Compose(steps if theirs is None else theirs)
    ours = ImageList(np.stack([np.asarray(image) for image in images]), transform=pipeline)
    every = range(len(images))

    def check() -> None:
        ours.seed = 0  # so that what is drawn can be asked for
        for index, (made, _) in enumerate(ours.__getitems__(every)):
            drawn = ours.draw(index, seed=0)
            same(made, erased(values(pipeline, functional(images[index], drawn)), drawn), name)
        ours.seed = None

    return Work(
        name,
        torchfeed=lambda: ours.__getitems__(every),
        torchvision=lambda: [their_pipeline(image) for image in images],
        check=check,
        amount=len(images),
    )
