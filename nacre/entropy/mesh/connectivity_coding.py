"""How connectivity's decisions become bits: mixed contexts, plain counters, whole numbers.

One function codes and decodes: it is given the bit (or number) and gives it back; a decoder's
argument does not matter. So both ends run the same loop and cannot drift apart.
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
from nacre.entropy.sequential import (
    COUNT,
    HELD,
    STATE_SIZE,
    Number,
    State,
    Words,
    compiled,
    decode_advance,
    decode_bit,
    decode_target,
    encode_bit,
    encode_symbol,
)
from nacre.entropy.tables import PRECISION, TOTAL

CONTEXTS = 12
"""Contexts that are mixed."""
INPUTS = 32
"""Two of each context, one that is constant, zeros up to a multiple of eight."""
SLOT_BITS = 16
"""Counters of a context: 2^this."""
PLAIN = 1024
"""Counters that are used alone."""
_LIMIT = 1023
_PLAIN_LIMIT = 255
_RATE = 16
_LENGTHS = 32


class Coder(NamedTuple):
    """A range coder with the models of one stream.

    Attributes:
        decoding: 1 in a decoder, int64 ``[1]``.
        state: as in nacre.entropy.sequential.
        words: as there.
        counters: of the contexts, uint32 ``[CONTEXTS, 2^SLOT_BITS]``.
        weights: of the mixers, int32 ``[sets, INPUTS]``.
        plain: counters used alone, uint32 ``[PLAIN]``.
        contexts: of the next decisions, int64 ``[CONTEXTS]``.
        slots: work space, int64 ``[CONTEXTS]``.
        inputs: work space, int32 ``[INPUTS]``.
    """

    decoding: npt.NDArray[np.int64]
    state: State
    words: Words
    counters: Counters
    weights: Weights
    plain: Counters
    contexts: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.int32]


SETS = 8
_SHRINK = np.array(
    [[(4 * n << 16) // (4 * n + 1), (n << 16) // (n + 5)] for n in range(1024)], dtype=np.int64
)
"""Trust in a counter that has seen n bits, as a share of 2^16: quick and slow."""


def new_coder(words: Words, decoding: bool, mixing: bool = True) -> Coder:
    """A coder that has learnt nothing; its state is still to be initialised."""
    rows = CONTEXTS if mixing else 1
    return Coder(
        np.array([decoding], dtype=np.int64),
        np.zeros(STATE_SIZE, dtype=np.uint64),
        words,
        new_counters(rows, 1 << SLOT_BITS),
        new_weights(SETS, INPUTS, 0.08),
        new_counters(PLAIN),
        np.zeros(CONTEXTS, dtype=np.int64),
        np.zeros(CONTEXTS, dtype=np.int64),
        np.zeros(INPUTS, dtype=np.int32),
    )


def with_room(coder: Coder, words: int) -> Coder:
    """An encoder with room for that many words more."""
    held = int(coder.state[COUNT] + coder.state[HELD])
    longer = np.empty(held + words, dtype=np.uint32)
    longer[:held] = coder.words[:held]
    return coder._replace(words=longer)


@compiled
def _code(coder: Coder, bit: Number, ones: Number) -> Number:
    if coder.decoding[0]:
        return decode_bit(coder.state, coder.words, ones)
    encode_bit(coder.state, coder.words, bit, ones)
    return bit


@compiled
def code_plain(coder: Coder, slot: Number, bit: Number) -> Number:
    """One bit under one counter, 0 <= slot < PLAIN."""
    counter = coder.plain[slot]
    ones = (np.int64(counter) >> 10 << 2) + 2
    bit = _code(coder, bit, ones)
    coder.plain[slot] = updated(counter, bit, _PLAIN_LIMIT)
    return bit


@compiled
def code_mixed(coder: Coder, kind: Number, chosen: Number, bit: Number) -> Number:
    """One bit under ``coder.contexts``.

    Args:
        coder: the coder.
        kind: which decision it is, 0 .. 7.
        chosen: set of weights, 0 <= chosen < SETS.
        bit: 0 or 1.
    """
    rows = len(coder.counters)
    for k in range(rows):
        key = np.uint64(coder.contexts[k] << 3 | kind) * np.uint64(0x9E3779B97F4A7C15)
        slot = np.int64(key >> np.uint64(64 - SLOT_BITS))
        coder.slots[k] = slot
        counter = coder.counters[k, slot]
        odds = stretch_counter(counter)
        seen = np.int64(counter) & 1023
        coder.inputs[2 * k] = np.int32(odds * _SHRINK[seen, 0] >> 16)
        coder.inputs[2 * k + 1] = np.int32(odds * _SHRINK[seen, 1] >> 16)
    coder.inputs[2 * CONTEXTS] = np.int32(UNIT)
    if rows == 1:
        ones = (np.int64(coder.counters[0, coder.slots[0]]) >> 10 << 2) + 2
        bit = _code(coder, bit, ones)
    else:
        ones = np.int64(SQUASH[mix(coder.weights, chosen, coder.inputs) + LIMIT])
        bit = _code(coder, bit, ones)
        train(coder.weights, chosen, coder.inputs, error_of(bit, ones), _RATE)
    for k in range(rows):
        coder.counters[k, coder.slots[k]] = updated(coder.counters[k, coder.slots[k]], bit, _LIMIT)
    return bit


@compiled
def _code_even(coder: Coder, value: Number, size: Number) -> Number:
    """A number in 0 .. size - 1, all alike; 1 <= size <= 2^16."""
    if coder.decoding[0]:
        target = decode_target(coder.state)
        value = ((target + 1) * size - 1) >> PRECISION
    low = value * TOTAL // size
    high = (value + 1) * TOTAL // size
    if coder.decoding[0]:
        decode_advance(coder.state, coder.words, low, high - low)
    else:
        encode_symbol(coder.state, coder.words, low, high - low)
    return value


@compiled
def code_below(coder: Coder, value: Number, size: Number) -> Number:
    """A number in 0 .. size - 1, all alike; 1 <= size < 2^31. Decoded ones are below ``size``."""
    if size <= 1 << 16:
        return _code_even(coder, value, size)
    high = _code_even(coder, value >> 15, ((size - 1) >> 15) + 1)
    low = _code_even(coder, value & 32767, 1 << 15)
    return min(high << 15 | low, size - 1)


@compiled
def code_number(coder: Coder, base: Number, value: Number) -> Number:
    """A number from 0 on, small ones likely: Exp-Golomb code whose lengths are learnt.

    Args:
        coder: the coder.
        base: the first of 64 plain counters.
        value: 0 <= value < 2^31 - 1.
    """
    whole = value + 1
    length = np.int64(0)
    while length < _LENGTHS - 2:
        more = np.int64(1) if whole >> (length + 1) else np.int64(0)
        if not code_plain(coder, base + length, more):
            break
        length += 1
    result: Number = np.int64(1)
    for place in range(length - 1, -1, -1):
        bit = (whole >> place) & 1
        if place == length - 1:
            bit = code_plain(coder, base + _LENGTHS + length, bit)
        else:
            bit = _code(coder, bit, TOTAL // 2)
        result = result << 1 | bit
    return result - 1
