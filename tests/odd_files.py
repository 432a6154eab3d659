"""JPEG and PNG files whose metadata are odd: cut, doubled, misplaced, with wrong lengths, types and checksums."""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from collections.abc import Iterator

from pictures import chunk, encode, header, picture, png

Named = Iterator[tuple[str, bytes]]

IMAGE = picture(9, 11)
JPEG = encode(IMAGE, "JPEG", quality=40)
JPEGS = {"4:2:0": JPEG, "progressive gray": encode(IMAGE.convert("L"), "JPEG", progressive=True)}
PNGS = {
    "RGB": png(5, 7, 8, 2),
    "gray": png(5, 7, 8, 0),
    "gray of a bit": png(5, 7, 1, 0, interlaced=True),
    "palette": png(5, 7, 4, 3),
    "gray and alpha": png(5, 7, 16, 4),
    "RGBA": png(5, 7, 8, 6),
}
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


def odd_jpegs() -> Named:
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
        for length in (b"\0\0", b"\0\1", b"\xff\xff"):
            yield f"{marker:#x} of length {length!r}", inserted(JPEG, bytes([0xFF, marker]) + length)
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


TEXT = zlib.compress(b"a text " * 9)
PROFILE = zlib.compress(bytes(range(256)) * 16)
# Compressed, nearly as much as a text may be, just as much, and more.
AT_THE_LIMIT = [zlib.compress(bytes(2**20 + more), 9) for more in (-1, 0, 1)]

CHUNKS: dict[bytes, tuple[bytes, ...]] = {
    b"IHDR": (header(7, 5, 8, 2)[8:21] + bytes(8),),
    b"PLTE": (bytes(range(24)),),
    b"IDAT": (zlib.compress(bytes(100)),),
    b"IEND": FILLS[:1],
    b"tRNS": FILLS[:3],
    b"gAMA": FILLS[:2],
    b"cHRM": (bytes(40),),
    b"sRGB": FILLS[:2],
    b"pHYs": FILLS[:3],
    b"iCCP": (b"p\0\0" + PROFILE, b"p\0\1" + PROFILE, b"\0\0" + PROFILE, b"profile without end, at all", *FILLS[:2]),
    b"tEXt": (b"key\0value of a text", b"\0nothing", b"transparency\0abc", b"interlace\0x", b"bbox\0", b"disposal\0x"),
    b"zTXt": (b"k\0\0" + TEXT, b"k\0\1" + TEXT, b"\0\0" + TEXT, b"transparency\0\0" + TEXT, *FILLS[:2]),
    b"iTXt": (
        b"k\0\1\0\0\0" + TEXT,
        b"k\0\1\1\0\0" + TEXT,
        b"k\0\0\0en\0k\0text",
        b"k\0\1\0\xff\0\xff\0" + TEXT,
        *FILLS[:2],
    ),
    b"eXIf": (directory([UNIT, RESOLUTION]),),
    b"acTL": (struct.pack(">LL", 2, 0) + bytes(8), struct.pack(">LL", 0, 0), struct.pack(">LL", 2**31 + 1, 0)),
    b"fcTL": (
        struct.pack(">LLLLLHHBB", 0, 7, 5, 0, 0, 1, 1, 0, 0) + bytes(3),
        struct.pack(">LLLLLHHBB", 0, 3, 2, 1, 1, 1, 1, 0, 0),
        struct.pack(">LLLLLHHBB", 1, 7, 5, 0, 0, 1, 1, 0, 0),
        struct.pack(">LLLLLHHBB", 0, 8, 5, 0, 0, 1, 0, 9, 9),
    ),
    b"fdAT": (struct.pack(">L", 1) + zlib.compress(bytes(100)), bytes(9)),
    b"DDAT": FILLS[:1],
    b"tIME": FILLS[:1],
    b"bKGD": FILLS[:1],
    b"sBIT": FILLS[:2],
    b"hIST": FILLS[:1],
    b"sPLT": FILLS[:1],
    b"cICP": FILLS[:1],
    b"mDCV": FILLS[:1],
    b"cLLI": FILLS[:1],
    b"vpAg": FILLS[:1],
    b"CgBI": FILLS[:1],
    b"NEWc": FILLS[:1],
    b"ab_9": FILLS[:1],
    b"a bc": FILLS[:1],
    b"\xe4bcd": FILLS[:1],
    b"\0\0\0\0": FILLS[:1],
}
ORDER = struct.pack(">LLLLLHHBB", 0, 7, 5, 0, 0, 1, 1, 0, 0)


def places(data: bytes) -> dict[str, int]:
    return {"before": data.index(b"IDAT") - 4, "after": len(data) - 12, "first": 8}


def badly_summed(kind: bytes, data: bytes) -> bytes:
    made = chunk(kind, data)
    return made[:-1] + bytes([made[-1] ^ 1])


