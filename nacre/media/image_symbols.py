"""Pictures as the variables of a circuit, and back.

Every byte of a sample is a variable: that of row y, column x, channel c, byte b has the number
``((y * W + x) * C + c) * B + b`` with B = depth / 8 bytes, the most significant first. A bilevel
sample is one variable, 0 (black) or 1 (white).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.media.image_sets import ImageSet, Samples
from nacre.stream import ImageShape

Symbols = npt.NDArray[np.uint8]


def variables_of(shape: ImageShape) -> int:
    """V, the number of variables of a picture."""
    return shape.width * shape.height * shape.channels * (2 if shape.depth == 16 else 1)


def values_of(shape: ImageShape) -> int:
    """K, the number of values of a variable."""
    return 2 if shape.depth == 1 else 256


def to_symbols(images: ImageSet, *, bilevel: bool) -> Symbols:
    """The variables of every picture, ``[N, V]``.

    Args:
        images: N pictures.
        bilevel: as 0 and 1; every sample must be black or white (``images.bilevel``).

    >>> images = ImageSet(np.array([[[[258]]]], np.uint16))
    >>> to_symbols(images, bilevel=False).tolist()
    [[1, 2]]
    """
    pixels: Any = images.pixels
    if bilevel:
        pixels = pixels != 0
    elif pixels.dtype == np.uint16:
        pixels = pixels.astype(">u2").view(np.uint8)
    size = (len(images), variables_of(images.shape))
    symbols: Symbols = np.ascontiguousarray(pixels, np.uint8).reshape(size)
    return symbols


def from_symbols(symbols: Symbols, shape: ImageShape) -> Samples:
    """The samples ``[N, H, W, C]`` of pictures of ``shape`` (bool for depth 1)."""
    size = (len(symbols), shape.height, shape.width, shape.channels)
    samples: Samples = np.ascontiguousarray(symbols)
    if shape.depth == 16:
        samples = samples.view(">u2").astype(np.uint16)
    return (samples != 0 if shape.depth == 1 else samples).reshape(size)
