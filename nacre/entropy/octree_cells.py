"""The compiled half of ``octree.py``: contexts of a halving, and how cells find their neighbours.

A cell has up to 18 neighbours, across its faces and edges. Their numbers are handed down from
level to level: along the axis that is halved, a half's neighbour is the other half, or the near
half of the parent's neighbour; along the others, the same half of the parent's neighbour.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mixing import (
    LIMIT,
    SQUASH,
    UNIT,
    Counters,
    Weights,
    error_of,
    mix,
    new_counters,
    new_weights,
    stretch_counter,
    train,
    updated,
)
from nacre.entropy.sequential import Number, State, Words, compiled, decode_bit, encode_bit
from nacre.entropy.tables import TOTAL

Int32s = npt.NDArray[np.int32]

_STEPS = (-1, 0, 1)
_CUBE = [(x, y, z) for x in _STEPS for y in _STEPS for z in _STEPS]
DIRECTIONS = np.array([d for d in _CUBE if 1 <= sum(map(abs, d)) <= 2], dtype=np.int64)
"""Towards the neighbours, int64 ``[LINKS, 3]``."""
LINKS = len(DIRECTIONS)
HISTORY = 0xFFF
"""A history of six halvings, two bits each: 0 left, 1 right, 2 both, 3 there was none."""


def _sources() -> npt.NDArray[np.int64]:
    """Where links come from: ``[axis, half, direction]`` is (parent's link or -1: itself, half)."""
    number = {tuple(direction): i for i, direction in enumerate(DIRECTIONS.tolist())}
    found = np.empty((3, 2, LINKS, 2), np.int64)
    for axis in range(3):
        for half in range(2):
            for i, direction in enumerate(DIRECTIONS.tolist()):
                place = half + direction[axis]
                across = [*direction]
                across[axis] = place // 2
                found[axis, half, i] = number.get(tuple(across), -1), place % 2
    return found


def _sides() -> npt.NDArray[np.int64]:
    """For each axis: links to left and right, to the four sides, to four edges left and right."""
    number = {tuple(direction): i for i, direction in enumerate(DIRECTIONS.tolist())}
    found = np.empty((3, 14), np.int64)
    for axis in range(3):
        unit = np.eye(3, dtype=int)
        a, b, c = unit[axis], unit[(axis + 1) % 3], unit[(axis + 2) % 3]
        across = (-b, b, -c, c)
        faces = (-a, a, *across, *(side - a for side in across), *(side + a for side in across))
        found[axis] = [number[tuple(map(int, direction))] for direction in faces]
    return found


_SOURCES = _sources()
_SIDES = _sides()

# Decisions: where the only point is, whether both halves hold points, where all points are.
_ONLY, _BOTH, _ALL = 0, 1, 2
_CONTEXTS = 7
_CLASSES = 5
_SLOTS = 1 << 14
_LEVELS = 93
_LIMIT, _SLOW_LIMIT = 255, 1023
_RATE = 15


class Model(NamedTuple):
    """What is learnt: counters ``[contexts, slots]``, a bank of weights, room for a mix."""

    counters: Counters
    weights: Weights
    inputs: Int32s
    slots: npt.NDArray[np.int64]


def new_model() -> Model:
    """A model that has seen nothing."""
    return Model(
        new_counters(_CONTEXTS + 1, 3 * _SLOTS),
        new_weights(3 * 7, _CONTEXTS + 1, 0.25),
        np.zeros(_CONTEXTS + 1, np.int32),
        np.zeros(_CONTEXTS, np.int64),
    )


@compiled
def halves(
    points: npt.NDArray[np.int64], axis: Number, place: Number, starts: Int32s, left: Int32s
) -> None:
    """How many points of each cell have bit ``place`` of coordinate ``axis`` zero, to ``left``."""
    for cell in range(len(left)):
        first, last = np.int64(starts[cell]), np.int64(starts[cell + 1])
        low, high = first, last
        while low < high:
            middle = (low + high) >> 1
            if points[middle, axis] >> place & 1:
                high = middle
            else:
                low = middle + 1
        left[cell] = np.int32(low - first)


@compiled
def descend(
    axis: Number,
    starts: Int32s,
    links: Int32s,
    history: Int32s,
    left: Int32s,
    child: Int32s,
    starts_below: Int32s,
    links_below: Int32s,
    history_below: Int32s,
) -> None:
    """Make the cells of the next level; ``child`` ``[cells, 2]`` is room for their numbers."""
    below = np.int64(0)
    for cell in range(len(left)):
        first, size = np.int64(starts[cell]), np.int64(starts[cell + 1]) - np.int64(starts[cell])
        few = np.int64(left[cell])
        past = np.int64(history[cell])
        for half in range(2):
            if (half == 0 and few > 0) or (half == 1 and few < size):
                child[cell, half] = np.int32(below)
                starts_below[below] = np.int32(first if half == 0 else first + few)
                how = 2 if 0 < few < size else half
                history_below[below] = np.int32((past << 2 | how) & HISTORY)
                below += 1
            else:
                child[cell, half] = np.int32(-1)
    starts_below[below] = starts[len(left)]
    for cell in range(len(left)):
        for half in range(2):
            number = np.int64(child[cell, half])
            if number < 0:
                continue
            for i in range(LINKS):
                source, near = _SOURCES[axis, half, i, 0], _SOURCES[axis, half, i, 1]
                owner = np.int64(cell) if source < 0 else np.int64(links[cell, source])
                links_below[number, i] = child[owner, near] if owner >= 0 else np.int32(-1)


@compiled
def _class_of(size: Number) -> Number:
    """0 for one point, 1 for two, 2 for up to four, 3 for up to eight, 4 for more."""
    if size <= 2:
        return size - 1
    return 2 if size <= 4 else (3 if size <= 8 else 4)


@compiled
def _state_of(cell: Number, known: Number, starts: Int32s, left: Int32s) -> Number:
    """0: no cell; 1: points in its left half alone; 2: right; 3: both; 4: not known yet."""
    if cell < 0:
        return 0
    if cell >= known:
        return 4
    size, few = np.int64(starts[cell + 1]) - np.int64(starts[cell]), np.int64(left[cell])
    return (1 if few > 0 else 0) + (2 if few < size else 0)


@compiled
def _decide(
    bit: Number,
    set_: Number,
    slots: npt.NDArray[np.int64],
    counters: Counters,
    weights: Weights,
    inputs: Int32s,
    decoding: Number,
    state: State,
    words: Words,
) -> Number:
    """Code one decision of mixed probability, or decode it, and learn from it."""
    for k in range(_CONTEXTS):
        inputs[k] = np.int32(stretch_counter(counters[k, slots[k]]))
    inputs[_CONTEXTS] = np.int32(UNIT)
    ones = np.int64(SQUASH[mix(weights, set_, inputs) + LIMIT])
    if decoding:
        bit = decode_bit(state, words, ones)
    else:
        encode_bit(state, words, bit, ones)
    train(weights, set_, inputs, error_of(bit, ones), _RATE)
    for k in range(_CONTEXTS):
        limit = _SLOW_LIMIT if k == 0 else _LIMIT
        counters[k, slots[k]] = updated(counters[k, slots[k]], bit, limit)
    return bit


@compiled
def _contexts(
    cell: Number,
    size: Number,
    place: Number,
    remaining: Number,
    sides: npt.NDArray[np.int64],
    starts: Int32s,
    links: Int32s,
    past: Number,
    left: Int32s,
    slots: npt.NDArray[np.int64],
) -> Number:
    """Fill in ``slots`` for decision 0 of a cell; returns how many neighbours it has by faces.

    What is seen: the point count, the near half of the cell to the left, whether there is one to
    the right, how the cells at the four sides were halved, and how many edges on either side have
    cells.
    """
    few = _class_of(size)
    before, after = np.int64(links[cell, sides[0]]), np.int64(links[cell, sides[1]])
    near: Number = np.int64(0)
    if before >= 0:
        within = np.int64(starts[before + 1]) - np.int64(starts[before]) - np.int64(left[before])
        near = 1 + min(within, np.int64(2))
    beyond: Number = np.int64(0)
    if after >= 0:
        beyond = 1 + min(_class_of(np.int64(starts[after + 1]) - np.int64(starts[after])), 2)
    across: Number = np.int64(0)
    faces: Number = np.int64((before >= 0) + (after >= 0))
    for i in range(2, 6):
        seen = _state_of(np.int64(links[cell, sides[i]]), cell, starts, left)
        across = across * 5 + seen
        faces += seen > 0
    edges_before: Number = np.int64(0)
    edges_after: Number = np.int64(0)
    for i in range(4):
        other = np.int64(links[cell, sides[6 + i]])
        # Of an edge's cell that was halved, the half that is near counts twice.
        seen = _state_of(other, cell, starts, left)
        edges_before += (seen > 0) + (seen == 2 or seen == 3)
        edges_after += np.int64(links[cell, sides[10 + i]]) >= 0
    slots[0] = place * _CLASSES + few
    slots[1] = (few * 4 + near) * 4 + beyond + 1000 * min(remaining, 15)
    slots[2] = across * _CLASSES + few
    slots[3] = (((few * 4 + near) * 4 + beyond) * 9 + edges_before) * 5 + edges_after
    slots[4] = past * 2 + (few > 0)
    slots[5] = (min(size, np.int64(63)) * 32 + min(remaining, np.int64(31))) * 3 + (
        0 if (before >= 0) == (after >= 0) else (1 if before >= 0 else 2)
    )
    slots[6] = ((past & 0x3F) * 4 + near) * 4 + beyond + 1024 * few
    return faces


@compiled
def _code_share(
    few: Number,
    size: Number,
    tilt: Number,
    counters: npt.NDArray[np.uint32],
    decoding: Number,
    state: State,
    words: Words,
) -> Number:
    """Code how many of ``size`` points are on the left, 1 .. size - 1, by halving that range."""
    low: Number = np.int64(1)
    high, node = size - 1, np.int64(1)
    group, rest = min(size, np.int64(16)), size >> 4
    while rest > 0 and group < 47:
        group += 1
        rest >>= 1
    while low < high:
        middle = (low + high + 1) >> 1
        known = node < 64
        at = (group * 64 + (node if known else 0)) * 3 + tilt
        ones = np.int64(SQUASH[stretch_counter(counters[at]) + LIMIT]) if known else TOTAL // 2
        bit: Number = np.int64(1 if few >= middle else 0)
        if decoding:
            bit = decode_bit(state, words, ones)
        else:
            encode_bit(state, words, bit, ones)
        if known:
            counters[at] = updated(counters[at], bit, _LIMIT)
        if bit:
            low = middle
        else:
            high = middle - 1
        node = 2 * node + bit
    return low


@compiled
def code_level(
    axis: Number,
    number: Number,
    remaining: Number,
    starts: Int32s,
    links: Int32s,
    history: Int32s,
    left: Int32s,
    counters: Counters,
    weights: Weights,
    inputs: Int32s,
    slots: npt.NDArray[np.int64],
    decoding: Number,
    state: State,
    words: Words,
) -> None:
    """Code how the cells of one level are halved, or decode it into ``left``.

    Args:
        axis: 0 to 2.
        number: halvings before this one, below 93.
        remaining: halvings from this one on, at least 1.
        starts: first points of cells and the number of points, int32 ``[cells + 1]``.
        links: their neighbours, int32 ``[cells, LINKS]``.
        history: int32 ``[cells]``.
        left: points in the left half of each cell, int32 ``[cells]``.
        counters: of the model, as are ``weights``, ``inputs`` and ``slots``.
        decoding: whether ``left`` is found rather than given.
        state: the range coder's.
        words: of the range coder; when encoding, with room for what the level takes.
    """
    sides = _SIDES[axis]
    for cell in range(len(left)):
        size = np.int64(starts[cell + 1]) - np.int64(starts[cell])
        few = np.int64(left[cell])
        faces = _contexts(
            np.int64(cell), size, number, remaining, sides, starts, links,
            np.int64(history[cell]), left, slots,
        )  # fmt: skip
        both: Number = np.int64(0)
        if size > 1:
            both = np.int64(1 if 0 < few < size else 0)
            for k in range(_CONTEXTS):
                slots[k] += _SLOTS * _BOTH
            both = _decide(
                both, 7 * _BOTH + faces, slots, counters, weights, inputs, decoding, state, words
            )
            for k in range(_CONTEXTS):
                slots[k] += _SLOTS * (_ALL - _BOTH)
        if both:
            before, after = np.int64(links[cell, sides[0]]), np.int64(links[cell, sides[1]])
            tilt = 0 if (before >= 0) == (after >= 0) else (1 if before >= 0 else 2)
            left[cell] = np.int32(
                _code_share(few, size, tilt, counters[_CONTEXTS], decoding, state, words)
            )
        else:
            right: Number = np.int64(1 if few == 0 else 0)
            kind = _ALL if size > 1 else _ONLY
            right = _decide(
                right, 7 * kind + faces, slots, counters, weights, inputs, decoding, state, words
            )
            left[cell] = np.int32(0 if right else size)
