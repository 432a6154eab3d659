"""Writes seeds for the fuzz targets: ``python make_seeds.py``.

For png and header they are small files of every kind, behind the target's parameters in the first bytes of an input.
The target plan makes a pipeline and an image of any bytes, if only there are enough of them.
"""

import io
import itertools
import random
import struct
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


def pngs() -> list[bytes]:
    """PNGs of every mode that Pillow writes."""
    files = []
    for mode, size in itertools.product(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], [(1, 1), (17, 9)]):
        image = Image.effect_noise(size, 80).convert("L")
        for options in ({}, {"bits": 2}, {"bits": 4}) if mode == "P" else ({},):
            with io.BytesIO() as file:
                image.convert(mode).save(file, "PNG", **options)
                files.append(file.getvalue())
    return files


def main() -> None:
    """Writes the seeds."""
    jpegs = [path.read_bytes()[:3000] for path in sorted((HERE / "../../jpeg/tests/data").glob("*.jpg"))]
    noise = random.Random(0)
    for target, parameters, files in (
        ("png", bytes([1, 40, 100, 60, 90]), pngs()),
        ("header", struct.pack("<I", 1 << 20), pngs() + jpegs),
        ("plan", b"", [noise.randbytes(noise.choice([60, 150, 400, 1000])) for _ in range(60)]),
    ):
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files):
            (folder / f"seed-{number:03}").write_bytes(parameters + file)


if __name__ == "__main__":
    main()
