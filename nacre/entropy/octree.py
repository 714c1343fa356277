"""Points of an integer grid, in any order, as the tree of cells that hold them.

The grid's cube is halved along x, y and z in turn, so that three halvings are one level of an
octree, and the number of points in one half is coded for each cell: a tree of counts (Devillers and
Gandoin, "Geometric compression for interactive transmission", IEEE Visualization 2000). A cell of
one point then costs one decision a halving and never the question whether there is another point;
equal points are counts of a last cell. Cells are visited level by level, so what is known of a cell
is every neighbour's count and how the neighbours before it were halved. Those are the contexts, the
mixing is that of ``mixing.py``, and nothing is trained.

Order is not kept: that saves log2(N!) bits. Points come back in Morton order, x the highest of the
three bits of a level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nacre.entropy.message import unpack_words
from nacre.entropy.octree_cells import (
    HISTORY,
    LINKS,
    Model,
    code_level,
    descend,
    halves,
    new_model,
)
from nacre.entropy.sequential import (
    COUNT,
    HELD,
    STATE_SIZE,
    Bytes,
    State,
    Words,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError
from nacre.stream import Reader, write_varint

Points: TypeAlias = npt.NDArray[np.int64]
Integers = npt.NDArray[Any]

MOST_BITS = 31
MOST_POINTS = (1 << 31) - 2


def morton_order(points: Integers, bits: int) -> npt.NDArray[np.int64]:
    """The permutation that sorts points into Morton order; equal ones keep their order.

    Args:
        points: integers ``[N, 3]`` in 0 .. 2^bits - 1.
        bits: 1 to 31.

    Returns:
        int64 ``[N]``.
    """
    keys = [interleaved(points, 0, min(bits, 21))]
    if bits > 21:
        keys.append(interleaved(points, 21, bits))
    order: npt.NDArray[np.int64] = (
        np.lexsort(keys) if len(keys) > 1 else keys[0].argsort(kind="stable")
    )
    return order


def interleaved(points: Integers, low: int, high: int) -> npt.NDArray[np.uint64]:
    """Bits ``low .. high - 1`` of each point's coordinates as one number, x above y above z."""
    key = np.zeros(len(points), dtype=np.uint64)
    for place in range(low, high):
        for axis in range(3):
            bit = points[:, axis].astype(np.uint64) >> np.uint64(place) & np.uint64(1)
            key |= bit << np.uint64(3 * (place - low) + 2 - axis)
    return key


@dataclass(eq=False)
class _Level:
    """The cells of one level, in Morton order.

    Attributes:
        starts: the first point of each cell, and the number of points, int32 ``[cells + 1]``.
        links: numbers of neighbouring cells, -1 where there is none, int32 ``[cells, LINKS]``.
        history: how the cell came about, two bits a halving, int32 ``[cells]``.
    """

    starts: npt.NDArray[np.int32]
    links: npt.NDArray[np.int32]
    history: npt.NDArray[np.int32]


def _root(count: int) -> _Level:
    return _Level(
        np.array([0, count], np.int32),
        np.full((1, LINKS), -1, np.int32),
        np.full(1, HISTORY, np.int32),
    )


def _next(level: _Level, left: npt.NDArray[np.int32], axis: int) -> _Level:
    """The cells that the halves of ``level`` are, where they hold points."""
    sizes = np.diff(level.starts)
    cells = len(sizes) + int(np.count_nonzero((left > 0) & (left < sizes)))
    below = _Level(
        np.empty(cells + 1, np.int32),
        np.empty((cells, LINKS), np.int32),
        np.empty(cells, np.int32),
    )
    child = np.empty((len(sizes), 2), np.int32)
    descend(
        axis, level.starts, level.links, level.history, left, child,
        below.starts, below.links, below.history,
    )  # fmt: skip
    return below


