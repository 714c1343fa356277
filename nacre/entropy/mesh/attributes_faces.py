"""Attributes of faces, such as numbers of materials: one row of integers a face.

Rows that differ are listed in the order of their first use and coded as values without neighbours;
then each face says whether it has the row of a face across one of its edges, of the other one, a
row that is new, or which of the earlier ones. Counters learn how often.

The bytes: the number of different rows, a varint; two segments: rows, and faces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.attributes import decode_attribute, encode_attribute
from nacre.entropy.mesh.attributes_model import Int32s, Int64s
from nacre.entropy.mesh.attributes_ring import Number
from nacre.entropy.mesh.surface import Surface, surface_of
from nacre.entropy.message import unpack_words
from nacre.entropy.mixing import Counters, new_counters, updated
from nacre.entropy.sequential import (
    FAILED,
    STATE_SIZE,
    State,
    Words,
    check_decoded,
    compiled,
    decode_bit,
    decoder_init,
    encode_bit,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError
from nacre.stream import Reader, pack_segments, unpack_segments, write_varint

_FIRST, _SECOND, _NEW, _TREE = 0, 1, 2, 3
_PREFIXES = 256
"""Nodes of the tree of a row's number that learn; bits further down are even."""
_LIMIT = 127
_HALF = 1 << 23


def encode_face_attribute(surface: Surface, values: Int64s) -> bytes:
    """The bytes of an attribute of faces.

    Args:
        surface: what connectivity says.
        values: int64 ``[F, K]`` of all faces in the decoder's order, magnitudes below 2^51.

    Raises:
        InputError: a shape or number that cannot be coded.
    """
    rows = np.ascontiguousarray(values, dtype=np.int64)
    if rows.ndim != 2 or len(rows) < len(surface.triangles):
        raise InputError(
            f"face values of shape {rows.shape}; {len(surface.triangles)} rows or more are expected"
        )
    _, first, numbers = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    found = rank[numbers.ravel()].astype(np.int32)
    state = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    words = np.empty(len(rows) * (3 + len(order).bit_length()) + 4, np.uint32)
    _code(found, _opposite_faces(surface, len(rows)), len(order), _counters(), False, state, words)
    out = bytearray()
    write_varint(out, len(order))
    table = encode_attribute(
        _points(len(order)), _no_faces(), rows[first[order]], None, **_alone(len(order))
    )
    return bytes(out) + pack_segments([table, encoder_bytes(state, words)])


def decode_face_attribute(
    data: bytes | memoryview, surface: Surface, *, faces: int, channels: int
) -> Int64s:
    """The values that :func:`encode_face_attribute` coded, int64 ``[faces, channels]``.

    Memory for them is taken, so a caller checks their number first.

    Raises:
        FormatError: no encoder writes these bytes for that surface.
    """
    reader = Reader(data, "face attribute")
    count = reader.varint("number of rows", faces)
    if faces < len(surface.triangles) or (count == 0) != (faces == 0):
        raise FormatError(f"face attribute: {count} rows of {faces} faces")
    parts = unpack_segments(reader.rest(), where="face attribute")
    if len(parts) != 2:
        raise FormatError(f"face attribute: {len(parts)} segments; 2 are expected")
    rows, _ = decode_attribute(
        parts[0], _points(count), _no_faces(), None, channels=channels, **_alone(count)
    )
    state = np.empty(STATE_SIZE, np.uint64)
    words = unpack_words(parts[1])
    decoder_init(state, words)
    found = np.zeros(faces, np.int32)
    _code(found, _opposite_faces(surface, faces), count, _counters(), True, state, words)
    check_decoded(state, parts[1])
    values: npt.NDArray[np.int64] = rows[found]
    return values


def _points(count: int) -> Surface:
    return surface_of(_no_faces(), count)


def _no_faces() -> Int32s:
    return np.zeros((0, 3), np.int32)


def _alone(count: int) -> dict[str, Any]:
    return {"kind": "generic", "positions": np.zeros((count, 3), np.int64)}


def _counters() -> Counters:
    return new_counters(4, _PREFIXES)


def _opposite_faces(surface: Surface, faces: int) -> Int32s:
    """The face across each edge, -1 where there is none, int32 ``[F, 3]``."""
    found = np.full((faces, 3), -1, np.int32)
    across = surface.opposite.reshape(-1, 3)
    found[: len(across)] = np.where(across >= 0, across // 3, -1)
    return found


@compiled
def _bit(
    bit: Number,
    bank: Number,
    slot: Number,
    counters: Counters,
    decoding: bool,
    state: State,
    words: Words,
) -> Number:
    counter: Number = counters[bank, slot]
    ones = min(max(np.int64(counter) >> 10 << 2, np.int64(512)), np.int64((1 << 24) - 512))
    if decoding:
        bit = decode_bit(state, words, ones)
    else:
        encode_bit(state, words, bit, ones)
    counters[bank, slot] = updated(counter, bit, _LIMIT)
    return bit


@compiled
def _number(
    x: Number, size: Number, counters: Counters, decoding: bool, state: State, words: Words
) -> Number:
    """A number below ``size``, its bits from the top."""
    bits = np.int64(0)
    while size > np.int64(1) << bits:
        bits += 1
    node, found = np.int64(1), np.int64(0)
    for level in range(bits):
        bit = (x >> (bits - 1 - level)) & 1
        if node < _PREFIXES:
            bit = _bit(bit, np.int64(_TREE), node, counters, decoding, state, words)
        elif decoding:
            bit = np.int64(decode_bit(state, words, _HALF))
        else:
            encode_bit(state, words, bit, _HALF)
        node = 2 * node + bit
        found = 2 * found + bit
    return found


@compiled
def _code(
    found: Int32s,
    across: Int32s,
    rows: Number,
    counters: Counters,
    decoding: bool,
    state: State,
    words: Words,
) -> None:
    """Code the row of each face, or decode it; ``found`` is below ``rows`` whatever the data."""
    known, history = np.int64(0), np.int64(7)
    for face in range(len(found)):
        first, second = np.int64(-1), np.int64(-1)
        agreeing = np.int64(0)
        for turn in range(3):
            other = np.int64(across[face, turn])
            if other < 0 or other >= face:
                continue
            row = np.int64(found[other])
            if first < 0:
                first = row
            elif row == first:
                agreeing += 1
            else:
                second = row
        if first < 0 and face > 0:
            first = np.int64(found[face - 1])
            agreeing = np.int64(3)
        x = np.int64(found[face])
        slot = (agreeing * 2 + np.int64(second >= 0)) * 8 + history
        hit = np.int64(0)
        if first >= 0:
            hit = np.int64(
                _bit(np.int64(x == first), _FIRST, slot, counters, decoding, state, words)
            )
        if hit:
            x = first
        else:
            other_hit = np.int64(0)
            if second >= 0:
                other_hit = np.int64(
                    _bit(np.int64(x == second), _SECOND, slot, counters, decoding, state, words)
                )
            if other_hit:
                x = second
            else:
                fresh = np.int64(known == 0)
                if 0 < known < rows:
                    fresh = np.int64(
                        _bit(np.int64(x == known), _NEW, history, counters, decoding, state, words)
                    )
                if fresh:
                    x = known
                    known += 1
                else:
                    x = np.int64(_number(x, known, counters, decoding, state, words))
        if x >= known:
            state[FAILED] = np.uint64(1)
            x = np.int64(0)
        found[face] = np.int32(x)
        history = (history * 2 + hit) & 7
