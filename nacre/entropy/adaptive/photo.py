"""Pictures coded sample by sample, by a model that learns while it codes: mode ``photo``.

Planes follow each other: green (or grey), red minus green, blue minus green, alpha. So a later
plane sees the earlier ones on all sides of a pixel. A sample is predicted by least squares over its
neighbours, learnt anew for every few columns (``least_squares.py``; X. Li, M. Orchard,
"Edge-directed prediction for lossless compression of natural images", 2001); what is left is
written as decisions whose probabilities are mixed from two experts and many contexts
(``photo_coding.py``, ``photo_contexts.py``; M. Mahoney, "Adaptive weighing of context models for
lossless data compression", 2005). All is done in integers and the same on every machine.

Large pictures are cut into stripes of rows that know nothing of each other and can be coded side by
side. How many is a matter of the size alone.

The bytes: level of effort; of each channel the least sample and the difference to the greatest
(varints); the messages of the stripes as segments (docs/format.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.photo_coding import Coder
from nacre.entropy.adaptive.photo_layout import (
    BOTTOM,
    ERRORS,
    GREY,
    LEVELS,
    PAD,
    SECOND,
    THIRD,
    TOP,
    VALUES,
    Int32s,
    Level,
    Plane,
    new_model,
    new_scratch,
)
from nacre.entropy.adaptive.photo_rows import WORDS_PER_SAMPLE, code_rows
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import (
    STATE_SIZE,
    State,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError
from nacre.stream import Reader, pack_segments, unpack_segments, write_varint

Pixels = npt.NDArray[Any]
Ranges = Sequence[tuple[int, int]]

STRIPE = 1 << 21
"""Pixels from which on a second stripe is made: what it has to learn again is little then."""
MOST_STRIPES = 64
_LEVEL_OF_EFFORT = (0, 0, 0, 1, 1, 1, 1, 1, 1)
_FIRST_WORDS = 1 << 16


class _Layer(NamedTuple):
    """A plane to be: the channel, its kind, and the planes that it looks at by their index."""

    channel: int
    kind: int
    difference: bool
    beside: tuple[int, ...]


_LAYERS = {
    1: (_Layer(0, GREY, False, ()),),
    2: (_Layer(0, GREY, False, ()), _Layer(1, SECOND, False, (0,))),
    3: (
        _Layer(1, GREY, False, ()),
        _Layer(0, SECOND, True, (0,)),
        _Layer(2, THIRD, True, (0, 1)),
    ),
    4: (
        _Layer(1, GREY, False, ()),
        _Layer(0, SECOND, True, (0,)),
        _Layer(2, THIRD, True, (0, 1)),
        _Layer(3, SECOND, False, (0,)),
    ),
}
"""Planes of a picture by its number of channels, in the order in which they are coded."""


def encode_photo(pixels: Pixels, *, effort: int, threads: int = 1) -> bytes:
    """A picture in mode ``photo``.

    Args:
        pixels: uint8 or uint16 ``[H, W, C]``, C from 1 to 4, of any size from 1 x 1.
        effort: 1 (fast) to 9 (small).
        threads: stripes that are coded side by side; the bytes do not depend on it.
    """
    level = _LEVEL_OF_EFFORT[effort - 1]
    upright, ranges = _upright(pixels), _ranges_of(pixels)
    out = bytearray([level])
    for low, span in ranges:
        write_varint(out, low)
        write_varint(out, span)

    def code(rows: tuple[int, int]) -> bytes:
        return _encode_stripe(upright[slice(*rows)], ranges, LEVELS[level])

    return bytes(out) + pack_segments(_in_parallel(code, _stripes(upright.shape), threads))


def decode_photo(
    data: bytes, shape: tuple[int, int, int], depth: int, *, threads: int = 1
) -> Pixels:
    """The picture that :func:`encode_photo` coded.

    Args:
        data: all of its bytes.
        shape: ``(H, W, C)``; memory for it is taken, so a caller checks it first.
        depth: bits of a sample, 8 or 16.
        threads: stripes that are decoded side by side.

    Returns:
        uint8 or uint16 ``[H, W, C]``.

    Raises:
        FormatError: no encoder writes these bytes for that shape and depth.
    """
    reader = Reader(data, "PAYLOAD")
    level = reader.take(1, "level of effort")[0]
    if level >= len(LEVELS):
        raise FormatError(f"PAYLOAD: level {level}; there are {len(LEVELS)}")
    ranges = [(reader.varint("least sample"), reader.varint("range")) for _ in range(shape[2])]
    for low, span in ranges:
        if low + span >= 1 << depth:
            raise FormatError(f"PAYLOAD: samples from {low} to {low + span} of {depth} bits")
    bodies = unpack_segments(reader.rest(), where="PAYLOAD")
    pixels = np.empty(shape, np.uint8 if depth == 8 else np.uint16)
    upright = _upright(pixels)
    stripes = _stripes(upright.shape)
    if len(bodies) != len(stripes):
        raise FormatError(f"PAYLOAD: {len(bodies)} stripes; {len(stripes)} are expected")

    def code(stripe: tuple[tuple[int, int], bytes]) -> None:
        rows, body = stripe
        _decode_stripe(body, upright[slice(*rows)], ranges, LEVELS[level])

    _in_parallel(code, list(zip(stripes, map(bytes, bodies), strict=True)), threads)
    return pixels


def _upright(pixels: Pixels) -> Pixels:
    """A view whose rows are not longer than its columns by far: margins are as long as rows."""
    return pixels if pixels.shape[0] * 16 >= pixels.shape[1] else pixels.transpose(1, 0, 2)


def _ranges_of(pixels: Pixels) -> Ranges:
    """The least sample of each channel, and the difference to the greatest."""
    least, most = pixels.min((0, 1)), pixels.max((0, 1))
    return [(int(a), int(b) - int(a)) for a, b in zip(least, most, strict=True)]


def _stripes(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """First row of each stripe and the row behind its last."""
    height, width = shape[:2]
    count = max(1, min(height * width // STRIPE, MOST_STRIPES, height))
    edges = [height * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def _in_parallel(function: Any, items: Sequence[Any], threads: int) -> list[Any]:
    if threads == 1 or len(items) == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(function, items))


def _encode_stripe(pixels: Pixels, ranges: Ranges, level: Level) -> bytes:
    state: State = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    words = np.empty(_FIRST_WORDS, np.uint32)
    coder = _code_stripe(pixels, ranges, level, Coder(False, state, words))
    return bytes(encoder_bytes(state, coder.words))


def _decode_stripe(data: bytes, pixels: Pixels, ranges: Ranges, level: Level) -> None:
    """Decode a stripe into ``pixels``."""
    state: State = np.empty(STATE_SIZE, np.uint64)
    words = unpack_words(data)
    decoder_init(state, words)
    _code_stripe(pixels, ranges, level, Coder(True, state, words))
    check_decoded(state, data)


def _code_stripe(pixels: Pixels, ranges: Ranges, level: Level, coder: Coder) -> Coder:
    """Code the planes of a stripe one after the other; the coder's words may have grown."""
    height, width, channels = pixels.shape
    layers = _LAYERS[channels]
    stride = width + 2 * PAD
    planes: Int32s = np.zeros((2, len(layers) + 1, (TOP + height + BOTTOM) * stride), np.int32)
    grids = planes.reshape(2, len(layers) + 1, TOP + height + BOTTOM, stride)
    inner = grids[VALUES, :, TOP : TOP + height, PAD : PAD + width]
    for place, layer in enumerate(layers):
        low, span = ranges[layer.channel]
        base = 0 if layer.difference else len(layers)
        if not coder.decoding:
            inner[place] = pixels[:, :, layer.channel]
            inner[place] -= low + inner[base]
        if span:
            plane = _plane(width, layer, place, span, len(layers))
            coder = _code_plane(planes, plane, height, level, coder)
        else:
            inner[place] = -inner[base]
        for kind in (VALUES, ERRORS):
            grids[kind, place, TOP + height :] = grids[kind, place, TOP + height - 1]
        if coder.decoding:
            pixels[:, :, layer.channel] = inner[place] + inner[base] + low
    return coder


def _plane(width: int, layer: _Layer, place: int, span: int, zeros: int) -> Plane:
    first, second = (*layer.beside, zeros, zeros)[:2]
    return Plane(
        width=width,
        stride=width + 2 * PAD,
        kind=layer.kind,
        high=span,
        shift=max(span.bit_length() - 8, 0),
        own=place,
        base=0 if layer.difference else zeros,
        first=first,
        second=second,
    )


def _code_plane(planes: Int32s, plane: Plane, height: int, level: Level, coder: Coder) -> Coder:
    model = new_model(plane.width, level)
    scratch = new_scratch(plane.kind, plane.stride, level)
    row = 0
    while True:
        row = int(code_rows((row, height), level.spacing, planes, plane, model, scratch, coder))
        if row == height:
            return coder
        more = np.empty(max(len(coder.words), 2 * plane.width * WORDS_PER_SAMPLE), np.uint32)
        coder = coder._replace(words=np.concatenate([coder.words, more]))
