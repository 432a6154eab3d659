"""Images made on the fly: pixels, and files of every kind that a folder of photos may hold."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from torchfeed.datasets import NativeDataset
from torchfeed.plan.pixels import array_source

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

# Rows and columns where decoders and filters have their edges.
SIZES = [(1, 1), (1, 9), (9, 1), (8, 8), (16, 16), (17, 33), (37, 53), (64, 31)]


def pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    """Makes an image, (H, W, C), that is smooth on the left and noisy on the right."""
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (3 + c) + y / (7 - c) + seed) for c in range(channels)]
    smooth = 127.5 + 120 * np.stack(waves, axis=-1)
    noise = rng.integers(0, 256, (height, width, channels))
    share = np.linspace(0, 1, width)[None, :, None]
    return (smooth * (1 - share) + noise * share).round().astype(np.uint8)


def picture(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Makes a PIL image of any mode that Pillow converts RGB to."""
    return Image.fromarray(pixels(height, width, seed=seed)).convert(mode)


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Writes an image as a file's bytes."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def rgb(data: bytes) -> Image.Image:
    """Decodes as `torchvision.datasets.folder.pil_loader` does: the specification."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def in_memory(images: Pixels | Sequence[Pixels], transform: Any = None, targets: Sequence[int] | None = None) -> Any:
    """Makes a dataset of decoded images of one size, (N, H, W, C)."""
    array = np.asarray(images)
    return NativeDataset(array_source(array), range(len(array)) if targets is None else targets, transform, None)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, bits: int, color: int, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace))


_ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png(height: int, width: int, bits: int, color: int, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """Writes a PNG of noise in any bit depth and colour type, also those that Pillow does not write."""
    rng = np.random.default_rng([height, width, bits, color])
    samples = rng.integers(0, 1 << bits, (height, width, _SAMPLES[color]), dtype=np.uint16)
    if color == 3:
        palette = rng.integers(0, 256, 3 << bits, dtype=np.uint8).tobytes()
        extra = chunk(b"PLTE", palette) + extra
    passes = [samples[top::down, left::across] for top, left, down, across in _ADAM7] if interlaced else [samples]
    rows = b"".join(b"\0" + _pack(row, bits) for part in passes if part.shape[1] for row in part)
    body = extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header(width, height, bits, color, int(interlaced)) + body


def _pack(row: np.ndarray[Any, np.dtype[np.uint16]], bits: int) -> bytes:
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    planes = (row.reshape(-1, 1) >> np.arange(bits)[::-1]) & 1
    return np.packbits(planes.astype(np.uint8)).tobytes()


def jpegs() -> dict[str, bytes]:
    """JPEG files of every kind that Pillow writes, and one more, by name."""
    files = {}
    for quality, subsampling in [(5, 2), (75, 0), (75, 1), (75, 2), (95, 2), (100, 0)]:
        for height, width in SIZES:
            name = f"q{quality} s{subsampling} {height}x{width}"
            files[name] = encode(picture(height, width), "JPEG", quality=quality, subsampling=subsampling)
    odd = picture(37, 53)
    options: dict[str, dict[str, Any]] = {
        "progressive": {"progressive": True},
        "progressive 4:4:4": {"progressive": True, "subsampling": 0},
        "optimized": {"optimize": True},
        "restart blocks": {"restart_marker_blocks": 2},
        "restart rows": {"restart_marker_rows": 1},
        "stored as RGB": {"keep_rgb": True},
        "comment": {"comment": b"x" * 300},
        "icc": {"icc_profile": b"profile" * 50},
    }
    for name, option in options.items():
        files[name] = encode(odd, "JPEG", **option)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees, which torchvision's loader does not look at
    files["exif orientation"] = encode(odd, "JPEG", exif=exif)
    files["gray"] = encode(odd.convert("L"), "JPEG")
    files["gray progressive"] = encode(odd.convert("L"), "JPEG", progressive=True)
    cmyk = encode(odd.convert("CMYK"), "JPEG")
    files["cmyk"] = cmyk
    adobe = cmyk.index(b"Adobe")
    files["ycck"] = cmyk[: adobe + 11] + b"\x02" + cmyk[adobe + 12 :]
    return files


def pngs() -> dict[str, bytes]:
    """PNG files of every colour type and bit depth, by name."""
    files = {}
    for color, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for bits in depths:
            for interlaced in (False, True):
                files[f"type {color}, {bits} bits, interlaced {interlaced}"] = png(
                    19, 23, bits, color, interlaced=interlaced
                )
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = picture(37, 53, "L").convert("I;16") if mode == "I;16" else picture(37, 53, mode)
        files[f"mode {mode}"] = encode(image, "PNG")
    files["transparent gray"] = png(9, 9, 8, 0, extra=chunk(b"tRNS", b"\0\x07"))
    files["transparent colour"] = png(9, 9, 8, 2, extra=chunk(b"tRNS", b"\0\1\0\2\0\3"))
    files["transparent palette"] = encode(picture(9, 9, "P"), "PNG", transparency=3)
    files["gamma"] = png(9, 9, 8, 2, extra=chunk(b"gAMA", struct.pack(">I", 45455)))
    files["1x1"] = png(1, 1, 8, 2)
    return files


def native() -> dict[str, bytes]:
    """Files of the formats that are decoded natively, by name."""
    return {**jpegs(), **pngs()}


def others() -> dict[str, bytes]:
    """Files of the formats that Pillow decodes for us, by name."""
    odd = picture(21, 34)
    return {
        "bmp": encode(odd, "BMP"),
        "gif": encode(odd.convert("P"), "GIF"),
        "ppm": encode(odd, "PPM"),
        "tiff": encode(odd, "TIFF", compression="tiff_lzw"),
        "tiff 16 bits": encode(picture(21, 34, "L").convert("I;16"), "TIFF"),
        "webp": encode(odd, "WEBP", quality=70),
        "webp lossless": encode(odd.convert("RGBA"), "WEBP", lossless=True),
    }


def files() -> dict[str, bytes]:
    return {**native(), **others()}
