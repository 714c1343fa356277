"""How the ``screen`` coder estimates the chance of a bit and learns from it, as compiled functions.

Counters are found by hashes of their context; each gives two inputs to a mixture: its chance as it
is, and refined by how such counters did so far. The mixture adds three sets of weights, and is
refined once more (M. Mahoney, "Adaptive weighing of context models", 2005, calls these steps
indirect modelling, mixing, and adaptive probability maps).
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.screen_layout import (
    FINAL_STEPS,
    INPUTS,
    STEPS,
    Int64s,
    Model,
)
from nacre.entropy.mixing import EVEN, LIMIT, SQUASH, STRETCH, WEIGHT_BITS, updated
from nacre.entropy.sequential import Number, compiled, decode_bit, encode_bit

COUNT_CLASS: Int64s = np.array(
    [0, 1, 2, 3, 4, 5, 5, 6, 6, 6, *[7] * 6, *[8] * 16, *[9] * 992], np.int64
)
"""Class of a count, 0 .. 9."""
_SLOT_STEPS: Int64s = 655_360 // (10 * np.arange(64, dtype=np.int64) + 16)
"""1 / (count + 1.6), 16 bits after the point."""
_SLOT_COUNT = 63
_MAP_COUNT = 255
_RATE = 16
"""Weights move by input * error / 2^this."""
_MULTIPLIER = 0x2545F4914F6CDD1D
_COLOUR = 0xFFFFFFFF


@compiled
def scrambled(number: Number) -> Number:
    """A hash of an integer; products wrap at 64 bits."""
    product = np.int64(number) * np.int64(_MULTIPLIER)
    return product ^ ((product >> 29) & 0x7FFFFFFFF)


@compiled
def clamp(value: Number, low: Number, high: Number) -> Number:
    """``value`` within ``low .. high``."""
    if value < low:
        return low
    return high if value > high else value


@compiled
def stretched(chance: Number) -> Number:
    """Of a chance of 22 bits."""
    return np.int64(STRETCH[np.int64(chance) >> 10])


@compiled
def counter_inputs(m: Model, i: Number, chance: Number, count: Number, maps: Number) -> Number:
    """Set inputs 2 i and 2 i + 1 from a counter; returns 1 unless it has seen nothing."""
    if count == 0:
        m.map_at[i] = -1
        m.inputs[2 * i] = 0
        m.inputs[2 * i + 1] = 0
        return 0
    plain = stretched(chance)
    place = maps + COUNT_CLASS[count] * STEPS + ((plain + 2176) >> 7)
    m.map_at[i] = place
    m.inputs[2 * i] = np.int32(stretched(np.int64(m.maps[place]) >> 10))
    m.inputs[2 * i + 1] = np.int32(plain >> 1 if count < 3 else plain)
    return 1


@compiled
def slot_inputs(m: Model, i: Number, key: Number, maps: Number) -> Number:
    """Find the slot of a context and set its inputs; returns 1 unless it is new."""
    place = (np.int64(key) >> 20) & (len(m.slots) - 1)
    check = (np.int64(key) >> 8) & 1023
    slot = np.int64(m.slots[place])
    if ((slot >> 6) & 1023) != check:
        slot = (np.int64(32768) << 16) | (check << 6)
        m.slots[place] = np.uint32(slot)
    m.found[i] = place
    return counter_inputs(m, i, (slot >> 16) << 6, slot & 63, maps)


@compiled
def slot_learn(m: Model, i: Number, bit: Number) -> None:
    """The slot of context i, and its refinement, see a bit."""
    place = m.found[i]
    slot = np.int64(m.slots[place])
    chance, count = slot >> 16, slot & 63
    chance += ((65535 if bit else 0) - chance) * _SLOT_STEPS[count] >> 16
    chance = np.int64(clamp(chance, np.int64(16), np.int64(65520)))
    count += 1 if count < _SLOT_COUNT else 0
    m.slots[place] = np.uint32((chance << 16) | (slot & 0xFFC0) | count)
    map_learn(m, m.map_at[i], bit)


@compiled
def map_learn(m: Model, place: Number, bit: Number) -> None:
    """A refinement sees a bit; -1 is none."""
    if place >= 0:
        m.maps[place] = updated(m.maps[place], bit, _MAP_COUNT)


@compiled
def find_line(m: Model, i: Number, key: Number) -> None:
    """Find the line of a context, emptied if it was another's."""
    place = ((np.int64(key) >> 20) & ((len(m.lines) >> 4) - 1)) << 4
    check = np.uint32((np.int64(key) >> 4) & _COLOUR)
    if m.lines[place] != check:
        for k in range(1, 16):
            m.lines[place + k] = EVEN
        m.lines[place] = check
    m.found[i] = place


@compiled
def code_mixed(
    m: Model,
    bit: Number,
    decoding: bool,
    first: Number,
    second: Number,
    third: Number,
    final: Number,
) -> Number:
    """Mix the inputs under three sets of weights, code or decode a bit, and learn the weights.

    Args:
        m: whose inputs are set; those that are not used are 0.
        bit: when encoding.
        decoding: whether to decode.
        first: a set of weights.
        second: another.
        third: another.
        final: context of the last refinement; -1: none.
    """
    w, x = m.weights, m.inputs
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(INPUTS):
        total += np.int64(x[k]) * np.int64(w[first, k] + w[second, k] + w[third, k])
    mixed = clamp(total >> WEIGHT_BITS, np.int64(-LIMIT), np.int64(LIMIT)) + LIMIT
    ones = np.int64(SQUASH[mixed])
    place, part = final * FINAL_STEPS + (mixed >> 8), mixed & 255
    coded = ones
    if final >= 0:
        low, high = np.int64(m.finals[place]) >> 8, np.int64(m.finals[place + 1]) >> 8
        refined = (low * (256 - part) + high * part) >> 8
        coded = np.int64(clamp((ones + refined) >> 1, np.int64(1), np.int64((1 << 24) - 1)))
    if decoding:
        bit = decode_bit(m.state, m.words, coded)
    else:
        encode_bit(m.state, m.words, bit, coded)
    if final >= 0:
        nearest = place + (1 if part >= 128 else 0)
        chance = np.int64(m.finals[nearest])
        m.finals[nearest] = np.uint32(chance + ((((1 << 32) - 1 if bit else 0) - chance) >> 6))
    error = (np.int64(bit) << 16) - (ones >> 8)
    half = np.int64(1 << (_RATE - 1))
    for k in range(INPUTS):
        step = np.int32((np.int64(x[k]) * error + half) >> _RATE)
        w[first, k] += step
        w[second, k] += step
        w[third, k] += step
    return bit
