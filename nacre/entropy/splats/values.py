"""How one value of a splat is coded: bits, highest first, each of a mixed probability.

Opinions on a bit come from distributions (logistic, or mixtures of such around rotations that are
likely, ``rotations.py``) and from counters in contexts. A distribution's opinion is its share of
the upper half of the range that is left; all are mixed as in ``mixing.py``, under the sum of two
sets of weights. What they are computed by is integers and strict float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mixing import (
    LIMIT,
    SQUASH,
    STRETCH,
    UNIT,
    WEIGHT_BITS,
    Counters,
    Weights,
    error_of,
    new_counters,
    updated,
)
from nacre.entropy.sequential import State, Words, compiled, decode_bit, encode_bit
from nacre.entropy.splats.candidates import Candidates, Number, below
from nacre.entropy.tables import TOTAL

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

DENSITIES = 8
"""Distributions that have an opinion on each bit; the last two are mixtures over siblings."""
SIBLINGS = DENSITIES - 2
"""The first of these two."""
CONTEXTS = 9
"""Counters that have one."""
INPUTS = DENSITIES + CONTEXTS + 1
SLOTS = 1 << 14
"""Counters of a channel in one context: 64 contexts of 256 nodes."""
NODE_BITS = 8
"""Bits beyond these share a counter: what so fine a bit is, contexts hardly know."""
MOST_BITS = 16
SETS = 15
"""Second sets of weights of a channel, beside one for each bit."""
_LIMIT = 250
_SHRINK = (np.arange(1024, dtype=np.int64) << 8) * 2 // (2 * np.arange(1024, dtype=np.int64) + 3)
"""How far a counter that has seen so few bits is trusted, in 1/256."""


class Coder(NamedTuple):
    """The range coder: ``state`` and ``words`` as nacre.entropy.sequential wants them."""

    decoding: bool
    state: State
    words: Words


class Mixture(NamedTuple):
    """What bits are mixed from.

    Attributes:
        counters: uint32 ``[channels, CONTEXTS, SLOTS]``.
        weights: int32 ``[channels, MOST_BITS + SETS, INPUTS]``.
        inputs: room for stretched opinions, int32 ``[INPUTS]``.
        slots: the context of each counter, 0 .. 63, int64 ``[CONTEXTS]``.
        means: where each distribution expects the value, float64 ``[DENSITIES]``.
        scales: their widths, float64 ``[DENSITIES]``.
        edges: their cumulative frequencies at both ends and in the middle, float64
            ``[DENSITIES, 3]``.
        spent: bits that each channel took so far, float64 ``[channels]``; for reports, nothing
            depends on it.
    """

    counters: Counters
    weights: Weights
    inputs: Int32s
    slots: Int64s
    means: Floats
    scales: Floats
    edges: Floats
    spent: Floats


def new_mixture(channels: int) -> Mixture:
    """A mixture that has seen nothing."""
    weights = np.empty((channels, MOST_BITS + SETS, INPUTS), np.int32)
    weights[:, :, :DENSITIES] = round(0.09 * (1 << WEIGHT_BITS))
    weights[:, :, DENSITIES:] = round(0.04 * (1 << WEIGHT_BITS))
    return Mixture(
        new_counters(channels, CONTEXTS, SLOTS),
        weights,
        np.zeros(INPUTS, np.int32),
        np.zeros(CONTEXTS, np.int64),
        np.zeros(DENSITIES, np.float64),
        np.ones(DENSITIES, np.float64),
        np.zeros((DENSITIES, 3), np.float64),
        np.zeros(channels, np.float64),
    )


@compiled
def cumulative(x: Number, mean: Number, scale: Number) -> Number:
    """A logistic distribution's share below ``x``, in 2^-24: 1 .. 2^24 - 1, whole."""
    distance = (x - mean) / scale * UNIT
    if distance >= LIMIT:
        return float(TOTAL - 1)
    if distance > -LIMIT:
        return float(SQUASH[np.int64(distance + (LIMIT + 0.5))])
    return 1.0


