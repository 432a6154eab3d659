"""What one sample may cost: pixels, bytes, scans, and the time after which it is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

__all__ = [
    "DEFAULT_BYTES",
    "MAX_IMAGE_PIXELS",
    "Limits",
    "SlowSampleWarning",
    "Unset",
    "get_limits",
    "get_max_pixels",
    "set_limits",
    "set_max_pixels",
    "slow_samples",
]

MAX_IMAGE_PIXELS = 178_956_970
"""Pillow's own limit: twice `PIL.Image.MAX_IMAGE_PIXELS` as it is by default, above which `PIL.Image.open` raises."""

DEFAULT_BYTES = 2 * 2**30
"""About 12 for each of so many pixels: 3 of RGB and 8 of the widest samples that a file may have, and some room."""


class Unset(int):
    """A limit that nobody set. `PIL.Image.MAX_IMAGE_PIXELS` takes its place when that is set."""

    __slots__ = ()


_PIXELS = Unset(MAX_IMAGE_PIXELS)
_BYTES = Unset(DEFAULT_BYTES)


@dataclass(frozen=True)
class Limits:
    """What one sample may cost, for every format, whoever decodes it.

    A file that exceeds a limit raises `DecodeError`, with the sample's index and path, the limit and its name, before
    memory is taken or time is spent: as far as its header, its size and its markers tell. All but `soft_seconds` are
    limits of that kind. Formats that Pillow decodes are under Pillow's own limits as well.

    `PIL.Image.MAX_IMAGE_PIXELS` holds where `max_pixels` is not given: above it Pillow warns, and above twice as many
    pixels the image is refused; with ``None`` there is no limit. The limits of bytes, and of what transforms make, are
    raised with it where they are not given. A limit that is given holds, whatever Pillow's is.

    Args:
        max_pixels: pixels of an image (width x height). The default is Pillow's.
        max_transformed_pixels: pixels of any image that a transform makes of it.
        max_decoded_bytes: bytes of memory for a decoded image: 3 for each pixel, and beside them what its decoder holds
            of all of it at once: 129 for each 64 coefficients of a progressive JPEG, the samples of an interlaced
            PNG, or 4 for each pixel where Pillow decodes. The default is 2 GiB.
        max_file_bytes: bytes of a file. The default is 2 GiB.
        max_scans: scans of a JPEG. Encoders write about ten; a file of some kilobytes may have thousands, each of which
            takes as much time as a whole image. The default is 500.
        soft_seconds: seconds that a sample may take to be read, decoded and transformed natively. One that takes longer
            is made all the same; at the end of the epoch a `SlowSampleWarning` tells how many there were, and which
            was the slowest. A worker process that finishes samples in Python warns of the first of an epoch, at
            once. ``None`` looks at no clock.

    Raises:
        ValueError: a limit is less than 1, or does not fit 64 bits; seconds that are negative or not finite.

    Example:
        >>> small = Limits(max_pixels=50_000_000, max_file_bytes=20 * 2**20)
        >>> loader = DataLoader(dataset, limits=small)
    """

    max_pixels: int = _PIXELS
    max_transformed_pixels: int = _PIXELS
    max_decoded_bytes: int = _BYTES
    max_file_bytes: int = _BYTES
    max_scans: int = 500
    soft_seconds: float | None = 30.0

    def __post_init__(self) -> None:
        """Checks the value of a limit."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "soft_seconds":
                if value is not None and not 0 <= value < 1e9:
                    raise ValueError(f"soft_seconds must be at least 0 and finite, or None, got {value}")
                continue
            most = 2**32 if field.name == "max_scans" else 2**64
            if not 1 <= value < most:
                raise ValueError(f"{field.name} must be at least 1 and below 2**{most.bit_length() - 1}, got {value}")


class SlowSampleWarning(UserWarning):
    """Some samples of an epoch took longer than `Limits.soft_seconds`.

    Attributes:
        count: how many did.
        slowest: (index, path, seconds) of up to 16 of them, the slowest first; the path is `None` where there is none.
    """

    count: int = 0
    slowest: tuple[tuple[int, str | None, float], ...] = ()


def slow_samples(
    count: int, slowest: Sequence[tuple[int, str | None, float]], soft_seconds: float | None
) -> SlowSampleWarning:
    """The warning that `count` samples took longer than `soft_seconds`, these among them."""
    index, path, seconds = slowest[0]
    place = f"sample {index}" if path is None else f"sample {index}, {path}"
    warning = SlowSampleWarning(
        f"{count} {'sample' if count == 1 else 'samples'} took longer than {soft_seconds} seconds "
        f"(Limits.soft_seconds) to read, decode and transform; the slowest took {seconds:.3g} seconds [{place}]"
    )
    warning.count, warning.slowest = count, tuple(slowest)
    return warning


_limits = Limits()


def set_limits(limits: Limits) -> None:
    """Sets what a sample may cost, for loaders that are iterated and samples that are made afterwards, in this process.

    A loader that has `limits` of its own keeps to those. Worker processes get the limits of their loader.

    Args:
        limits: the limits.

    Raises:
        TypeError: something else than limits.

    Example:
        >>> import dataclasses
        >>> set_limits(dataclasses.replace(get_limits(), max_scans=100))
        >>> get_limits().max_scans
        100
        >>> set_limits(Limits())
    """
    global _limits  # noqa: PLW0603  (one setting for the process, as PIL.Image.MAX_IMAGE_PIXELS is)
    if not isinstance(limits, Limits):
        raise TypeError(f"limits must be torchfeed.Limits, got {type(limits).__name__}")
    _limits = limits


def get_limits() -> Limits:
    """Says what a sample may cost where its loader has no limits of its own."""
    return _limits


def set_max_pixels(pixels: int) -> None:
    """Sets how many pixels (width x height) an image may have; a larger one raises `DecodeError` before it is decoded.

    Short for `set_limits` with `max_pixels`. The limits of bytes, and of what transforms make, become those that images
    of so many pixels need, and no lower than they are by default. `PIL.Image.MAX_IMAGE_PIXELS` then counts no more.

    Args:
        pixels: at least 1. With the default, `MAX_IMAGE_PIXELS`, all of these are again as if nobody had set them.

    Raises:
        ValueError: `pixels` is less than 1.
    """
    pixels = _PIXELS if pixels == MAX_IMAGE_PIXELS else pixels
    most = _BYTES if pixels is _PIXELS else max(12 * pixels, DEFAULT_BYTES)
    set_limits(
        replace(
            _limits,
            max_pixels=pixels,
            max_transformed_pixels=max(pixels, _PIXELS),
            max_decoded_bytes=most,
            max_file_bytes=most,
        )
    )


def get_max_pixels() -> int:
    """Says how many pixels an image may have, as long as `PIL.Image.MAX_IMAGE_PIXELS` is not set to something else."""
    return _limits.max_pixels
