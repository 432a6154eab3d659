"""JPEG files whose metadata are odd: cut, doubled, misplaced, with wrong lengths and types."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

from pictures import encode, picture

Named = Iterator[tuple[str, bytes]]

IMAGE = picture(9, 11)
JPEG = encode(IMAGE, "JPEG", quality=40)
JPEGS = {"4:2:0": JPEG, "progressive gray": encode(IMAGE.convert("L"), "JPEG", progressive=True)}
JFIF = JPEG[6:20]

FILLS = (bytes(24), b"\xff" * 24, b"\1" * 24, bytes(range(24)), b"text\0more text, even more")


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def inserted(data: bytes, segments: bytes, place: int = 2) -> bytes:
    return data[:place] + segments + data[place:]


def without_jfif(data: bytes) -> bytes:
    return data[:2] + data[20:]


def directory(
    entries: list[tuple[int, int, int, bytes]], order: str = "<", magic: bytes | None = None, behind: int = 4
) -> bytes:
    """A TIFF file of one directory; values of more than 4 bytes come after it."""
    head = (b"II*\0" if order == "<" else b"MM\0*") if magic is None else magic
    head += struct.pack(order + "L", 8)
    start = len(head) + 2 + 12 * len(entries) + behind
    table, values = struct.pack(order + "H", len(entries)), b""
    for tag, kind, count, value in entries:
        table += struct.pack(order + "HHL", tag, kind, count)
        table += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "L", start + len(values))
        values += value if len(value) > 4 else b""
    return head + table + bytes(behind) + values


def resources(*sizes: int) -> bytes:
    """Photoshop's image resources: names and data of these lengths, padded."""
    made = b""
    for number, size in enumerate(sizes):
        name = b"\3abc" if number % 2 else b"\0\0"
        made += b"8BIM" + struct.pack(">H", 0x03ED + number) + name + struct.pack(">L", size) + bytes(size + size % 2)
    return made


UNIT = (0x0128, 3, 1, b"\2\0")
RESOLUTION = (0x011A, 5, 1, struct.pack("<LL", 72, 1))
MAKE = (0x010F, 2, 9, b"a camera\0")


def exif() -> Named:
    whole = directory([MAKE, RESOLUTION, UNIT])
    yield "plain", whole
    yield "big-endian", directory([(0x0128, 3, 1, b"\0\2"), (0x011A, 5, 1, struct.pack(">LL", 72, 1))], ">")
    for end in range(len(whole)):
        yield f"cut at {end}", whole[:end]
    for kind, count in itertools.product(range(19), range(4)):
        for value in (b"7", b"x", b"", struct.pack("<LL", 72, 0)):
            yield f"resolution of {count} type {kind}", directory([UNIT, (0x011A, kind, count, value * count or b"")])
        yield f"unit of {count} type {kind}", directory([(0x0128, kind, count, bytes(8) * count), RESOLUTION])
    for magic in (b"II\0*", b"MM*\0", b"II+\0", b"MM\0+", b"IIII", b"MM\0\0", b"Exif", b"II*\1"):
        yield f"magic {magic!r}", directory([UNIT, RESOLUTION], magic=magic)
    yield "unit only", directory([UNIT])
    yield "resolution only", directory([(0x011A, 2, 1, b"\0")])
    yield "twice the tag", directory([UNIT, RESOLUTION, (0x011A, 2, 1, b"\0")])
    yield "twice the tag, the other way round", directory([UNIT, (0x011A, 2, 1, b"\0"), RESOLUTION])
    yield "no next directory", directory([UNIT, RESOLUTION], behind=3)
    yield "huge count", directory([UNIT, (0x011A, 5, 2**32 - 1, bytes(8))])
    yield "values that overlap", whole[:10] + whole[10:22] * 3 + whole[46:]
    yield "directory far away", whole[:4] + b"\xff\xff\xff\xff" + whole[8:]