def encode_octree(points: Integers, bits: int) -> bytes:
    """Points as bytes, their order lost.

    Args:
        points: integers ``[N, 3]`` in 0 .. 2^bits - 1; equal ones are kept.
        bits: 1 to 31.

    Raises:
        InputError: they are not that.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "iu":
        raise InputError(f"points of {points.dtype} {points.shape}; integers [N, 3] are expected")
    _check_bits(bits)
    if len(points) and (points.min() < 0 or int(points.max()) >> bits):
        raise InputError(f"points outside 0..2^{bits} - 1")
    if len(points) > MOST_POINTS:
        raise InputError(f"{len(points):,} points, {MOST_POINTS:,} are the most")
    out = bytearray()
    write_varint(out, len(points))
    if not len(points):
        return bytes(out)
    ordered = np.ascontiguousarray(points[morton_order(points, bits)], dtype=np.int64)
    state = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    words = np.empty(1024, np.uint32)
    model, level = new_model(), _root(len(points))
    for number in range(3 * bits):
        axis, place = number % 3, bits - 1 - number // 3
        left = np.empty(len(level.starts) - 1, np.int32)
        halves(ordered, axis, place, level.starts, left)
        words = _room(words, state, level)
        _code(model, level, left, (axis, number, 3 * bits - number), False, state, words)
        level = _next(level, left, axis)
    return bytes(out) + encoder_bytes(state, words)


def decode_octree(data: Bytes, bits: int, *, most: int = 1 << 27) -> Points:
    """The points of :func:`encode_octree` in Morton order, int64 ``[N, 3]``.

    Args:
        data: all bytes of the message and no others.
        bits: as encoded.
        most: a higher number of points is refused before memory is taken.

    Raises:
        FormatError: the data are damaged.
    """
    _check_bits(bits)
    reader = Reader(data, "octree")
    count = reader.varint("number of points", min(most, MOST_POINTS))
    body = reader.rest()
    if not count:
        if len(body):
            raise FormatError(f"octree of no points, but {len(body):,} bytes follow")
        return np.empty((0, 3), np.int64)
    words = unpack_words(body)
    state = np.empty(STATE_SIZE, np.uint64)
    decoder_init(state, words)
    model, level = new_model(), _root(count)
    cells = np.zeros((1, 3), np.int64)
    for number in range(3 * bits):
        axis = number % 3
        left = np.empty(len(level.starts) - 1, np.int32)
        _code(model, level, left, (axis, number, 3 * bits - number), True, state, words)
        sizes = np.diff(level.starts)
        cells = _cells_below(cells, left, sizes, axis)
        level = _next(level, left, axis)
    check_decoded(state, body)
    return np.repeat(cells, np.diff(level.starts), axis=0)


def _cells_below(
    cells: Points, left: npt.NDArray[np.int32], sizes: npt.NDArray[np.int32], axis: int
) -> Points:
    """Coordinates of the halves that hold points, ``[cells, 3]``, one bit longer along ``axis``."""
    kept = np.stack([left > 0, left < sizes], axis=1)
    owner, half = np.nonzero(kept)
    below: Points = cells[owner]
    below[:, axis] = 2 * below[:, axis] + half
    return below


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= MOST_BITS:
        raise InputError(f"{bits} bits a coordinate; 1 to {MOST_BITS} are possible")


def _room(words: Words, state: State, level: _Level) -> Words:
    """``words``, long enough for all decisions of a level, each of which is a word at most."""
    sizes = np.diff(level.starts)
    decisions = 2 * len(sizes) + int(np.frexp(sizes.astype(np.float64))[1].sum())
    needed = int(state[COUNT] + state[HELD]) + decisions + 8
    if needed <= len(words):
        return words
    longer = np.empty(2 * needed, np.uint32)
    longer[: len(words)] = words
    return longer


def _code(
    model: Model,
    level: _Level,
    left: npt.NDArray[np.int32],
    place: tuple[int, int, int],
    decoding: bool,
    state: State,
    words: Words,
) -> None:
    axis, number, remaining = place
    code_level(
        axis, number, remaining, level.starts, level.links, level.history, left,
        model.counters, model.weights, model.inputs, model.slots, decoding, state, words,
    )  # fmt: skip
