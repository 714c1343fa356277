"""How a sample is coded, given its prediction: a mixture of distributions, all in integers.

Six components, Laplace and Gauss distributions of three scales each: running means of the error's
magnitude, fast to slow. Their weights follow Bayes' rule with a fixed share that flows back to all
(M. Herbster, M. Warmuth, "Tracking the best expert", 1998), so that no component is lost for good.
A cumulative frequency of the mixture is the weighted sum of the components', each a table over the
distance from the prediction in units of its scale.

The error is coded in steps of 2^s, a sixteenth to a thirty-second of its scale, and the s bits
within a step as they are: the distributions are flat there. Steps beyond the window are escapes.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from nacre.entropy.mixing import exponential
from nacre.entropy.sequential import (
    Function,
    Number,
    State,
    Words,
    decode_advance,
    decode_escape,
    decode_target,
    encode_escape,
    encode_symbol,
)
from nacre.entropy.tables import PRECISION, TOTAL

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

FRACTION_BITS = 4
"""Bits after the point of a prediction."""
SCALES, COMPONENTS = 3, 6
WINDOW = 1024
"""Steps on either side of the prediction that have a frequency of their own."""
WORDS_A_SAMPLE = 4
"""Words that a sample takes at most: 24 bits for its symbol, 24 for an escape's class, 31 for what
an escape adds (low bits are coded without one)."""

_SCALE_BITS = 16
_RATES = (6554, 2048, 410)  # 1/10, 1/32, 1/160 of 2^16
_WEIGHT_BITS = 16
_SHARE = 10  # 2^-10 of all weight is dealt out anew after each sample
_STEP_BITS, _LEAST_STEPS = 5, 4  # table steps of 1/32 of a scale; a scale is 2^4 steps or more
_FINE_BITS = 8
_REACH = 17  # scales
_CODES = TOTAL - 2 * WINDOW - 2
_HALF = TOTAL // 2


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers: handing over arrays takes longer than it."""
    return cast(Function, njit(inline="always")(function))


