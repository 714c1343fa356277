"""A codec's streams beside lossless WebP of the same latents.

The published WaLLoC stores latents as 8-bit images whose channels are tiled into a mosaic, written
as lossless WebP (D. Jacobellis, N. Yadwadkar, DCC 2025). The same is done here with the integers
that nacre codes, so that both store exactly the same values: only the entropy coder differs.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

import nacre
from nacre.bench.metrics import Pixels
from nacre.bench.peers import Candidate
from nacre.bench.runner import load_rgb
from nacre.errors import InputError
from nacre.stream import Stream

Symbols = npt.NDArray[np.int16]
LARGEST_SIDE = 16383
"""Pixels on a side of a WebP picture."""


@dataclass(frozen=True)
class LatentRow:
    """One file at one quality.

    Attributes:
        file: name.
        quality: of the codec; None when it has none.
        channels: of the latents.
        payload_bytes: of the stream's payload, in which the symbols are coded.
        webp_bytes: of the WebP files that hold the same symbols.
    """

    file: str
    quality: float | None
    channels: int
    payload_bytes: int
    webp_bytes: int


def mosaics(symbols: Symbols, *, colour: bool) -> list[Pixels]:
    """The symbols ``[C, h, w]`` as 8-bit mosaics, ``[H, W, 3]`` with ``colour``, else ``[H, W]``.

    Channels are tiled row by row into the squarest grid that holds exactly C of them; with
    ``colour``, a third of them in each plane. Values are offset by 128. If some do not fit 8 bits,
    a second mosaic holds the upper 8.
    """
    offset = symbols.astype(np.int32) + 128
    low, high = offset & 255, (offset >> 8) + 128
    planes = [low] if (high == 128).all() else [low, high]
    return [_tiled(plane.astype(np.uint8), colour) for plane in planes]


def symbols_of(pictures: Sequence[Pixels], channels: int) -> Symbols:
    """The inverse of :func:`mosaics`, ``[C, h, w]``."""
    planes = [_untiled(picture, channels).astype(np.int32) for picture in pictures]
    offset = planes[0] if len(planes) == 1 else planes[0] + ((planes[1] - 128) << 8)
    return (offset - 128).astype(np.int16)


def _grid(channels: int) -> tuple[int, int]:
    """Rows and columns of the mosaic."""
    rows = max(n for n in range(1, math.isqrt(channels) + 1) if channels % n == 0)
    return rows, channels // rows


def _tiled(plane: Pixels, colour: bool) -> Pixels:
    channels, height, width = plane.shape
    colours = 3 if colour else 1
    rows, columns = _grid(channels // colours)
    tiles = plane.reshape(colours, rows, columns, height, width)
    picture = tiles.transpose(1, 3, 2, 4, 0).reshape(rows * height, columns * width, colours)
    return np.ascontiguousarray(picture if colour else picture[..., 0])


def _untiled(picture: Pixels, channels: int) -> Pixels:
    colours = 3 if picture.ndim == 3 else 1
    rows, columns = _grid(channels // colours)
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    tiles = picture.reshape(rows, height, columns, width, colours)
    return tiles.transpose(4, 0, 2, 1, 3).reshape(channels, height, width)


def webp_bytes(symbols: Symbols) -> int:
    """Bytes of the lossless WebP files (method 6, quality 100) that hold ``symbols``.

    The smaller of the two arrangements counts: a grey mosaic, or a colour one (which the published
    codec uses) where C is a multiple of 3.

    Raises:
        InputError: the mosaic is larger than WebP allows.
    """
    arrangements = (False, True) if len(symbols) % 3 == 0 else (False,)
    return min(sum(map(_webp, mosaics(symbols, colour=colour))) for colour in arrangements)


def _webp(picture: Pixels) -> int:
    if max(picture.shape) > LARGEST_SIDE:
        raise InputError(
            f"a mosaic of {picture.shape[1]} x {picture.shape[0]} pixels; WebP holds at most "
            f"{LARGEST_SIDE} a side, use smaller pictures"
        )
    out = io.BytesIO()
    PIL.Image.fromarray(picture).save(out, "WEBP", lossless=True, method=6, quality=100)
    return len(out.getvalue())


def compare(
    files: Sequence[Path],
    codec: Candidate,
    qualities: Sequence[float | None],
    *,
    model: str | None = None,
    on_row: Callable[[LatentRow], None] | None = None,
) -> list[LatentRow]:
    """Encode every file at every quality and store its symbols both ways.

    Args:
        files: pictures.
        codec: one of nacre's that has latents.
        qualities: on its scale.
        model: where the model is, if it is not where nacre looks.
        on_row: called with each row as it is made.

    Raises:
        InputError: the codec has no latents, or a file cannot be read.
    """
    rows = []
    for path in files:
        pixels = load_rgb(path)
        for quality in qualities:
            data = codec.encode(pixels, quality, 1)
            symbols = nacre.symbols(data, model=model)
            payload = len(Stream.from_bytes(data).payload)
            row = LatentRow(path.name, quality, len(symbols), payload, webp_bytes(symbols))
            rows.append(row)
            if on_row is not None:
                on_row(row)
    return rows
