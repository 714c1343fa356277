"""Attributes of meshes, coded along the surface after connectivity and positions.

:func:`encode_attribute` takes integers, one row a vertex or one row a group of corners;
:func:`encode_face_attribute` (module ``attributes_faces``) one row a face. Floats become integers
in nacre.transforms.octahedral and nacre.transforms.attribute_values.

The bytes: a byte that names the form (of normals the bits follow it); if values follow: of each
channel the least number (zigzag) and the difference to the greatest, varints; one message of the
range coder. The values are coded in the order of :func:`attributes_ring.ring_of`, one channel after
the other (``attributes_coding``), of predictions by ``attributes_prediction`` or ``normals``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.attributes_coding import MOST_DECISIONS, code_channel
from nacre.entropy.mesh.attributes_model import (
    Coder,
    Floats,
    Int32s,
    Int64s,
    Model,
    Range,
    Work,
    new_model,
    new_work,
)
from nacre.entropy.mesh.attributes_prediction import as_floats, predict_along, start_memory
from nacre.entropy.mesh.attributes_ring import Number, Ring, ring_of, values_count
from nacre.entropy.mesh.normals import (
    WEIGHTINGS,
    all_equal,
    canonical,
    fill_equal,
    learn_weighting,
    predict_normal,
    sum_normals,
    turned,
)
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import (
    STATE_SIZE,
    check_decoded,
    compiled,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError, UnsupportedVersion
from nacre.stream import Reader, write_varint

Kind = Literal["normal", "uv", "color", "generic"]

MOST_CHANNELS = 256
LARGEST = 1 << 51
"""Magnitudes of numbers; differences of them are exact in float64."""
NORMAL_BITS = range(2, 21)
"""Bits that a normal's coordinate may have."""

_PLAIN, _MIXED, _RECOMPUTED = 0, 1, 2
"""Forms: counters alone, mixing; ``_RECOMPUTED + w``: all normals are those of weighting w."""
_GENERIC, _TEXTURE, _NORMAL = 0, 1, 2
_CLASS_BITS = 13
"""Classes of misses span so many octaves."""
_CHUNK = 1 << 15
"""Numbers coded before the room for words is looked at."""


class _Shape(NamedTuple):
    """What both ends know of an attribute before its bytes: neighbours, positions, channels."""

    ring: Ring
    kind: int
    channels: int
    positions: Floats
    normals: Floats
    bits: int


def encode_attribute(
    surface: Surface,
    faces: Int32s,
    values: Int64s,
    index: Int32s | None,
    *,
    kind: Kind,
    positions: Int64s,
    effort: int = 2,
    bits: int = 0,
) -> bytes:
    """The bytes of an attribute.

    Args:
        surface: what connectivity says.
        faces: all faces in the decoder's order, int32 ``[F, 3]``.
        values: int64 ``[n, K]``, magnitudes below 2^51, K up to 256; of normals with ``bits``
            canonical octahedral pairs.
        index: the row of each corner, int32 ``[F, 3]``, in first-use order of the seams; None for
            one row a vertex.
        kind: what the numbers mean: ``uv`` wants two channels and ``normal`` two with ``bits``;
            else all kinds are coded alike.
        positions: lattice positions of all vertices, int64 ``[N, 3]``, magnitudes below 2^31.
        effort: 1 takes counters alone, others mix.
        bits: of a normal's coordinate.

    Raises:
        InputError: shapes, ranges or numbers that cannot be coded.
    """
    numbers = np.ascontiguousarray(values, dtype=np.int64)
    if numbers.ndim != 2 or not 1 <= numbers.shape[1] <= MOST_CHANNELS:
        raise InputError(f"values of shape {numbers.shape}; [n, 1 to {MOST_CHANNELS}] is expected")
    if len(numbers) != values_count(surface, index):
        raise InputError(
            f"{len(numbers)} values, but the corners name {values_count(surface, index)}"
        )
    if numbers.size and max(-int(numbers.min()), int(numbers.max())) >= LARGEST:
        raise InputError("a value's magnitude is 2^51 or more")
    shape = _shape(surface, faces, index, kind, numbers.shape[1], positions, bits)
    form = _PLAIN if effort <= 1 else _MIXED
    if shape.kind == _NORMAL:
        _check_pairs(numbers, bits)
        for weighting in range(WEIGHTINGS):
            if all_equal(numbers, shape.normals[weighting], np.int64(_largest(bits))):
                return bytes([_RECOMPUTED + weighting, bits])
    out = bytearray([form])
    if shape.kind == _NORMAL:
        out.append(bits)
    low = numbers.min(axis=0, initial=LARGEST) if len(numbers) else np.zeros(shape.channels)
    high = numbers.max(axis=0, initial=-LARGEST) if len(numbers) else np.zeros(shape.channels)
    for least, most in zip(low.tolist(), high.tolist(), strict=True):
        write_varint(out, _zigzag(int(least)))
        write_varint(out, int(most) - int(least))
    span = _range(shape, low.astype(np.int64), high.astype(np.int64))
    return bytes(out) + _encode(numbers, shape, span, form == _MIXED)


