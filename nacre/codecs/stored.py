"""Codec 0, ``stored``: pixels as they are, filtered and deflated where that makes them smaller.

Good at: masks, flat drawings, 16-bit data; always exact; no weights, no floats. Bad at: photos (use
a learned codec). It is the ceiling of every lossless codec's size, and the shortest codec: copy it
to write another.

Sections: PAYLOAD holds filtered samples (docs/format.md); ICC, EXIF, XMP and TAGS as carried.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nacre.codecs.base import Region
from nacre.entropy.deflate import decode_samples, encode_samples
from nacre.errors import FormatError, InputError, ModelError
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.stream import ImageShape, Section, SectionKind, Stream


@dataclass(frozen=True)
class StoredSettings:
    """What a user may choose.

    Attributes:
        effort: 1 (fast) to 9 (small).

    Raises:
        InputError: a value outside its range.
    """

    effort: int = 6

    def __post_init__(self) -> None:
        if not 1 <= self.effort <= 9:
            raise InputError(f"effort {self.effort} is outside 1..9")


class Stored:
    """The codec; see :class:`nacre.codecs.base.Codec` for what its methods promise.

    Raises:
        ModelError: a model is given; there is none to use.
    """

    name: ClassVar[str] = "stored"
    number: ClassVar[int] = 0
    medium: ClassVar[str] = "image"
    lossless: ClassVar[bool] = True
    models: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type] = StoredSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        if model is not None:
            raise ModelError(f"codec stored uses no model, {model} was given")

    def encode(self, item: Image, settings: StoredSettings) -> Stream:
        """A stream that holds ``item`` exactly, metadata included."""
        payload = encode_samples(item.pixels, level=settings.effort)
        sections = (*item.metadata.to_sections(), Section(SectionKind.PAYLOAD, payload))
        return Stream(self.number, None, item.shape, sections)

    def decode(self, stream: Stream, *, region: Region | None = None) -> Image:
        """The picture, or the part inside ``region``; rows below a region are not decoded.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
        """
        shape = stream.shape
        if stream.items is not None:
            raise FormatError(
                f"an archive of {stream.items} items; take them out with nacre.stream.Archive"
            )
        if not isinstance(shape, ImageShape) or shape.depth not in (8, 16):
            raise FormatError(f"codec stored holds pictures of 8 or 16 bits, not {shape}")
        x, y, width, height = region or (0, 0, shape.width, shape.height)
        pixels = decode_samples(
            stream.payload,
            (shape.height, shape.width, shape.channels),
            np.uint8 if shape.depth == 8 else np.uint16,
            rows=y + height if region else None,
            where="PAYLOAD",
        )
        cut = np.ascontiguousarray(pixels[y : y + height, x : x + width])
        return Image(cut, Metadata.from_stream(stream))