@compiled
def opinion(below: Number, middle: Number, above: Number) -> Number:
    """The stretched probability of the upper half of what lies between two edges."""
    whole = above - below
    if not whole > 0.0:
        return np.int64(0)
    share = np.int64((above - middle) / whole * 4096.0)
    return np.int64(STRETCH[min(max(share, np.int64(0)), np.int64(4095))])


@compiled
def decide(
    bit: Number,
    channel: Number,
    depth: Number,
    set_: Number,
    node: Number,
    rate: Number,
    mixture: Mixture,
    coder: Coder,
) -> Number:
    """Code a bit, or decode it, and learn from it; the distributions' opinions are there."""
    inputs, slots = mixture.inputs, mixture.slots
    counters = mixture.counters[channel]
    for k in range(CONTEXTS):
        counter = np.int64(counters[k, slots[k] * 256 + node])
        stretched = np.int64(STRETCH[counter >> 20])
        inputs[DENSITIES + k] = np.int32(stretched * _SHRINK[counter & 1023] >> 8)
    inputs[INPUTS - 1] = np.int32(UNIT // 2)
    a, b = mixture.weights[channel, depth], mixture.weights[channel, MOST_BITS + set_]
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(INPUTS):
        total += np.int64(a[k] + b[k]) * np.int64(inputs[k])
    mixed = min(max(total >> WEIGHT_BITS, np.int64(-LIMIT)), np.int64(LIMIT))
    ones = np.int64(SQUASH[mixed + LIMIT])
    if coder.decoding:
        bit = decode_bit(coder.state, coder.words, ones)
    else:
        encode_bit(coder.state, coder.words, bit, ones)
        mixture.spent[channel] -= np.log2((ones if bit else TOTAL - ones) / TOTAL)
    error = np.int64(error_of(bit, ones))
    for k in range(INPUTS):
        step = np.int32((np.int64(inputs[k]) * error + (np.int64(1) << (rate - 1))) >> rate)
        a[k] += step
        b[k] += step
    for k in range(CONTEXTS):
        at = slots[k] * 256 + node
        counters[k, at] = updated(counters[k, at], bit, _LIMIT)
    return bit


@compiled
def code_value(
    value: Number,
    bits: Number,
    channel: Number,
    set_: Number,
    rate: Number,
    candidates: Candidates,
    mixture: Mixture,
    coder: Coder,
) -> Number:
    """Code a value in 0 .. 2^bits - 1, or decode it, under the means and scales of ``mixture``."""
    means, scales, edges = mixture.means, mixture.scales, mixture.edges
    for k in range(DENSITIES):
        if not abs(means[k]) < 1e9:
            means[k] = 0.0
        scales[k] = max(min(scales[k], 1e9), 1e-3) if scales[k] > 0.0 else 1.0
        edges[k, 0], edges[k, 1] = 0.0, float(TOTAL)
    prefix, node = np.int64(0), np.int64(1)
    unit = 1.0 / float(np.int64(1) << bits)
    for depth in range(bits):
        half = np.int64(1) << (bits - 1 - depth)
        for k in range(DENSITIES):
            if k < SIBLINGS:
                edges[k, 2] = cumulative(float(prefix + half) - 0.5, means[k], scales[k])
            else:
                edges[k, 2] = below(float(prefix + half) * unit - 0.5, scales[k] * unit, candidates)
            mixture.inputs[k] = np.int32(opinion(edges[k, 0], edges[k, 2], edges[k, 1]))
        bit: Number = value >> (bits - 1 - depth) & 1
        at = node if depth < NODE_BITS else np.int64(0)
        bit = decide(bit, channel, depth, set_, at, rate, mixture, coder)
        for k in range(DENSITIES):
            edges[k, 1 - bit] = edges[k, 2]
        prefix += half * bit
        node = 2 * node + bit
    return prefix
