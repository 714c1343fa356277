"""Pictures of noise, and the bytes of picture files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image


def noise(height: int, width: int, channels: int, dtype: npt.DTypeLike = np.uint8) -> Any:
    """``[H, W, C]``; the same for the same size."""
    high = np.iinfo(np.dtype(dtype)).max
    shape = (height, width, channels)
    return np.random.default_rng(height * width).integers(0, high + 1, shape, dtype)


def file_bytes(picture: PIL.Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The picture as a file of ``kind``."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
