"""Compiled coding of a circuit's levels under contexts that learn; ``serial.py`` has the format.

A level is coded as its number of bits, decision after decision, then the bits below the first one.
Every decision mixes the counters of six contexts, which are made of levels alike: those coded
before beside it, the likeliest parent state's, and the mean that the row has left. Levels are
square roots of probabilities, so a row's squares sum to something known.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy import sequential
from nacre.entropy.circuits.layout import Int32s, Int64s
from nacre.entropy.circuits.model import BLOCK
from nacre.entropy.mixing import (
    LIMIT,
    SQUASH,
    UNIT,
    WEIGHT_BITS,
    Counters,
    Weights,
    error_of,
    new_counters,
    new_weights,
    stretch_counter,
    updated,
)
from nacre.entropy.sequential import FAILED, Number, State, Words, compiled

Levels = npt.NDArray[np.uint16]
Bools = npt.NDArray[np.bool_]

CONTEXTS = 1 << 12
"""Of each kind: two quantised levels of 6 bits."""
KINDS = 6
NODES = 16
"""Decisions of a context: numbers of bits, or prefixes of up to four bits."""
SETS = 16
"""Mixers of a decision."""
LEVEL_BITS = 14
MIXED_BITS = 4
"""Bits below the first that have contexts."""
RATE = 15
HALF = np.int64(1 << (RATE - 1))
PATIENT, QUICK = 1000, 250
"""Limits of counts, of counters that are mixed and of those that stand alone."""
NEIGHBOURS = 5
TREE, TREE_BITS, PLACES, LOW_BITS, RUNS, PLAIN = 0, 32, 2048, 4096, 4352, 6400
"""Where counters that stand alone begin, by use, and how many there are."""
LEVEL_DECISIONS = 2 * LEVEL_BITS
"""At most, for one level."""
TREE_DECISIONS = 36
"""At most, for one variable's parent."""


class Coder(NamedTuple):
    """An encoder or a decoder, and what it has learned.

    Attributes:
        writing: whether it is an encoder.
        state, words: of the range coder.
        counters: uint32, six kinds of contexts for numbers of bits, then six for bits.
        mixers: int32 ``[2 · NODES · SETS, KINDS + 1]``, the last weight of a constant.
        plain: uint32, counters that stand alone.
        slots: int64 ``[KINDS]``, where in ``counters`` the contexts are.
        near: int64 ``[NEIGHBOURS + 2]``, levels alike, a context below 64 and one below 4096.
    """

    writing: bool
    state: State
    words: Words
    counters: Counters
    mixers: Weights
    plain: Counters
    slots: Int64s
    near: Int64s

    def fresh(self) -> Coder:
        """The same coder with contexts that have seen nothing."""
        return new_coder(self.writing, self.state, self.words)


def new_coder(writing: bool, state: State, words: Words) -> Coder:
    """A coder that has learned nothing; arrays as for ``sequential``."""
    return Coder(
        writing,
        state,
        words,
        _aligned_counters(2 * KINDS * CONTEXTS * NODES),
        new_weights(2 * NODES * SETS, KINDS + 1, 0.25),
        new_counters(PLAIN),
        np.zeros(KINDS, np.int64),
        np.zeros(NEIGHBOURS + 2, np.int64),
    )


