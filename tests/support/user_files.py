"""A folder of small files of the kinds that people's own datasets read: images, masks, archives, lists of labels."""

from __future__ import annotations

import csv
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from pictures import encode, picture, pixels

__all__ = ["CLASSES", "make_user_files"]

CLASSES = ("ape", "bee", "cat")

# Height and width of the photos. No two are the same, and most are no multiple of what JPEG's blocks are.
_SIZES = [(40, 53), (61, 44), (97, 131), (75, 75), (120, 81), (48, 160), (66, 90), (101, 57), (64, 64), (83, 142)]
_SIZES += [(155, 49), (59, 113)]


def make_user_files(root: Path) -> str:
    """Fills a folder, and returns it as code asks for it that joins paths as text."""
    _photos(root)
    _masks(root)
    _odd_files(root / "odd")
    _broken_files(root / "broken")
    _frames(root / "clips")
    _archives(root)
    _arrays(root)
    return str(root)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _photos(root: Path) -> None:
    """Twelve photos, named alone and in a folder for each class, and lists that tell of them."""
    rows = []
    for number, (height, width) in enumerate(_SIZES):
        options = {"quality": 60 + 3 * number, "subsampling": number % 3, "progressive": number == 7}
        data = encode(picture(height, width, seed=number), "JPEG", **options)
        name, label = f"img_{number:03d}.jpg", number % 3
        _write(root / "images" / name, data)
        _write(root / "folders" / CLASSES[label] / name, data)
        rows.append((name, label, width, height))
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "label", "score"])
        writer.writerows((name, label, f"{0.5 + label / 7:.4f}") for name, label, *_ in rows)
    (root / "train.txt").write_text("".join(f"images/{name} {label}\n" for name, label, *_ in rows), encoding="utf-8")
    boxes = {name: [[3, 4, width // 2, height // 2], [9, 8, width - 5, height - 2]] for name, _, width, height in rows}
    (root / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
    for name, label, width, height in rows:
        corners = f"<xmin>5</xmin><ymin>6</ymin><xmax>{width - 9}</xmax><ymax>{height - 7}</ymax>"
        objects = f"<object><name>{CLASSES[label]}</name><bndbox>{corners}</bndbox></object>" * (1 + label)
        text = f"<annotation><filename>{name}</filename>{objects}</annotation>"
        _write(root / "xml" / f"{Path(name).stem}.xml", text.encode())


def _masks(root: Path) -> None:
    """Masks of the photos: as indices into a palette, and as gray values."""
    palette = [value for color in range(256) for value in (color * 53 % 256, color * 97 % 256, color * 29 % 256)]
    for number, (height, width) in enumerate(_SIZES):
        indices = pixels(height, width, 1, seed=number)[..., 0] // 52
        mask = Image.fromarray(indices)
        mask.putpalette(palette)
        _write(root / "masks_p" / f"img_{number:03d}.png", encode(mask, "PNG"))
        gray = Image.fromarray((indices > 1) * np.uint8(255))
        _write(root / "masks_l" / f"img_{number:03d}.png", encode(gray, "PNG"))


def _odd_files(root: Path) -> None:
    """A file of each mode that people meet with, and not all have thought of."""
    photo, exif = picture(70, 46, seed=3), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "a camera"
    deep = np.arange(50 * 60, dtype=np.uint16).reshape(50, 60) * 21
    files = {
        "bit.png": encode(photo.convert("1"), "PNG"),
        "cmyk.jpg": encode(photo.convert("CMYK"), "JPEG"),
        "exif.jpg": encode(photo, "JPEG", exif=exif),
        "gray.jpg": encode(photo.convert("L"), "JPEG"),
        "gray.png": encode(photo.convert("L"), "PNG"),
        "gray_alpha.png": encode(photo.convert("LA"), "PNG"),
        "palette.png": encode(photo.quantize(60), "PNG"),
        "palette_clear.png": encode(photo.quantize(60), "PNG", transparency=4),
        "progressive.jpg": encode(photo, "JPEG", progressive=True, subsampling=2),
        "rgb.png": encode(photo, "PNG"),
        "rgba.png": encode(Image.fromarray(pixels(70, 46, 4, seed=5)), "PNG"),
        "sixteen.png": encode(Image.fromarray(deep), "PNG"),
    }
    for name, data in files.items():
        _write(root / name, data)
    stack = [picture(33, 47, "L", seed=seed) for seed in range(3)]
    for number in range(4):
        _write(root.parent / "tif" / f"{number}.tif", encode(stack[0], "TIFF", save_all=True, append_images=stack[1:]))
        _write(root.parent / "ppm" / f"{number}.ppm", encode(picture(31, 43, seed=number), "PPM"))


def _broken_files(root: Path) -> None:
    """Good files, and among them a cut JPEG, a cut PNG, a text, and an empty file."""
    for number in range(10):
        image = picture(60 + 7 * number, 90 - 5 * number, seed=number)
        data = encode(image, "PNG" if number == 5 else "JPEG", **({} if number == 5 else {"quality": 80}))
        broken = {2: data[: len(data) // 2], 4: b"no image at all", 5: data[: len(data) * 2 // 3], 8: b""}
        data = broken.get(number, data)
        _write(root / f"{number:02d}.{'png' if number == 5 else 'jpg'}", data)


def _frames(root: Path) -> None:
    """Clips: four frames of one size each."""
    for clip in range(4):
        for frame in range(4):
            image = picture(44 + clip, 62, seed=10 * clip + frame)
            _write(root / f"clip{clip}" / f"{frame}.jpg", encode(image, "JPEG", subsampling=frame % 3))


def _archives(root: Path) -> None:
    """The photos, in a zip and a tar."""
    photos = sorted((root / "images").iterdir())
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for photo in photos:
            archive.write(photo, f"data/{photo.name}")
    with tarfile.open(root / "images.tar", "w") as tar:
        for photo in photos:
            tar.add(photo, photo.name)


def _arrays(root: Path) -> None:
    """Pixels and labels as numpy stores them, and as bytes alone."""
    images = np.stack([pixels(32, 32, seed=seed) for seed in range(10)])
    np.save(root / "images.npy", images)
    np.savez(root / "all.npz", images=images, labels=np.arange(10) % 4)
    images.tofile(root / "images.bin")
