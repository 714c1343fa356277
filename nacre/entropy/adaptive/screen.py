"""Pictures of few or repeated colours, by a model that learns while it codes: mode ``screen``.

For user interfaces, drawings, text, charts and scans in black and white. Colours are symbols: what
followed the same surroundings before is asked for first (``screen_rows.py``). The idea of mixing
many contexts is M. Mahoney's PAQ; that of recalling colours by their surroundings is the
two-dimensional kin of its match model. All is done in integers and the same on every machine.

The bytes: how samples become symbols (``BILEVEL``, ``PLAIN`` or ``LEVELS``); for BILEVEL the two
colours; for LEVELS the values of each channel (their number less one, and the difference of each to
the last, varints); one message of the range coder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.screen_layout import PAD, TOP, Model, Uint8s, new_model
from nacre.entropy.adaptive.screen_rows import WORDS_PER_PIXEL, code_rows
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import (
    STATE_SIZE,
    State,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError
from nacre.stream import Reader, write_varint

Pixels = npt.NDArray[Any]

BILEVEL, PLAIN, LEVELS = 0, 1, 2
"""Two colours, symbols 0 and 1; samples as they are; places in lists of each channel's values."""
_FIRST_WORDS = 1 << 16
_SYMBOLS = 256
_SPARE_CELLS = 1 << 24