def odd_pngs() -> Named:
    rgb = PNGS["RGB"]
    for kind, contents in CHUNKS.items():
        for content in contents:
            lengths = {*range(min(len(content), 40) + 1), len(content)}
            for length, (where, place) in itertools.product(sorted(lengths), places(rgb).items()):
                if where != "first" or length in {0, 4, len(content)}:
                    yield f"{kind!r} {content[:length]!r} {where}", inserted(rgb, chunk(kind, content[:length]), place)
            for (name, data), (where, place) in itertools.product(PNGS.items(), (("before", 0), ("after", 0))):
                place = places(data)[where]
                yield f"{name}, {kind!r} {where}", inserted(data, chunk(kind, content), place)
                yield f"{name}, {kind!r} twice {where}", inserted(data, chunk(kind, content) * 2, place)
                yield f"{name}, {kind!r} {where}, checksum", inserted(data, badly_summed(kind, content), place)
    for name, data in PNGS.items():
        for length, where in itertools.product(range(8), ("before", "after")):
            yield (
                f"{name}, tRNS of {length} {where}",
                inserted(data, chunk(b"tRNS", bytes(length)), places(data)[where]),
            )
        for length in (255, 256, 257, 300):
            yield f"{name}, tRNS of {length}", inserted(data, chunk(b"tRNS", bytes(length)), places(data)["before"])
        for end in {*range(len(data) - 64, len(data)), *range(0, len(data), 5)}:
            yield f"{name}, {end} of {len(data)} bytes", data[:end]
        for at in {*range(8, 33), *range(len(data) - 16, len(data))}:
            yield f"{name}, byte {at} changed", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        trailing = data[:-12] + chunk(b"tEXt", b"k\0v") + chunk(b"pHYs", bytes(9))
        for end in range(len(data) - 12, len(trailing) + 1):
            yield f"{name}, cut at {end} behind the data", trailing[:end]
        for garbage in (b"\x12\x34garbage" * 9, bytes(8), bytes(30), b"\0\0\0\1a bc" + bytes(9), b"\xff" * 9):
            yield f"{name}, garbage before the end", data[:-12] + garbage
            yield f"{name}, garbage after the end", data + garbage
    for length, change in itertools.product(range(20), range(3)):
        start = rgb[16:29].ljust(20, b"\1")[:length]
        yield f"header of {length}", b"".join([rgb[:8], chunk(b"IHDR", start), rgb[33:]])
        edited = bytearray(rgb[16:29])
        if length < 13:
            edited[length] = (0, 3, 255 if length > 7 else 1)[change]  # of not too many pixels
            yield f"header with {edited[length]} at {length}", rgb[:8] + chunk(b"IHDR", bytes(edited)) + rgb[33:]
    for palette in (0, 1, 3, 4, 48, 768, 769, 771):
        data = PNGS["palette"]
        start = data.index(b"PLTE") - 4
        for with_palette in (chunk(b"PLTE", bytes(palette)), chunk(b"PLTE", bytes(palette)) * 2):
            yield f"palette of {palette}", data[:start] + with_palette + data[data.index(b"IDAT") - 4 :]
    for text, (where, place) in itertools.product(AT_THE_LIMIT, places(rgb).items()):
        for kind, before in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0")):
            yield f"{kind!r} at the limit {where}", inserted(rgb, chunk(kind, before + text), place)
            yield f"{kind!r} at the limit, cut, {where}", inserted(rgb, chunk(kind, before + text[:-4]), place)
    yield from _animations()
    yield from _shuffled()


def _animations() -> Named:
    rgb = PNGS["RGB"]
    data = rgb[rgb.index(b"IDAT") + 4 : -16]
    control = [chunk(b"acTL", struct.pack(">LL", count, 0)) for count in (1, 2)]
    frame = [chunk(b"fcTL", struct.pack(">L", number) + ORDER[4:]) for number in range(3)]
    pixels = [chunk(b"fdAT", struct.pack(">L", number) + data) for number in range(3)]
    image, end = chunk(b"IDAT", data), rgb[-12:]
    parts = [control[1], frame[0], image, frame[1], pixels[2]]
    for count, number in itertools.product(range(2), range(2, 6)):
        for order in itertools.permutations([control[count], *parts[1:]], number):
            if image in order:
                yield f"frames, {number} parts", rgb[:33] + b"".join(order) + end


def _shuffled() -> Named:
    """Files of some chunks each, in any order."""
    chance = random.Random(5)
    kinds = [(kind, content) for kind, contents in CHUNKS.items() for content in contents if kind != b"IHDR"]
    for number in range(400):
        name, data = chance.choice(list(PNGS.items()))
        before, after = (b"".join(chunk(*chance.choice(kinds)) for _ in range(chance.randint(0, 2))) for _ in range(2))
        place = places(data)
        made = (
            data[: place["before"]] + before + data[place["before"] : place["after"]] + after + data[place["after"] :]
        )
        yield f"{name}, shuffled {number}", made