def mpf() -> Named:
    def entries(count: int, attributes: int = 0x030000) -> bytes:
        return struct.pack("<LLLHH", attributes, 100, 0, 0, 0) * count

    version = (0xB000, 7, 4, b"0100")
    whole = directory([version, (0xB001, 4, 1, b"\2\0\0\0"), (0xB002, 7, 32, entries(2))])
    yield "plain", whole
    for end in range(len(whole)):
        yield f"cut at {end}", whole[:end]
    for kind in range(14):
        yield f"number of type {kind}", directory([(0xB001, kind, 1, b"\2\0\0\0"), (0xB002, 7, 32, entries(2))])
        yield f"entries of type {kind}", directory([(0xB001, 4, 1, b"\2\0\0\0"), (0xB002, kind, 32, entries(2))])
    for count in (0, 1, 3):
        yield f"{count} images", directory([(0xB001, 4, 1, bytes([count, 0, 0, 0])), (0xB002, 7, 32, entries(2))])
    yield "another format", directory([(0xB001, 4, 1, b"\2\0\0\0"), (0xB002, 7, 32, entries(2, 1 << 24))])
    yield "no number", directory([(0xB002, 7, 32, entries(2))])
    yield "two numbers", directory([(0xB001, 4, 2, bytes(8)), (0xB002, 7, 32, entries(2))])
    yield (
        "two of another tag",
        directory([(0x0100, 4, 2, bytes(8)), (0xB001, 4, 1, b"\2\0\0\0"), (0xB002, 7, 32, entries(2))]),
    )


STARTS = {
    0xE0: (b"JFIF", b"JFXX\0"),
    0xE1: (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"),
    0xE2: (b"ICC_PROFILE\0", b"MPF\0", b"FPXR\0"),
    0xEB: (b"JP\0\1",),
    0xEC: (b"Ducky",),
    0xED: (b"Photoshop 3.0\0", b"Photoshop 3.0\0008BIM", b"Photoshop 3.0\0008BIM\4\4", b"Adobe_CM"),
    0xEE: (b"Adobe",),
}
EVERY_MARKER = [marker for marker in range(0xC0, 0xFF) if marker not in {0xD8, 0xD9, 0xDA}]


def files() -> Named:
    for marker in EVERY_MARKER:
        for start, length in itertools.product(STARTS.get(marker, (b"",)), range(21)):
            for fill in FILLS[:2] if start else FILLS[:1]:
                yield (
                    f"{marker:#x} {start!r} and {length} bytes",
                    inserted(JPEG, segment(marker, start + fill[:length])),
                )
        for start in STARTS.get(marker, ()):
            for end in range(len(start)):
                yield f"{marker:#x} {start[:end]!r}", inserted(JPEG, segment(marker, start[:end]))
        for wrong in (b"\0\0", b"\0\1", b"\xff\xff"):
            yield f"{marker:#x} of length {wrong!r}", inserted(JPEG, bytes([0xFF, marker]) + wrong)
        yield f"{marker:#x} twice", inserted(JPEG, segment(marker, b"abc") * 2)
        yield f"{marker:#x} after fill bytes", inserted(JPEG, b"\xff\xff" + segment(marker, b"abc"))
        yield f"{marker:#x} before the scan", inserted(JPEG, segment(marker, b"abc"), JPEG.index(b"\xff\xda"))
        yield f"{marker:#x} after the scan", JPEG[:-2] + segment(marker, b"abc") + JPEG[-2:]
    for (kind, data), jfif in itertools.product(JPEGS.items(), ("density", "no density", "none", "short")):
        base = without_jfif(data)
        if jfif != "none":
            payload = JFIF[:7] + (b"\1" if jfif == "density" else b"\0") + JFIF[8:]
            base = inserted(base, segment(0xE0, payload[:11] if jfif == "short" else payload))
        for name, tiff in exif():
            yield f"{kind}, JFIF {jfif}, EXIF {name}", inserted(base, segment(0xE1, b"Exif\0\0" + tiff))
    plain, odd = (
        segment(0xE1, b"Exif\0\0" + directory([UNIT, entry])) for entry in (RESOLUTION, (0x011A, 2, 1, b"\0"))
    )
    for name, both in {
        "plain, odd": plain + odd,
        "odd, plain": odd + plain,
        "double": segment(0xE1, b"Exif\0\0" + odd[4:]),
    }.items():
        yield f"EXIF {name}", inserted(without_jfif(JPEG), both)
    for name, tiff in mpf():
        yield f"MPF {name}", inserted(JPEG, segment(0xE2, b"MPF\0" + tiff))
    whole = resources(16, 3, 0, 8)
    for end in range(len(whole)):
        yield f"resources, {end} bytes", inserted(JPEG, segment(0xED, b"Photoshop 3.0\0" + whole[:end]))
        yield (
            f"resources, {end} bytes and 8BIM",
            inserted(JPEG, segment(0xED, b"Photoshop 3.0\0" + whole[:end] + b"8BIM\4\4")),
        )
    for kind, data in JPEGS.items():
        for end in {*range(len(data) - 64, len(data)), *range(0, len(data), 7)}:
            yield f"{kind}, {end} of {len(data)} bytes", data[:end]