def screen_likeness(pixels: Pixels) -> float:
    """How much a picture is like a screen, 0 (a photograph) to 1 (flat areas, few colours).

    Args:
        pixels: uint8 or uint16 ``[H, W, C]``.

    Returns:
        The share of pixels that equal their neighbour to the left, above, or diagonally above; 1 if
        there are 256 colours or fewer, and much fewer than pixels.
    """
    height, width = pixels.shape[:2]
    packed = np.zeros((height, width), np.uint64)
    for k in range(pixels.shape[2]):
        packed |= pixels[:, :, k].astype(np.uint64) << np.uint64(16 * k)
    hashed = (packed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(48)
    colours = np.count_nonzero(np.bincount(hashed.ravel().astype(np.int64), minlength=1 << 16))
    if colours <= 256 and colours * 64 <= packed.size:
        return 1.0
    if min(height, width) < 3:
        return 0.0
    inner = packed[1:, 1:-1]
    same = (inner == packed[1:, :-2]) | (inner == packed[:-1, 1:-1])
    same |= (inner == packed[:-1, :-2]) | (inner == packed[:-1, 2:])
    return float(same.mean())


def encode_screen(pixels: Pixels) -> bytes:
    """A picture in mode ``screen``.

    Args:
        pixels: uint8 or uint16 ``[H, W, C]``, C from 1 to 4, of any size from 1 x 1.

    Raises:
        InputError: a channel has more than 256 values; or the picture is very narrow and very long.
    """
    if not _fits(pixels.shape[0], pixels.shape[1]):
        raise InputError(f"screens of {pixels.shape[1]} x {pixels.shape[0]} are not coded")
    out = bytearray()
    symbols = _to_symbols(pixels, out)
    state: State = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    model = new_model(_shape(symbols), state, np.empty(_FIRST_WORDS, np.uint32))
    row = 0
    while True:
        row = int(code_rows(model, symbols, row, out[0] == BILEVEL, False))
        if row == symbols.shape[0]:
            return bytes(out) + bytes(encoder_bytes(state, model.words))
        model = _with_more_words(model, symbols.shape[1])


def decode_screen(data: bytes, shape: tuple[int, int, int], depth: int) -> Pixels:
    """The picture that :func:`encode_screen` coded.

    Args:
        data: all of its bytes.
        shape: ``(H, W, C)``; memory for it is taken, so a caller checks it first.
        depth: bits of a sample, 8 or 16.

    Returns:
        uint8 or uint16 ``[H, W, C]``.

    Raises:
        FormatError: no encoder writes these bytes for that shape and depth.
    """
    height, width, channels = shape
    if not _fits(height, width):
        raise FormatError(f"PAYLOAD: a screen of {width} x {height}, which no encoder writes")
    reader = Reader(data, "PAYLOAD")
    kind = reader.take(1, "kind of screen")[0]
    if kind not in (BILEVEL, PLAIN, LEVELS) or (kind == PLAIN and depth != 8):
        raise FormatError(f"PAYLOAD: screens of kind {kind} with {depth} bits")
    dtype = np.uint8 if depth == 8 else np.uint16
    lists = _read_lists(reader, kind, channels, depth)
    message = bytes(reader.rest())
    state: State = np.empty(STATE_SIZE, np.uint64)
    words = unpack_words(message)
    decoder_init(state, words)
    symbols: Uint8s = np.zeros((height, width, 1 if kind == BILEVEL else channels), np.uint8)
    code_rows(new_model(_shape(symbols), state, words), symbols, 0, kind == BILEVEL, True)
    check_decoded(state, message)
    if kind == PLAIN:
        return symbols
    pixels = np.empty(shape, dtype)
    for k, values in enumerate(lists):
        pixels[:, :, k] = _looked_up(values, symbols[:, :, 0 if kind == BILEVEL else k], dtype)
    return pixels


def _looked_up(values: list[int], symbols: Uint8s, dtype: Any) -> Pixels:
    """The values that symbols stand for."""
    if int(symbols.max()) >= len(values):
        raise FormatError(f"PAYLOAD: a symbol beyond the {len(values)} values of a channel")
    return np.array(values, dtype)[symbols]


def _fits(height: int, width: int) -> bool:
    """Whether the margins of the canvas are no multiple of a large picture."""
    return (height + TOP) * (width + 2 * PAD) <= 4 * height * width + _SPARE_CELLS


def _shape(symbols: Uint8s) -> tuple[int, int, int]:
    height, width, channels = symbols.shape
    return height, width, channels


def _to_symbols(pixels: Pixels, out: bytearray) -> Uint8s:
    """Symbols of 8 bits; appends to ``out`` how to undo them."""
    flat = pixels.reshape(-1, pixels.shape[2])
    other = np.argmax((flat != flat[0]).any(1))
    is_other = (flat == flat[other]).all(1)
    if ((flat == flat[0]).all(1) | is_other).all():
        out.append(BILEVEL)
        for value in (*flat[0], *flat[other]):
            write_varint(out, int(value))
        bits: Uint8s = (is_other & (other > 0)).astype(np.uint8).reshape(*pixels.shape[:2], 1)
        return bits
    if pixels.dtype == np.uint8:
        out.append(PLAIN)
        return np.array(pixels, np.uint8, order="C")  # not read-only: one compilation
    out.append(LEVELS)
    symbols: Uint8s = np.empty(pixels.shape, np.uint8)
    for k in range(pixels.shape[2]):
        values, places = np.unique(pixels[:, :, k], return_inverse=True)
        if len(values) > _SYMBOLS:
            raise InputError(
                f"a channel of {len(values):,} values; screens have up to {_SYMBOLS} in each"
            )
        write_varint(out, len(values) - 1)
        for step in np.diff(values.astype(np.int64), prepend=0):
            write_varint(out, int(step))
        symbols[:, :, k] = places.reshape(pixels.shape[:2])
    return symbols


def _read_lists(reader: Reader, kind: int, channels: int, depth: int) -> list[list[int]]:
    """The values of each channel; none for samples as they are."""
    if kind == PLAIN:
        return []
    if kind == BILEVEL:
        colours = [reader.varint("sample", (1 << depth) - 1) for _ in range(2 * channels)]
        return [[colours[k], colours[channels + k]] for k in range(channels)]
    lists = []
    for _ in range(channels):
        count = reader.varint("number of values", _SYMBOLS - 1) + 1
        values = np.cumsum([reader.varint("value", (1 << depth) - 1) for _ in range(count)])
        if values[-1] >= 1 << depth:
            raise FormatError(f"PAYLOAD: a value of {values[-1]} in {depth} bits")
        lists.append([int(value) for value in values])
    return lists


def _with_more_words(model: Model, width: int) -> Model:
    more = np.empty(max(len(model.words), 2 * width * WORDS_PER_PIXEL), np.uint32)
    return model._replace(words=np.concatenate([model.words, more]))