def _aligned_counters(count: int) -> Counters:
    """New counters, those of a context in one line of the cache."""
    spare = new_counters(count + NODES)
    start = (-spare.ctypes.data // spare.itemsize) % NODES
    return spare[start : start + count]


@compiled
def _put(coder: Coder, bit: Number, ones: Number) -> Number:
    """Write a bit, or read one."""
    if coder.writing:
        sequential.encode_bit(coder.state, coder.words, bit, ones)
        return np.int64(bit)
    return np.int64(sequential.decode_bit(coder.state, coder.words, ones))


@compiled
def _plain(coder: Coder, at: Number, bit: Number) -> Number:
    """A decision whose counter stands alone."""
    counter = coder.plain[at]
    bit = _put(coder, bit, np.int64(SQUASH[stretch_counter(counter) + LIMIT]))
    coder.plain[at] = updated(counter, bit, QUICK)
    return bit


@compiled
def _mixed(coder: Coder, node: Number, chosen: Number, bit: Number) -> Number:
    """A decision at a node of the contexts in ``slots``, mixed by one set of weights.

    It is ``mix`` and ``train`` of ``mixing.py`` written out: numbers that go through an array of
    single entries and come back as vectors take the processor as long as all the rest.
    """
    counters, slots, mixer = coder.counters, coder.slots, coder.mixers[chosen]
    at0, at1, at2 = slots[0] + node, slots[1] + node, slots[2] + node
    at3, at4, at5 = slots[3] + node, slots[4] + node, slots[5] + node
    c0, c1, c2 = counters[at0], counters[at1], counters[at2]
    c3, c4, c5 = counters[at3], counters[at4], counters[at5]
    s0, s1, s2 = stretch_counter(c0), stretch_counter(c1), stretch_counter(c2)
    s3, s4, s5 = stretch_counter(c3), stretch_counter(c4), stretch_counter(c5)
    total = np.int64(1 << (WEIGHT_BITS - 1)) + np.int64(mixer[6]) * UNIT
    total += mixer[0] * s0 + mixer[1] * s1 + mixer[2] * s2
    total += mixer[3] * s3 + mixer[4] * s4 + mixer[5] * s5
    total = min(max(total >> WEIGHT_BITS, np.int64(-LIMIT)), np.int64(LIMIT))
    ones = np.int64(SQUASH[total + LIMIT])
    bit = _put(coder, bit, ones)
    error = error_of(bit, ones)
    mixer[0] += (s0 * error + HALF) >> RATE
    mixer[1] += (s1 * error + HALF) >> RATE
    mixer[2] += (s2 * error + HALF) >> RATE
    mixer[3] += (s3 * error + HALF) >> RATE
    mixer[4] += (s4 * error + HALF) >> RATE
    mixer[5] += (s5 * error + HALF) >> RATE
    mixer[6] += (UNIT * error + HALF) >> RATE
    counters[at0], counters[at1] = updated(c0, bit, PATIENT), updated(c1, bit, PATIENT)
    counters[at2], counters[at3] = updated(c2, bit, PATIENT), updated(c3, bit, PATIENT)
    counters[at4], counters[at5] = updated(c4, bit, PATIENT), updated(c5, bit, PATIENT)
    return bit


@compiled
def _size_of(level: Number) -> Number:
    """A level by four steps an octave, below 64."""
    if level == 0:
        return np.int64(0)
    square = np.float64(level * level)
    return (square.view(np.int64) >> np.int64(51)) - np.int64(2 * 1023 - 2)


@compiled
def _slot(coder: Coder, kind: Number, left: Number, right: Number) -> None:
    """Choose a context of a kind; the second half of ``counters`` is of kinds from ``KINDS`` on."""
    at = (np.int64(kind) * CONTEXTS + (left << 6) + right) * NODES
    coder.slots[kind if kind < KINDS else kind - KINDS] = at


@compiled
def _level(coder: Coder, level: Number) -> Number:
    """Write a level, or read one, near others."""
    near = coder.near
    a, b, c = _size_of(near[0]), _size_of(near[1]), _size_of(near[2])
    d, e = _size_of(near[3]), _size_of(near[4])
    _slot(coder, 0, a, b)
    _slot(coder, 1, c, d)
    _slot(coder, 2, a, e)
    _slot(coder, 3, near[5], a)
    _slot(coder, 4, c, e)
    _slot(coder, 5, near[6] >> 6, near[6] & 63)
    chosen = min(c >> 1, np.int64(SETS - 1))
    bits = np.int64(0)
    while bits < LEVEL_BITS and _mixed(
        coder, bits, bits * SETS + chosen, np.int64(level >> bits > 0)
    ):
        bits += 1
    if bits < 2:
        return bits
    return _below(coder, level, bits)


@compiled
def _below(coder: Coder, level: Number, bits: Number) -> Number:
    """The bits of a level below its first."""
    near = coder.near
    a = min(near[0] << 5 >> bits, np.int64(63))
    b = min(near[1] << 5 >> bits, np.int64(63))
    c = min(near[2] << 5 >> bits, np.int64(63))
    d = min(near[3] << 5 >> bits, np.int64(63))
    e = min(near[4] << 5 >> bits, np.int64(63))
    _slot(coder, KINDS, a, b)
    _slot(coder, KINDS + 1, c, d)
    _slot(coder, KINDS + 2, a, e)
    _slot(coder, KINDS + 3, near[5], bits)
    _slot(coder, KINDS + 4, c, e)
    _slot(coder, KINDS + 5, a, bits)
    found, place = np.int64(1), bits - 1
    while place > 0:
        place -= 1
        bit = (level >> place) & 1
        if found < 1 << MIXED_BITS:
            found = 2 * found + _mixed(coder, found, (NODES + found) * SETS + bits, bit)
        else:
            found = 2 * found + _plain(coder, LOW_BITS + bits * NODES + place, bit)
    return found


@compiled
def code_tree(coder: Coder, parents: Int32s) -> None:
    """Write the parents, or read them: differences of numbers; 0 for the root."""
    for variable in range(len(parents)):
        parent = np.int64(parents[variable])
        step = np.int64(0) if parent < 0 else parent - variable
        value = 2 * step if step >= 0 else -2 * step - 1
        bits = np.int64(0)
        while bits < 18 and _plain(coder, TREE + bits, np.int64(value >> bits > 0)):
            bits += 1
        found, place = np.int64(1), bits - 1
        while place > 0:
            place -= 1
            at = TREE_BITS + bits * 64 + min(found, np.int64(63))
            found = 2 * found + _plain(coder, at, (value >> place) & 1)
        if bits == 0:
            parents[variable] = -1
        else:
            parents[variable] = variable + (found >> 1 if found & 1 == 0 else -(found >> 1) - 1)


@compiled
def code_places(coder: Coder, present: Bools) -> None:
    """Write which blocks ``[width, width]`` a variable has, or read it."""
    width = present.shape[0]
    for row in range(width):
        for column in range(width):
            above = present[row - 1, column] if row else True
            left = present[row, column - 1] if column else True
            corner = 8 * min(row, 7) + min(column, 7)
            at = PLACES + 4 * corner + 2 * np.int64(above) + np.int64(left)
            present[row, column] = _plain(coder, at, np.int64(present[row, column])) == 1


@compiled
def code_root(coder: Coder, levels: Levels, mass: Int64s) -> None:
    """The root's levels ``[M]``; ``mass`` gets their squares."""
    coder.near[:] = 0
    for state in range(len(levels)):
        level = _level(coder, np.int64(levels[state]))
        levels[state] = level
        mass[state] = level * level
        coder.near[0] = level


@compiled
def _mean(mass: Number, count: Number) -> Number:
    """The level whose square is a mean."""
    if mass <= 0:
        return np.int64(0)
    return min(np.int64(np.sqrt(np.float64(mass // count))), np.int64((1 << LEVEL_BITS) - 1))


@compiled
def code_weights(
    coder: Coder,
    at: Int32s,
    levels: Levels,
    above: Int64s,
    mass: Int64s,
    link: Int64s,
    best: Int64s,
    seen: Int64s,
) -> None:
    """Write the levels of a variable's blocks, or read them, row after row.

    Args:
        coder: the coder.
        at: int32 ``[n]``, rising places of the blocks.
        levels: uint16 ``[n, 8, 8]``, zero where none are coded.
        above: int64 ``[M]``, the squares of the parent's states.
        mass: ``[M]``, gets those of the variable's states.
        link: ``[M]``, gets the parent's state that goes best with each.
        best: ``[M]``, gets the level of that pair.
        seen: ``[M]``, for counting.
    """
    states = len(mass)
    width = (states + BLOCK - 1) // BLOCK
    near = coder.near
    mass[:] = 0
    link[:] = 0
    best[:] = -1
    seen[:] = 0
    start = 0
    while start < len(at):
        row, end = at[start] // width, start
        while end < len(at) and at[end] // width == row:
            end += 1
        for i in range(min(BLOCK, states - row * BLOCK)):
            left = above[row * BLOCK + i]
            entries = (end - start) * BLOCK
            near[:] = 0
            for block in range(start, end):
                column = (at[block] % width) * BLOCK
                for j in range(min(BLOCK, states - column)):
                    state = column + j
                    near[1] = levels[block, i - 1, j] if i else 0
                    near[2] = _mean(left, entries)
                    near[3] = _mean(mass[state], max(seen[state], 1))
                    near[6] = min(row, 7) * 512 + min(column >> 3, 7) * 64 + _size_of(near[2])
                    level = _level(coder, np.int64(levels[block, i, j]))
                    levels[block, i, j] = level
                    near[4] = (3 * near[4] + level + 2) >> 2
                    near[0] = level
                    left -= level * level
                    entries = max(entries - 1, 1)
                    mass[state] += level * level
                    seen[state] += 1
                    if level > best[state]:
                        best[state] = level
                        link[state] = row * BLOCK + i
        start = end


@compiled
def _goes_on(coder: Coder, level: Number, same: Number) -> bool:
    """Whether a run of levels 0 or 1 does; most levels are in one, and this is quick."""
    left, other = _size_of(coder.near[3]), _size_of(coder.near[4])
    at = RUNS + (level * 64 + min(left, np.int64(63))) * 16 + min(other >> 1, np.int64(15))
    return _plain(coder, at, same) == 1


@compiled
def code_emissions(
    coder: Coder,
    levels: Levels,
    other: Levels,
    mass: Int64s,
    above: Int64s,
    link: Int64s,
    work: Int64s,
) -> None:
    """Write a variable's emissions, or read them, value after value.

    Args:
        coder: the coder.
        levels: uint16 ``[K, M]``.
        other: ``[K, M]``, those of the parent (of the root: zeros).
        mass: ``[M]``, the squares of the variable's states.
        above: ``[M]``, of the parent's.
        link: ``[M]``, the parent's state that goes best with each.
        work: int64 ``[3, M]``.
    """
    values, states = levels.shape
    near, left, trend, ratio = coder.near, work[0], work[1], work[2]
    for k in range(states):
        left[k] = mass[k]
        trend[k] = 0
        ratio[k] = (_mean(mass[k], 1) << 8) // max(_mean(above[link[k]], 1), np.int64(1))
    for x in range(values):
        so_far, expected = np.int64(0), np.int64(0)
        rest = values - x
        for k in range(states):
            a = np.int64(levels[x - 1, k]) if x else np.int64(0)
            near[0] = a
            near[1] = np.int64(levels[x - 2, k]) if x > 1 else np.int64(0)
            near[2] = trend[k] >> 6
            near[3] = _mean(left[k], rest)
            near[4] = min(np.int64(other[x, link[k]]) * ratio[k] >> 8, np.int64(16383))
            near[5] = _size_of(min((so_far << 3) // (expected + 1), np.int64(16383)))
            near[6] = x * 16 + min(_size_of(near[2]) >> 1, np.int64(15))
            level = np.int64(levels[x, k])
            third = np.int64(levels[x - 3, k]) if x > 2 else np.int64(2)
            run = a < 2 and a == near[1] and a == third
            if not (run and _goes_on(coder, a, np.int64(level == a))):
                level = np.int64(_level(coder, level))
            else:
                level = a
            levels[x, k] = level
            so_far += level
            expected += a
            trend[k] += ((level << 6) - trend[k]) >> 2
            left[k] -= level * level


@compiled
def failed(coder: Coder) -> bool:
    """Whether a decoder has met impossible data or reads far beyond its words."""
    state = coder.state
    beyond = np.int64(state[sequential.POSITION]) > len(coder.words) + 2
    return bool(state[FAILED] != np.uint64(0) or beyond)
