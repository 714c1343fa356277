"""How the ``photo`` coder writes a sample: binary decisions, each of a mixed probability.

A sample lies above its centre (the prediction, rounded down) or not: one decision. Then it is
sought outwards in steps of 2^g: is it beyond the step? Steps double after the sixth. Inside the
step that holds it, halves are told apart. Two experts (logistic distributions around the
prediction, of two scales) and the counters of the contexts have a say in each decision.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numba import njit

from nacre.entropy.adaptive.photo_layout import EXPERTS, Int32s
from nacre.entropy.adaptive.photo_tables import (
    INVERSE,
    INVERSE_BITS,
    LENGTHS,
    POINT_BITS,
    survival,
)
from nacre.entropy.mixing import (
    LIMIT,
    SQUASH,
    STRETCH,
    WEIGHT_BITS,
    Counters,
    Weights,
    updated,
)
from nacre.entropy.sequential import Function, Number, State, Words, decode_bit, encode_bit
from nacre.entropy.tables import PRECISION

_RATE = 14
"""A mixture's weights move by input * error / 2^this."""
_COUNT = 255
"""A counter's step stays at 1 / this."""
_EVEN_STEPS = 6
"""Steps before they double."""
_ABOVE, _BELOW, _NEAR_ABOVE, _NEAR_BELOW, _DEEP = 1, 5, 9, 12, 15
"""Nodes of the decisions after the first one: steps on either side, first halves, other halves."""


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers.

    A call hands over each array as seven numbers, which takes as long as what these functions do.
    """
    return cast(Function, njit(inline="always")(function))


class Coder(NamedTuple):
    """The range coder: ``state`` and ``words`` as nacre.entropy.sequential wants them."""

    decoding: bool
    state: State
    words: Words


class Mixture(NamedTuple):
    """What probabilities are mixed from.

    Attributes:
        counters: as in the model.
        weights: as in the model.
        slots: where the counters of each context begin.
        inputs: work space.
        set_a: first row of one selected set of weights.
        set_b: of the other one.
    """

    counters: Counters
    weights: Weights
    slots: Int32s
    inputs: Int32s
    set_a: Number
    set_b: Number


class Density(NamedTuple):
    """Where a sample is expected.

    Attributes:
        high: it is 0 .. high.
        mean: prediction, POINT_BITS after the point.
        scale_a: log index of the expected error of one expert.
        scale_b: of the other one.
        step_bits: the first steps are 2^this.
    """

    high: Number
    mean: Number
    scale_a: Number
    scale_b: Number
    step_bits: Number


@inlined
def clamp(value: Number, limit: Number) -> Number:
    """``value``, at most ``limit`` from zero."""
    return min(max(value, -limit), limit)


@inlined
def _decide(
    bit: Number, node: Number, expert_a: Number, expert_b: Number, mixture: Mixture, coder: Coder
) -> Number:
    """Code a decision, or decode it, and learn from it; the experts' odds are stretched."""
    inputs, slots, counters = mixture.inputs, mixture.slots, mixture.counters
    inputs[0] = np.int32(clamp(expert_a, np.int64(LIMIT)))
    inputs[1] = np.int32(clamp(expert_b, np.int64(LIMIT)))
    for k in range(len(slots)):
        counter = counters[slots[k] + node]
        inputs[k + EXPERTS] = np.int32(STRETCH[np.int64(counter) >> 20])
    a, b = mixture.weights[mixture.set_a + node], mixture.weights[mixture.set_b + node]
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(len(inputs)):
        total += np.int64(a[k] + b[k]) * np.int64(inputs[k])
    ones = np.int64(SQUASH[clamp(total >> WEIGHT_BITS, np.int64(LIMIT)) + LIMIT])
    if coder.decoding:
        bit = decode_bit(coder.state, coder.words, ones)
    else:
        encode_bit(coder.state, coder.words, bit, ones)
    error = np.int32((bit << 16) - (ones >> (PRECISION - 16)))
    for k in range(len(inputs)):
        step = np.int32(inputs[k] * error + (1 << (_RATE - 1))) >> _RATE
        a[k] = np.int32(a[k] + step)
        b[k] = np.int32(b[k] + step)
    for k in range(len(slots)):
        at = slots[k] + node
        counters[at] = updated(counters[at], bit, _COUNT)
    return bit


@inlined
def code_sample(x: Number, density: Density, mixture: Mixture, coder: Coder) -> Number:
    """Code a sample, or decode it: 0 .. high, whatever the data."""
    high, h = density.high, density.step_bits
    centre = min(max(density.mean >> POINT_BITS, np.int64(0)), high - 1)
    scale_a, scale_b = np.int64(INVERSE[density.scale_a]), np.int64(INVERSE[density.scale_b])
    edge = (centre << POINT_BITS) + (1 << (POINT_BITS - 1)) - density.mean
    # Where the interval begins in which the sample must lie, seen from the mean, outwards.
    near_a, near_b = edge * scale_a >> INVERSE_BITS, edge * scale_b >> INVERSE_BITS
    up = _decide(1 if x > centre else 0, np.int64(0), -near_a, -near_b, mixture, coder)
    if not up:
        near_a, near_b = -near_a, -near_b
    room = high - centre - 1 if up else centre
    offset = x - centre - 1 if up else centre - x
    start, steps, halves = np.int64(0), np.int64(0), np.int64(-1)
    while True:
        # While halves < 0 the sample is sought outwards, afterwards inside the last step.
        if halves < 0 and start + (np.int64(1) << h) > room:
            halves = np.int64(0)
        if halves >= 0:
            h -= 1
            while h >= 0 and start + (np.int64(1) << h) > room:
                h -= 1
            if h < 0:
                break
        length_a = scale_a << (h + POINT_BITS) >> INVERSE_BITS
        length_b = scale_b << (h + POINT_BITS) >> INVERSE_BITS
        expert_a, expert_b = survival(near_a), survival(near_b)
        if halves < 0:
            node = (_ABOVE if up else _BELOW) + min(steps, np.int64(3))
            expert_a -= np.int64(LENGTHS[density.scale_a, h])
            expert_b -= np.int64(LENGTHS[density.scale_b, h])
        else:
            node = (_NEAR_ABOVE if up else _NEAR_BELOW) + min(steps, np.int64(2))
            node = node if halves == 0 else np.int64(_DEEP)
            expert_a -= survival(near_a + 2 * length_a) + length_a
            expert_b -= survival(near_b + 2 * length_b) + length_b
        length = np.int64(1) << h
        beyond = 1 if offset >= start + length else 0
        bit = _decide(beyond, node, expert_a, expert_b, mixture, coder)
        if bit:
            start += length
            near_a += length_a
            near_b += length_b
        if halves >= 0:
            halves += 1
        elif bit:
            steps += 1
            h += 1 if steps >= _EVEN_STEPS else 0
        else:
            halves = np.int64(0)
    return centre + 1 + start if up else centre - start
