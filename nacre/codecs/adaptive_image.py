"""Codec 10, ``adaptive-image``: any picture, lossless, by a model that learns within the file.

Two modes. ``photo`` predicts each sample by least squares and mixes what contexts say of its
error; ``screen`` looks for colours and for surroundings that occurred before. Both are integers
alone, and the decoder learns what the encoder learnt, so there are no weights. The encoder looks at
the picture and takes the mode that suits; where both may, it tries both and keeps the shorter.

Good at: every picture, photos and screens alike, in few bytes. Bad at: speed (about a second for a
megapixel, both ways; ``stored`` is fast), and sets of very small pictures of one kind
(``circuit-image`` knows them beforehand).

Sections: PAYLOAD, a byte that names the mode and what the mode writes; ICC, EXIF, XMP and TAGS as
carried. docs/format.md, "Codec 10", has the rest.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nacre.codecs.base import Region
from nacre.entropy.adaptive.payload import MODES, PHOTO, SCREEN, STORED
from nacre.entropy.adaptive.photo import decode_photo, encode_photo
from nacre.entropy.adaptive.screen import decode_screen, encode_screen, screen_likeness
from nacre.entropy.deflate import decode_samples, encode_samples
from nacre.errors import FormatError, InputError, ModelError, UnsupportedVersion
from nacre.limits import threads_wanted
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.stream import ImageShape, Section, SectionKind, Stream

SMALL = 1 << 16
"""Pictures of at most so many samples are encoded in both modes: it takes no time, and what they
look like says little of which is shorter."""
HASTY, THOROUGH = 3, 7
"""Up to the one effort no picture is encoded in both modes, from the other one on every picture."""
SCREENS, PHOTOS = 0.8, 0.4
"""From the one likeness on a picture is a screen; up to the other one it is a photo; between them
both modes are tried. Of the photos and screens for training, none is on the wrong side."""
NEAR = 1.3
"""Large pictures are deflated in earnest only where a hasty attempt comes so near."""


@dataclass(frozen=True)
class AdaptiveImageSettings:
    """What a user may choose.

    Attributes:
        effort: 1 (fast) to 9 (small).

    Raises:
        InputError: a value outside its range.
    """

    effort: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.effort <= 9:
            raise InputError(f"effort {self.effort} is outside 1..9")


class AdaptiveImage:
    """The codec; see :class:`nacre.codecs.base.Codec` for what its methods promise.

    Raises:
        ModelError: a model is given; there is none to use.
    """

    name: ClassVar[str] = "adaptive-image"
    number: ClassVar[int] = 10
    medium: ClassVar[str] = "image"
    lossless: ClassVar[bool] = True
    models: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type] = AdaptiveImageSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        if model is not None:
            raise ModelError(f"codec adaptive-image uses no model, {model} was given")

    def encode(self, item: Image, settings: AdaptiveImageSettings) -> Stream:
        """A stream that holds ``item`` exactly, metadata included."""
        payload = Section(SectionKind.PAYLOAD, _payload(item.pixels, settings.effort))
        return Stream(self.number, None, item.shape, (*item.metadata.to_sections(), payload))

    def decode(self, stream: Stream, *, region: Region | None = None) -> Image:
        """The picture, or the part inside ``region``; all of it is decoded.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
        """
        if stream.items is not None:
            raise FormatError(
                f"an archive of {stream.items} items; take them out with nacre.stream.Archive"
            )
        shape = stream.shape
        if not isinstance(shape, ImageShape) or shape.depth not in (8, 16):
            raise FormatError(f"codec adaptive-image holds pictures of 8 or 16 bits, not {shape}")
        pixels = _pixels(stream.payload, shape)
        x, y, width, height = region or (0, 0, shape.width, shape.height)
        cut = np.ascontiguousarray(pixels[y : y + height, x : x + width])
        return Image(cut, Metadata.from_stream(stream))


def _payload(pixels: npt.NDArray[Any], effort: int) -> bytes:
    """The shortest of what the modes that suit write."""
    likeness = screen_likeness(pixels)
    both = effort >= THOROUGH or pixels.size <= SMALL or PHOTOS < likeness < SCREENS
    both &= effort > HASTY
    screen = likeness > (SCREENS + PHOTOS) / 2
    candidates: list[bytes] = []
    if screen or both:
        with contextlib.suppress(InputError):  # 16 bits of many values
            candidates.append(bytes([SCREEN]) + encode_screen(pixels))
    if not screen or both or not candidates:
        photo = encode_photo(pixels, effort=effort, threads=threads_wanted())
        candidates.append(bytes([PHOTO]) + photo)
    best = min(candidates, key=len)
    if pixels.size > SMALL and len(encode_samples(pixels, level=1)) > NEAR * len(best):
        return best
    return min(best, bytes([STORED]) + encode_samples(pixels), key=len)


def _pixels(payload: bytes, shape: ImageShape) -> npt.NDArray[Any]:
    """The samples ``[H, W, C]`` of a payload."""
    view = memoryview(payload)
    if not len(view):
        raise FormatError("PAYLOAD is empty; a byte that names the mode is expected")
    mode, body = view[0], view[1:]
    if mode not in MODES:
        raise UnsupportedVersion(
            f"PAYLOAD: mode {mode} is not known here; upgrade with `pip install -U nacre`"
        )
    size = (shape.height, shape.width, shape.channels)
    if mode == PHOTO:
        return decode_photo(bytes(body), size, shape.depth, threads=threads_wanted())
    if mode == SCREEN:
        return decode_screen(bytes(body), size, shape.depth)
    dtype = np.uint8 if shape.depth == 8 else np.uint16
    samples: npt.NDArray[Any] = decode_samples(body, size, dtype, where="PAYLOAD")
    return samples
