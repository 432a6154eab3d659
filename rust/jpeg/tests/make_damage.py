"""Damages some files of data/ and writes what Pillow makes of them to damage.txt. Run with Pillow >= 13, x86-64 Linux.

`file NAME` starts the edits of a file: each `cut LENGTH` or `flip BYTE MASK` (exclusive or), and then the verdict.
Where Pillow raises, that is `refused` (by its own look at the header), `broken` (by libjpeg) or `truncated`. Where not,
it is `clean` or `warned` and then, as in golden.txt, height, width, channels and hash of the pixels. `warned` tells
that libjpeg warns, or gives up after the last row; Pillow heeds neither.
"""

import ctypes
import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import PIL
from make_data import HERE, decode, fnv

FILES = [
    "baseline-420-restart",
    "baseline-cmyk",
    "baseline-gray",
    "baseline-rgb",
    "progressive-420-restart",
    "progressive-gray",
]
BITS = [1 << bit for bit in range(8)]
SOF0, SOF2, DHT, RST0, RST7, EOI, SOS, DQT = 0xC0, 0xC2, 0xC4, 0xD0, 0xD7, 0xD9, 0xDA, 0xDB

LIBJPEG = ctypes.CDLL(next((Path(PIL.__file__).parents[1] / "pillow.libs").glob("libjpeg-*")))


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, start and end of all markers with their segments. Between them is entropy-coded data."""
    at = 0
    while (at := data.find(b"\xff", at)) >= 0:
        code, end = data[at + 1], at + 2
        if code > 0:
            if not RST0 <= code <= EOI:
                end += int.from_bytes(data[end : end + 2], "big")
            yield code, at, end
        at = end


def cuts(data: bytes) -> set[int]:
    """Before, in and after all markers and segments, and at some places in entropy-coded data."""
    found = list(segments(data))
    lengths = {0}
    for code, at, end in found:
        lengths |= {at, at + 1, end}
        if not RST0 <= code <= RST7:
            lengths |= {at + 3, (at + end) // 2, end - 1}
    for (code, _, start), (_, end, _) in pairwise(found):
        if code == SOS or len(found) < 20:
            lengths |= {start + 1, (start + end) // 2, end - 1}
    return {length for length in lengths if length < len(data)}


def flips(data: bytes, rng: random.Random) -> set[tuple[int, int]]:
    """Bits of all kinds of bytes: most of those with much meaning, some of the others."""
    found = list(segments(data))
    few = len(found) > 20  # A progressive file has very many segments: some of each.

    def bits(start: int, end: int, count: int) -> list[tuple[int, int]]:
        choice = [(at, bit) for at in range(start, end) for bit in BITS]
        return rng.sample(choice, min(count, len(choice)))

    chosen = set()
    for code, at, end in found:
        restart = RST0 <= code <= RST7
        chosen.update(bits(at, at + 1, 1), bits(at + 1, at + 2, 1 if few and restart else 8))
        if end == at + 2:
            continue
        start = at + 4
        chosen.update(bits(at + 2, start, 2 if few else 5))
        if code == DHT:
            # How many codes there are of each length, and the symbols.
            chosen.update(bits(start, start + 17, 5 if few else 10), bits(start + 17, end, 3 if few else 6))
        elif code == DQT:
            chosen.update(bits(start, start + 1, 8), bits(start + 1, end, 6))
        elif code in (SOF0, SOF2):
            # Not the highest bits of the size: 16 thousand rows or columns are enough.
            sizes = {(start + 1, 128), (start + 3, 128)}
            chosen.update(edit for edit in bits(start, end, 80) if edit not in sizes)
        else:
            chosen.update(bits(start, end, 10 if few else 28))
    for (code, _, start), (_, end, _) in pairwise(found):
        if code == SOS or RST0 <= code <= RST7:
            chosen.update(bits(start, end, (code == SOS) * 4 if few else 6 + (end - start) // 20))
    return chosen


def warns(data: bytes) -> bool:
    """Whether libjpeg warns of a file that it decodes. It knows, but Pillow does not ask.

    On an error libjpeg ends the process, so this happens in one of its own. Offsets are those of jpeglib.h for version
    6.2 and pointers of 64 bits.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        errors, info = ctypes.create_string_buffer(512), ctypes.create_string_buffer(632)
        LIBJPEG.jpeg_std_error.restype = ctypes.c_void_p
        ctypes.c_void_p.from_buffer(info).value = LIBJPEG.jpeg_std_error(errors)
        LIBJPEG.jpeg_CreateDecompress(info, 62, ctypes.c_size_t(len(info)))
        LIBJPEG.jpeg_mem_src(info, data, ctypes.c_ulong(len(data)))
        LIBJPEG.jpeg_read_header(info, 1)
        LIBJPEG.jpeg_start_decompress(info)
        width, height = (ctypes.c_uint.from_buffer(info, offset).value for offset in (48, 52))
        row = ctypes.create_string_buffer(4 * width)
        for _ in range(height):
            LIBJPEG.jpeg_read_scanlines(info, (ctypes.c_void_p * 1)(ctypes.addressof(row)), 1)
        os.write(write, b"rows ")
        LIBJPEG.jpeg_finish_decompress(info)
        os.write(write, str(ctypes.c_long.from_buffer(errors, 128).value).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    answer = os.read(read, 20)
    os.close(read)
    assert answer.startswith(b"rows "), "Pillow takes what its libjpeg does not"
    return answer != b"rows 0"


def verdict(data: bytes) -> str:
    try:
        pixels = decode(data, 1)
    except PIL.UnidentifiedImageError:
        return "refused"
    except OSError as error:
        return "broken" if "broken data stream" in str(error) else "truncated"
    height, width, channels = pixels.shape
    return f"{'warned' if warns(data) else 'clean'} {height} {width} {channels} {fnv(pixels.tobytes()):016x}"


def main() -> None:
    rng = random.Random(20)
    lines = []
    for name in FILES:
        data = (HERE / "data" / f"{name}.jpg").read_bytes()
        lines.append(f"file {name}")
        lines += [f"cut {length} {verdict(data[:length])}" for length in sorted(cuts(data))]
        for at, mask in sorted(flips(data, rng)):
            damaged = bytearray(data)
            damaged[at] ^= mask
            lines.append(f"flip {at} {mask} {verdict(bytes(damaged))}")
    (HERE / "damage.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