def _laplace() -> Int32s:
    """2^24 (1 - e^-u / 2) for u = i / 32: its mean magnitude is the scale."""
    bits = 96
    step = exponential(1 << _STEP_BITS, bits)
    power, table = 1 << bits, []
    for _ in range((_REACH << _STEP_BITS) + 2):
        table.append(TOTAL - ((_HALF << bits) + power // 2) // power)
        power = power * step >> bits
    return np.array(table, dtype=np.int32)


def _gauss() -> Int32s:
    """2^24 times the normal distribution whose mean magnitude is 1, by its power series.

    Phi(u) = 1/2 + 1/pi sum (-1)^n (u^2/pi)^n u / (n! (2n + 1)), as sigma = sqrt(pi / 2).
    """
    bits = 400
    pi = _pi(bits)
    table = []
    for i in range((_REACH << _STEP_BITS) + 2):
        if i > 9 << _STEP_BITS:  # the rest of the tail is below 2^-40
            table.append(TOTAL)
            continue
        u = (i << bits) >> _STEP_BITS
        ratio = u * u // pi
        term, total, n = u, 0, 0
        while term:
            total += (-term if n % 2 else term) // (2 * n + 1)
            n += 1
            term = (term * ratio >> bits) // n
        table.append(_HALF + (total * TOTAL + pi // 2) // pi)
    return np.array(table, dtype=np.int32)


def _pi(bits: int) -> int:
    """pi times 2^bits (Machin: pi / 4 = 4 arctan 1/5 - arctan 1/239)."""

    def inverse_tangent(x: int) -> int:
        power = (1 << bits + 32) // x
        total, n = 0, 1
        while power:
            total += (power if n % 4 == 1 else -power) // n
            power //= x * x
            n += 2
        return total

    return (4 * (4 * inverse_tangent(5) - inverse_tangent(239))) >> 32


TABLES: npt.NDArray[np.int32] = np.stack([_laplace(), _gauss()])
"""``[shape, i]``: 2^24 times the cumulative distribution at i / 32 scales from its middle."""
# 2^20 over a scale's leading bits, which are 17, 19 .. 31 of half units: scales are rounded to
# eight an octave, so that no sample needs a division.
_INVERSE: Int64s = ((1 << 20) // np.arange(17, 33, 2, dtype=np.int64)).astype(np.int64)
_LEAST_SCALE = 1 << 12


class Mixture(NamedTuple):
    """What the coder of one channel has learnt, and room to work in.

    Attributes:
        scales: running means of the error's magnitude, 16 bits after the point, int64 ``[3]``.
        weights: of the components (Laplace and Gauss of each scale), 2^16 in all, int64 ``[6]``.
        inverse: of each scale, rounded, int64 ``[3]``.
        shift: that goes with it, int64 ``[3]``.
        chance: of what came, by each component, int64 ``[6]``.
    """

    scales: Int64s
    weights: Int64s
    inverse: Int64s
    shift: Int64s
    chance: Int64s


class Coder(NamedTuple):
    """The range coder: ``state`` and ``words`` as nacre.entropy.sequential wants them."""

    decoding: bool
    state: State
    words: Words


def new_mixture() -> Mixture:
    """A coder that has seen nothing: errors of about 32."""
    scales = np.full(SCALES, 32 << _SCALE_BITS, dtype=np.int64)
    weights = np.full(COMPONENTS, (1 << _WEIGHT_BITS) // COMPONENTS, dtype=np.int64)
    zeros = np.zeros((2, SCALES), dtype=np.int64)
    return Mixture(scales, weights, zeros[0], zeros[1], np.zeros(COMPONENTS, dtype=np.int64))


@inlined
def _length(value: Number) -> Number:
    """How many bits ``value`` > 0 has."""
    rest, length = np.int64(value), np.int64(1)
    for step in (32, 16, 8, 4, 2, 1):
        if rest >> step:
            rest >>= step
            length += step
    return length


@inlined
def _cumulative(mixture: Mixture, distance: Number) -> Number:
    """2^24 times the mixture's chance of lying below ``distance`` (4 bits after the point)."""
    size = abs(np.int64(distance))
    total = np.int64(0)
    whole = np.int64(0)
    for k in range(SCALES):
        u = min(
            size * mixture.inverse[k] >> mixture.shift[k],
            np.int64(_REACH << _STEP_BITS + _FINE_BITS),
        )
        i, fine = u >> _FINE_BITS, u & ((1 << _FINE_BITS) - 1)
        for shape in range(2):
            low = np.int64(TABLES[shape, i])
            value = low + ((np.int64(TABLES[shape, i + 1]) - low) * fine >> _FINE_BITS)
            total += mixture.weights[2 * k + shape] * value
            whole += mixture.weights[2 * k + shape]
    if distance < 0:
        total = (whole << PRECISION) - total
    return total >> _WEIGHT_BITS


@inlined
def _chances(mixture: Mixture, low: Number, high: Number) -> None:
    """What each component gave to distances from ``low`` to ``high``."""
    for k in range(SCALES):
        most = np.int64(_REACH << _STEP_BITS + _FINE_BITS)
        u = min(abs(np.int64(low)) * mixture.inverse[k] >> mixture.shift[k], most)
        v = min(abs(np.int64(high)) * mixture.inverse[k] >> mixture.shift[k], most)
        i, j = u >> _FINE_BITS, v >> _FINE_BITS
        fine, last = u & ((1 << _FINE_BITS) - 1), v & ((1 << _FINE_BITS) - 1)
        for shape in range(2):
            first = np.int64(TABLES[shape, i])
            first += (np.int64(TABLES[shape, i + 1]) - first) * fine >> _FINE_BITS
            second = np.int64(TABLES[shape, j])
            second += (np.int64(TABLES[shape, j + 1]) - second) * last >> _FINE_BITS
            if low < 0:
                first = TOTAL - first
            if high < 0:
                second = TOTAL - second
            mixture.chance[2 * k + shape] = max(second - first, np.int64(1))


@inlined
def _reweight(mixture: Mixture) -> None:
    """Bayes' rule and the fixed share."""
    total = np.int64(0)
    for k in range(COMPONENTS):
        total += mixture.weights[k] * mixture.chance[k]
    spare = max(_length(total) - 31, np.int64(0))
    inverse = (np.int64(1) << 46) // max(total >> spare, np.int64(1))
    left = np.int64(1) << _WEIGHT_BITS
    for k in range(COMPONENTS):
        weight = (mixture.weights[k] * mixture.chance[k] >> spare) * inverse >> 30
        weight += ((1 << _WEIGHT_BITS) // COMPONENTS - weight) >> _SHARE
        weight = max(min(weight, left), np.int64(0))
        mixture.weights[k] = weight
        left -= weight


@inlined
def code_error(coder: Coder, mixture: Mixture, prediction: Number, sample: Number) -> Number:
    """Code a sample, or decode it, and learn from it; the sample.

    Args:
        coder: the range coder.
        mixture: of this channel; changed.
        prediction: 4 bits after the point, magnitude below 2^32.
        sample: when encoding.
    """
    for k in range(SCALES):
        scale = max(mixture.scales[k], np.int64(_LEAST_SCALE))
        length = _length(scale)
        mixture.inverse[k] = _INVERSE[(scale >> (length - 4)) & 7]
        mixture.shift[k] = length - 10
    spread = max(mixture.scales[1], np.int64(_LEAST_SCALE))
    low_bits = max(_length(spread) - 1 - _SCALE_BITS - _LEAST_STEPS, np.int64(0))
    base = np.int64(prediction) >> FRACTION_BITS
    # A step k holds the samples from base + (k << low_bits) on; this is its lower end's distance
    # from the prediction at k = 0.
    origin = (base << FRACTION_BITS) - np.int64(prediction) - (1 << FRACTION_BITS - 1)
    width = np.int64(1) << (FRACTION_BITS + low_bits)
    step = np.int64(0)
    if coder.decoding:
        target = decode_target(coder.state)
        first, last = np.int64(-WINDOW - 1), np.int64(WINDOW)
        reach = np.int64(1)
        # Outwards by doubled steps, then halves: errors are mostly small.
        edge = _cumulative(mixture, origin) * _CODES >> PRECISION
        if edge + WINDOW + 1 <= target:
            first = np.int64(0)
            while reach < WINDOW:
                edge = _cumulative(mixture, origin + reach * width) * _CODES >> PRECISION
                if edge + reach + WINDOW + 1 > target:
                    last = reach - 1
                    break
                first = reach
                reach <<= 1
        else:
            last = np.int64(-1)
            while reach <= WINDOW:
                edge = _cumulative(mixture, origin - reach * width) * _CODES >> PRECISION
                if edge - reach + WINDOW + 1 <= target:
                    first = -reach
                    break
                last = -reach - 1
                reach <<= 1
        while first < last:
            middle = (first + last + 1) >> 1
            edge = _cumulative(mixture, origin + middle * width) * _CODES >> PRECISION
            if edge + middle + WINDOW + 1 <= target:
                first = middle
            else:
                last = middle - 1
        step = first
    else:
        step = (np.int64(sample) - base) >> low_bits
        step = min(max(step, np.int64(-WINDOW - 1)), np.int64(WINDOW))
    start, end = np.int64(0), np.int64(TOTAL)
    if step > -WINDOW - 1:
        edge = _cumulative(mixture, origin + step * width) * _CODES >> PRECISION
        start = edge + step + WINDOW + 1
    if step < WINDOW:
        edge = _cumulative(mixture, origin + (step + 1) * width) * _CODES >> PRECISION
        end = edge + step + WINDOW + 2
    inside = -WINDOW - 1 < step < WINDOW
    error = np.int64(sample) - base
    if coder.decoding:
        decode_advance(coder.state, coder.words, start, end - start)
        if inside:
            error = step << low_bits
            if low_bits:
                low = decode_target(coder.state) >> (PRECISION - low_bits)
                span = np.int64(1) << (PRECISION - low_bits)
                decode_advance(coder.state, coder.words, low * span, span)
                error += low
        else:
            far = np.int64(WINDOW) << low_bits
            error = np.int64(decode_escape(coder.state, coder.words, -far, 2 * far))
    else:
        encode_symbol(coder.state, coder.words, start, end - start)
        if inside:
            if low_bits:
                span = np.int64(1) << (PRECISION - low_bits)
                low = error & ((np.int64(1) << low_bits) - 1)
                encode_symbol(coder.state, coder.words, low * span, span)
        else:
            far = np.int64(WINDOW) << low_bits
            encode_escape(coder.state, coder.words, error, -far, 2 * far)
    if inside:
        _chances(mixture, origin + step * width, origin + (step + 1) * width)
        _reweight(mixture)
    size = min(abs(np.int64(error)), np.int64(1) << 26) << _SCALE_BITS
    for k in range(SCALES):
        mixture.scales[k] += (size - mixture.scales[k] >> 8) * _RATES[k] >> _SCALE_BITS - 8
    return base + error
