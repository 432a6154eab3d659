"""A small labelled JPEG dataset that is drawn, not downloaded: ten shapes and textures over noise.

Every picture depends on (seed, index) alone. The noise makes a file about as slow to decode, per pixel, as a photo.
"""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["CLASSES", "SIZE", "draw", "write_dataset"]

SIZE = 256
CLASSES = ("checks", "circle", "cross", "dots", "ring", "square", "star", "stripes", "triangle", "waves")
VERSION = 1  # part of the folder's name: raise it when a picture changes

Mask = NDArray[np.bool_]
Grid = NDArray[np.float64]


def _star(x: Grid, y: Grid, points: int, tip: float, notch: float) -> Mask:
    """Fills a star: every edge is folded onto one, from a tip at angle 0 to a notch at angle pi / points."""
    half = math.pi / points
    r, angle = np.hypot(x, y), abs((np.arctan2(y, x) + half) % (2 * half) - half)
    dx, dy = notch * math.cos(half) - tip, notch * math.sin(half)
    mask: Mask = dx * r * np.sin(angle) > dy * (r * np.cos(angle) - tip)
    return mask


# Each drawing takes coordinates in which a shape fills about [-1, 1], and answers where the ink goes.
INK: dict[str, Callable[[Grid, Grid], Mask]] = {
    "checks": lambda x, y: (np.sin(7 * x) > 0) ^ (np.sin(7 * y) > 0),
    "circle": lambda x, y: x**2 + y**2 < 1,
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 1.1),
    "dots": lambda x, y: np.cos(7 * x) + np.cos(7 * y) > 0.9,
    "ring": lambda x, y: abs(np.hypot(x, y) - 0.85) < 0.2,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) < 0.85,
    "star": lambda x, y: _star(x, y, 5, tip=1.3, notch=0.5),
    "stripes": lambda x, _: np.sin(9 * x) > 0,
    "triangle": lambda x, y: _star(x, y, 3, tip=1.2, notch=0.6),
    "waves": lambda x, y: np.sin(9 * x + 2.5 * np.sin(3.5 * y)) > 0,
}


def _noise(rng: np.random.Generator, cells: int) -> Image.Image:
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
    return coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def draw(index: int, seed: int = 0) -> tuple[bytes, int]:
    """Draws one picture.

    Args:
        index: number of the picture; its class is ``index % 10``.
        seed: another seed gives another dataset.

    Returns:
        The JPEG file (256x256 RGB, quality 90, about 28 kB) and its class, an index into `CLASSES`.

    Example:
        >>> jpeg, label = draw(3)
        >>> CLASSES[label]
        'dots'
    """
    rng = np.random.default_rng((seed, index))
    label = index % len(CLASSES)
    angle, radius = rng.uniform(-0.4, 0.4), rng.uniform(75, 95)
    left, top = SIZE / 2 + rng.uniform(-20, 20, 2)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    x, y = (columns - left) / radius, (rows - top) / radius
    mask = INK[CLASSES[label]](x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle))
    background = Image.blend(_noise(rng, 6), _noise(rng, 48), 0.4)
    dark, light = rng.integers(0, 110, 3), rng.integers(145, 256, 3)
    paper, ink = (dark, light) if rng.random() < 0.5 else (light, dark)
    flat = np.where(mask[..., None], ink, paper).astype(np.uint8)
    image = Image.blend(Image.blend(background, Image.fromarray(flat), 0.7), _noise(rng, SIZE), 0.16)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue(), label


def _write(index: int, folder: Path, seed: int) -> None:
    jpeg, label = draw(index, seed)
    (folder / CLASSES[label] / f"{index:05d}.jpg").write_bytes(jpeg)


def write_dataset(cache: Path, train: int = 4000, val: int = 1000, seed: int = 0) -> Path:
    """Draws the dataset as an ImageFolder with ``train/`` and ``val/``, once.

    The folder gets its final name when the last picture is in: what bears it is complete, and the rest is redone.

    Args:
        cache: the folder to hold the dataset's folder.
        train: number of pictures in ``train/``.
        val: number of pictures in ``val/``.
        seed: see `draw`.

    Returns:
        The dataset's folder.
    """
    done = cache / f"drawings-v{VERSION}-{seed}-{train}-{val}"
    if done.is_dir():
        return done
    print(f"drawing {train + val:,} pictures into {done}", file=sys.stderr, flush=True)
    partly = done.with_name(done.name + ".partial")
    for part in ("train", "val"):
        for name in CLASSES:
            (partly / part / name).mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, 1 + train // 100)) as pool:
        for part, indices in (("train", range(train)), ("val", range(train, train + val))):
            write = partial(_write, folder=partly / part, seed=seed)
            for count, _ in enumerate(pool.imap_unordered(write, indices, chunksize=50), 1):
                if sys.stderr.isatty() and (count % 50 == 0 or count == len(indices)):
                    print(f"\rdrawing {part}: {count}/{len(indices)}", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)
    partly.rename(done)
    return done
