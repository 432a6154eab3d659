"""Writes the small files in data/ and what Pillow makes of them to golden.txt. Run with Pillow >= 13.

Each line is: file, scale, height, width, channels, FNV-1a hash of the pixels. RGB, also for gray; CMYK as in the file.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent


def picture(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    """Smooth shapes with a little noise: all frequencies, but small files."""
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(x * rng.uniform(0, 0.4) + y * rng.uniform(0, 0.4) + i) for i in range(channels)]
    return np.clip(np.stack(planes, -1) + rng.integers(-12, 13, (height, width, channels)), 0, 255).astype(np.uint8)


def fnv(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def decode(data: bytes, scale: int) -> np.ndarray | None:
    image = Image.open(io.BytesIO(data))
    width, height = image.size
    if scale > 1:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))
    if image.size != (-(-width // scale), -(-height // scale)):
        return None  # draft does not go that far for a tiny image
    pixels = np.asarray(image)
    if image.mode == "L":
        return np.repeat(pixels[:, :, None], 3, 2)
    return 255 - pixels if image.mode == "CMYK" else pixels


def resample(data: bytes, factors: list[int]) -> bytes:
    """Other sampling factors in the frame header: the data then mean another picture, and end early or late."""
    data = bytearray(data)
    frame = data.find(b"\xff\xc0")
    for index, factor in enumerate(factors):
        data[frame + 11 + 3 * index] = factor
    return bytes(data)


def main() -> None:
    rng = np.random.default_rng(20)
    files = {}

    def add(name: str, mode: str, size: tuple[int, int], **options: object) -> None:
        pixels = picture(rng, *size, {"L": 1, "RGB": 3, "CMYK": 4}[mode])
        image = (
            Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
            if mode != "CMYK"
            else Image.frombytes("CMYK", (size[1], size[0]), pixels.tobytes())
        )
        out = io.BytesIO()
        image.save(out, "JPEG", **options)
        files[name] = out.getvalue()

    for progressive in (False, True):
        kind = "progressive" if progressive else "baseline"
        for subsampling, name in enumerate(("444", "422", "420")):
            for size in ((1, 1), (2, 5), (17, 33), (40, 48)):
                add(
                    f"{kind}-{name}-{size[0]}x{size[1]}",
                    "RGB",
                    size,
                    quality=80,
                    subsampling=subsampling,
                    progressive=progressive,
                )
            add(
                f"{kind}-{name}-restart",
                "RGB",
                (35, 50),
                quality=90,
                subsampling=subsampling,
                progressive=progressive,
                restart_marker_blocks=2,
            )
            add(
                f"{kind}-{name}-best",
                "RGB",
                (20, 23),
                quality=100,
                subsampling=subsampling,
                progressive=progressive,
                optimize=True,
            )
            add(f"{kind}-{name}-worst", "RGB", (50, 43), quality=1, subsampling=subsampling, progressive=progressive)
        add(f"{kind}-gray", "L", (29, 31), quality=85, progressive=progressive)
        add(f"{kind}-rgb", "RGB", (18, 21), quality=85, keep_rgb=True, subsampling=0, progressive=progressive)
        add(f"{kind}-cmyk", "CMYK", (19, 27), quality=85, progressive=progressive)
    base = files["baseline-444-40x48"]
    for name, factors in {
        "440": [0x12, 0x11, 0x11],
        "411": [0x41, 0x11, 0x11],
        "odd": [0x31, 0x11, 0x31],
        "chroma": [0x11, 0x21, 0x22],
        "441": [0x14, 0x11, 0x12],
    }.items():
        files[f"damaged-{name}"] = resample(base, factors)
    lines = []
    for name, data in sorted(files.items()):
        (HERE / "data" / f"{name}.jpg").write_bytes(data)
        for scale in (1, 2, 4, 8):
            pixels = decode(data, scale)
            if pixels is not None and (scale == 1 or not name.startswith("damaged")):
                height, width, channels = pixels.shape
                lines.append(f"{name} {scale} {height} {width} {channels} {fnv(pixels.tobytes()):016x}")
    (HERE / "golden.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
