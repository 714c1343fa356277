"""Mode ``photo`` of codec ``circuit-image``: one photograph, in phases that decode in parallel."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.circuit_models import PhotoModel
from nacre.entropy.circuits.payload import PHOTO, STORED
from nacre.entropy.deflate import encode_samples
from nacre.entropy.pyramid import decode_pyramid, encode_pyramid
from nacre.errors import FormatError
from nacre.media.image import Image
from nacre.stream import ImageShape

MOST_THREADS = 8
"""That are taken unless more are asked for."""


def photo_payload(item: Image, model: PhotoModel, device: str | None) -> bytes:
    """PAYLOAD of a picture: a photo, or stored samples if they are shorter.

    Args:
        item: grey or RGB of 8 bits.
        model: the networks.
        device: a torch device that runs them; None is the CPU.
    """
    pixels: Any = item.pixels
    body = encode_pyramid(pixels, model.networks, threads=_threads(), device=device)
    raw = encode_samples(pixels)
    return bytes([STORED]) + raw if len(body) > len(raw) else bytes([PHOTO]) + body


def decode_photo(
    body: memoryview, shape: ImageShape, model: PhotoModel | None, device: str | None
) -> npt.NDArray[np.uint8]:
    """Pixels ``[H, W, C]`` of a photo; ``body`` is what follows the mode.

    Raises:
        FormatError: the header names no model of photos, or the bytes are no such picture.
    """
    if model is None:
        raise FormatError("PAYLOAD: a photo, but the header names no model of photos")
    if not model.takes(shape):
        raise FormatError(f"PAYLOAD: a photo, which {shape} cannot be")
    size = (shape.height, shape.width, shape.channels)
    return decode_pyramid(
        body, size, shape.depth, model.networks, threads=_threads(), device=device
    )


def _threads() -> int:
    """How many threads run networks: what ``--threads`` or the environment says, or every core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(wanted) if wanted.isdecimal() else min(os.cpu_count() or 1, MOST_THREADS))
