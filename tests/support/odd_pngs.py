"""PNG files whose chunks are odd: cut, doubled, misplaced, with wrong lengths, contents and checksums."""

from __future__ import annotations

import itertools
import random
import struct
import zlib

from odd_jpegs import FILLS, RESOLUTION, UNIT, Named, directory, inserted
from pictures import chunk, header, png

PNGS = {
    "RGB": png(5, 7, 8, 2),
    "gray": png(5, 7, 8, 0),
    "gray of a bit": png(5, 7, 1, 0, interlaced=True),
    "palette": png(5, 7, 4, 3),
    "gray and alpha": png(5, 7, 16, 4),
    "RGBA": png(5, 7, 8, 6),
}

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


def files() -> Named:
    yield from _chunks()
    yield from _lengths()
    yield from _headers()
    yield from _palettes()
    yield from _long_texts()
    yield from _animations()
    yield from _shuffled()


def _chunks() -> Named:
    rgb = PNGS["RGB"]
    for kind, contents in CHUNKS.items():
        for content in contents:
            lengths = {*range(min(len(content), 40) + 1), len(content)}
            for length, (where, place) in itertools.product(sorted(lengths), places(rgb).items()):
                if where != "first" or length in {0, 4, len(content)}:
                    yield f"{kind!r} {content[:length]!r} {where}", inserted(rgb, chunk(kind, content[:length]), place)
            for (name, data), where in itertools.product(PNGS.items(), ("before", "after")):
                at = places(data)[where]
                yield f"{name}, {kind!r} {where}", inserted(data, chunk(kind, content), at)
                yield f"{name}, {kind!r} twice {where}", inserted(data, chunk(kind, content) * 2, at)
                yield f"{name}, {kind!r} {where}, checksum", inserted(data, badly_summed(kind, content), at)


def _lengths() -> Named:
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


def _headers() -> Named:
    rgb = PNGS["RGB"]
    for length, change in itertools.product(range(20), range(3)):
        start = rgb[16:29].ljust(20, b"\1")[:length]
        yield f"header of {length}", b"".join([rgb[:8], chunk(b"IHDR", start), rgb[33:]])
        edited = bytearray(rgb[16:29])
        if length < 13:
            edited[length] = (0, 3, 255 if length > 7 else 1)[change]  # of not too many pixels
            yield f"header with {edited[length]} at {length}", rgb[:8] + chunk(b"IHDR", bytes(edited)) + rgb[33:]


def _palettes() -> Named:
    for palette in (0, 1, 3, 4, 48, 768, 769, 771):
        data = PNGS["palette"]
        start = data.index(b"PLTE") - 4
        for with_palette in (chunk(b"PLTE", bytes(palette)), chunk(b"PLTE", bytes(palette)) * 2):
            yield f"palette of {palette}", data[:start] + with_palette + data[data.index(b"IDAT") - 4 :]


def _long_texts() -> Named:
    rgb = PNGS["RGB"]
    for text, (where, place) in itertools.product(AT_THE_LIMIT, places(rgb).items()):
        for name, before in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0")):
            yield f"{name!r} at the limit {where}", inserted(rgb, chunk(name, before + text), place)
            yield f"{name!r} at the limit, cut, {where}", inserted(rgb, chunk(name, before + text[:-4]), place)


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
