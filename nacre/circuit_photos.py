"""Mode ``photo`` of codec ``circuit-image``: one photograph, in phases that decode in parallel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.circuit_models import PhotoModel
from nacre.entropy.circuits.payload import PHOTO, STORED
from nacre.entropy.deflate import decode_plane, encode_plane, encode_samples
from nacre.entropy.pyramid import decode_pyramid, encode_pyramid
from nacre.errors import FormatError
from nacre.limits import threads_wanted
from nacre.media.image import Image
from nacre.stream import ImageShape, Section, SectionKind, Stream

WORTH_DEFLATING = 0.8
"""Deflate at its usual level, which takes as long as the networks, seldom makes less than this of
what it makes at its fastest."""


def encode_photo(item: Image, model: PhotoModel, device: str | None) -> list[Section]:
    """PAYLOAD of a picture: a photo, or stored samples if they are shorter.

    Alpha of a photograph is an ALPHA section: masks are no photographs, and deflate suits them.

    Args:
        item: 8 bits, grey or RGB, with or without alpha.
        model: the networks.
        device: a torch device that runs them; None is the CPU.
    """
    pixels: Any = item.pixels
    colours, alpha = pixels, b""
    if item.channels in (2, 4):
        colours, alpha = np.ascontiguousarray(pixels[..., :-1]), encode_plane(pixels[..., -1])
    body = encode_pyramid(colours, model.networks, threads=threads_wanted(), device=device)
    size = len(body) + len(alpha)
    raw = encode_samples(pixels, level=1)
    if size > WORTH_DEFLATING * len(raw):
        raw = encode_samples(pixels)
    if size > len(raw):
        return [Section(SectionKind.PAYLOAD, bytes([STORED]) + raw)]
    payload = Section(SectionKind.PAYLOAD, bytes([PHOTO]) + body)
    return [payload, Section(SectionKind.ALPHA, alpha)] if alpha else [payload]


def decode_photo(
    stream: Stream, shape: ImageShape, model: PhotoModel | None, device: str | None
) -> npt.NDArray[np.uint8]:
    """Pixels ``[H, W, C]`` of a stream whose payload begins with the mode ``photo``.

    Raises:
        FormatError: the header names no model of photos, or the bytes are no such picture.
    """
    if model is None:
        raise FormatError("PAYLOAD: a photo, but the header names no model of photos")
    if not model.takes(shape):
        raise FormatError(f"PAYLOAD: a photo, which {shape} cannot be")
    plane = stream.find(SectionKind.ALPHA)
    if (plane is not None) != (shape.channels in (2, 4)):
        found = "no" if plane is None else "an"
        raise FormatError(f"{shape.channels} channels and {found} ALPHA section do not agree")
    size = (shape.height, shape.width, shape.channels // 3 * 2 + 1)
    body = memoryview(stream.payload)[1:]
    pixels = decode_pyramid(
        body, size, shape.depth, model.networks, threads=threads_wanted(), device=device
    )
    if plane is None:
        return pixels
    alpha = decode_plane(plane, shape.height, shape.width, where="ALPHA")
    return np.concatenate([pixels, alpha[..., None]], axis=2)
