"""How near a decoded picture is to its original."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nacre.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nacre.media.image import Image


def equal_pixels(original: Image, decoded: Image) -> bool:
    """Whether size, channels, depth and every sample agree; metadata is not compared."""
    a, b = original.pixels, decoded.pixels
    return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())


def psnr_db(original: Image, decoded: Image) -> float:
    """Peak signal-to-noise ratio in dB over all colour samples; alpha is left out.

    Both are brought to full scale 1 first, so that 16-bit pictures compare with 8-bit ones.

    Returns:
        Infinity when they are equal.

    Raises:
        InputError: the pictures differ in size or in colour channels.
    """
    a, b = _colours(original), _colours(decoded)
    if a.shape != b.shape:
        raise InputError(
            f"pictures of {original.width} x {original.height} x {a.shape[2]} and "
            f"{decoded.width} x {decoded.height} x {b.shape[2]} cannot be compared"
        )
    return -10 * math.log10(error) if (error := _mean_square(a, b)) > 0 else math.inf


def _colours(image: Image) -> npt.NDArray[np.uint8 | np.uint16]:
    """Grey or RGB samples, ``[H, W, 1 or 3]``."""
    pixels: npt.NDArray[np.uint8 | np.uint16] = image.pixels
    return pixels[..., : 1 if image.channels <= 2 else 3]


def _mean_square(
    a: npt.NDArray[np.uint8 | np.uint16], b: npt.NDArray[np.uint8 | np.uint16]
) -> float:
    """Mean squared difference at full scale 1, a strip of rows at a time to keep memory small."""
    import numpy as np

    scale_a, scale_b = (1 / float(np.iinfo(each.dtype).max) for each in (a, b))
    rows = max(1, (1 << 20) // (a.shape[1] * a.shape[2]))
    total = 0.0
    for top in range(0, a.shape[0], rows):
        difference = a[top : top + rows] * scale_a - b[top : top + rows] * scale_b
        total += float(np.square(difference).sum())
    return total / a.size