def decode_attribute(
    data: bytes | memoryview,
    surface: Surface,
    faces: Int32s,
    index: Int32s | None,
    *,
    kind: Kind,
    channels: int,
    positions: Int64s,
) -> tuple[Int64s, int]:
    """The values that :func:`encode_attribute` coded, int64 ``[n, channels]``, and a normal's bits.

    Memory of ``n * channels`` numbers is taken, so a caller checks that first.

    Args:
        data: all of its bytes.
        surface, faces, index, kind, positions: as for encoding.
        channels: how many there are; of a ``normal`` two mean octahedral pairs.

    Raises:
        FormatError: no encoder writes these bytes for that surface.
        InputError: shapes differ.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise FormatError(f"attribute: {channels} channels; 1 to {MOST_CHANNELS} are expected")
    reader = Reader(data, "attribute")
    form = reader.unsigned(1, "form")
    paired = kind == "normal" and channels == 2
    if form > _MIXED + (WEIGHTINGS if paired else 0):
        raise UnsupportedVersion(
            f"attribute: form {form} is not known here; upgrade with `pip install -U nacre`"
        )
    bits = reader.unsigned(1, "bits of normals") if paired else 0
    if paired and bits not in NORMAL_BITS:
        raise FormatError(f"attribute: normals of {bits} bits")
    shape = _shape(surface, faces, index, kind, channels, positions, bits)
    numbers = np.zeros((len(shape.ring.order), channels), np.int64)
    if form >= _RECOMPUTED:
        reader.expect_end()
        fill_equal(numbers, shape.normals[form - _RECOMPUTED], np.int64(_largest(bits)))
        return numbers, bits
    low, high = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    for k in range(channels):
        least = _unzigzag(reader.varint("least number", 2 * LARGEST))
        most = least + reader.varint("span of numbers", 2 * LARGEST)
        largest = _largest(bits) if paired else LARGEST - 1
        if not -largest <= least <= most <= largest:
            raise FormatError(f"attribute: numbers from {least} to {most} in channel {k}")
        low[k], high[k] = least, most
    _decode(bytes(reader.rest()), numbers, shape, _range(shape, low, high), form == _MIXED)
    return numbers, bits


def _shape(
    surface: Surface,
    faces: Int32s,
    index: Int32s | None,
    kind: Kind,
    channels: int,
    positions: Int64s,
    bits: int,
) -> _Shape:
    if positions.shape != (surface.vertices, 3):
        raise InputError(f"positions {positions.shape} of {surface.vertices} vertices")
    spots = _spots(positions)
    ring = ring_of(surface, faces, index, spots)
    places, form = as_floats(positions), _GENERIC
    normals: Floats = np.zeros((WEIGHTINGS, 0, 3))
    if kind == "normal" and channels == 2:
        if bits not in NORMAL_BITS:
            raise InputError(f"normals of {bits} bits; {NORMAL_BITS.start} to 20 are possible")
        form = _NORMAL
        normals = _recomputed(ring, np.ascontiguousarray(faces, np.int32).ravel(), spots, places)
    elif kind == "uv" and channels == 2:
        form = _TEXTURE
    return _Shape(ring, form, channels, places, normals, bits)


def _spots(positions: Int64s) -> Int32s:
    """A number for each vertex, the same where positions are, int32 ``[N]``."""
    order = np.lexsort(positions.T)
    ranked = positions[order]
    fresh = (ranked[1:] != ranked[:-1]).any(axis=1)
    spots = np.zeros(len(positions), np.int32)
    spots[order[1:]] = np.cumsum(fresh)
    return spots


def _recomputed(ring: Ring, vertices: Int32s, spots: Int32s, places: Floats) -> Floats:
    """Normals at each value, of its faces and of all faces at its place, ``[6, n, 3]``."""
    ways = WEIGHTINGS // 2
    own = np.zeros((ways, len(ring.order), 3))
    sum_normals(ring.values, vertices, places, own)
    near = np.zeros((ways, int(spots.max(initial=-1)) + 1, 3))
    sum_normals(spots[vertices], vertices, places, near)
    return np.concatenate([own, near[:, spots[ring.vertex]]])


def _largest(bits: int) -> int:
    """The largest coordinate of a pair."""
    return (1 << (bits - 1)) - 1


def _check_pairs(pairs: Int64s, bits: int) -> None:
    c = _largest(bits)
    s, t = np.abs(pairs[:, 0]), np.abs(pairs[:, 1])
    if pairs.size and int(np.abs(pairs).max()) > c:
        raise InputError(f"a normal's coordinate is over {c}, the largest of {bits} bits")
    wrong = ((s == c) & (pairs[:, 1] < 0)) | ((t == c) & (pairs[:, 0] < 0))
    if (wrong & ~((s == c) & (t == c) & (pairs == c).all(1))).any():
        raise InputError("an octahedral pair is not the canonical one of its normal")


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _unzigzag(value: int) -> int:
    return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)


def _range(shape: _Shape, low: Int64s, high: Int64s) -> Range:
    if shape.kind == _NORMAL:
        # Mirrored pairs may lie anywhere, whatever the range of those as they are.
        c = _largest(shape.bits)
        low, high = np.full(2, -c, np.int64), np.full(2, c, np.int64)
    spans = [int(b) - int(a) for a, b in zip(low, high, strict=True)]
    shift = np.array([max(span.bit_length() - _CLASS_BITS, 0) for span in spans], np.int64)
    return Range(low, high, shift, shape.kind == _GENERIC)


def _start(shape: _Shape, span: Range) -> tuple[Model, Work]:
    spans = [int(b) - int(a) for a, b in zip(span.low, span.high, strict=True)]
    work = new_work(shape.channels)
    start_memory(work)
    return new_model(len(shape.ring.order), shape.channels, spans), work


def _encode(numbers: Int64s, shape: _Shape, span: Range, mixing: bool) -> bytes:
    state = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    model, work = _start(shape, span)
    chunk = max(1, _CHUNK // shape.channels)
    words: npt.NDArray[np.uint32] = np.empty(0, np.uint32)
    for start in range(0, len(numbers), chunk):
        room = int(state[2] + state[3]) + chunk * shape.channels * MOST_DECISIONS + 2
        if room > len(words):
            longer = np.empty(2 * room, np.uint32)
            longer[: len(words)] = words
            words = longer
        coder = Coder(False, mixing, state, words)
        stop = min(start + chunk, len(numbers))
        _code(start, stop, shape, numbers, span, model, work, coder)
    return encoder_bytes(state, np.concatenate([words, np.empty(4, np.uint32)]))


def _decode(data: bytes, numbers: Int64s, shape: _Shape, span: Range, mixing: bool) -> None:
    state = np.empty(STATE_SIZE, np.uint64)
    words = unpack_words(data)
    decoder_init(state, words)
    model, work = _start(shape, span)
    coder = Coder(True, mixing, state, words)
    _code(0, len(numbers), shape, numbers, span, model, work, coder)
    check_decoded(state, data)


@compiled
def _code(
    start: Number,
    stop: Number,
    shape: _Shape,
    values: Int64s,
    span: Range,
    model: Model,
    work: Work,
    coder: Coder,
) -> None:
    """Code the values of ranks ``start .. stop - 1``, or decode them into ``values``."""
    ring = shape.ring
    largest = np.int64((1 << (max(shape.bits, 1) - 1)) - 1)
    for place in range(start, stop):
        value = np.int64(ring.order[place])
        if shape.kind == _NORMAL:
            _code_pair(value, largest, shape, values, span, model, work, coder)
            continue
        texture = shape.kind == _TEXTURE
        predict_along(value, texture, ring, values, shape.positions, model.residuals, work)
        for k in range(shape.channels):
            x = values[value, k]
            values[value, k] = code_channel(x, value, np.int64(k), span, model, work, coder)


@compiled
def _code_pair(
    value: Number,
    c: Number,
    shape: _Shape,
    values: Int64s,
    span: Range,
    model: Model,
    work: Work,
    coder: Coder,
) -> None:
    """Code a normal as seen from the hemisphere of its prediction."""
    mirror = predict_normal(
        value,
        c,
        shape.ring,
        values,
        shape.normals,
        shape.positions,
        model.residuals,
        work,
    )
    s, t = values[value, 0], values[value, 1]
    if mirror < 0:
        s, t = turned(s, t, c)
    s = code_channel(s, value, np.int64(0), span, model, work, coder)
    t = code_channel(t, value, np.int64(1), span, model, work, coder)
    if mirror < 0:
        s, t = turned(s, t, c)
    else:
        s, t = canonical(s, t, c)
    values[value, 0], values[value, 1] = s, t
    learn_weighting(work, shape.normals, value, values[value], c)
