"""The better predictor: two windowed least-squares fits, a cascade of filters, a combiner.

Fit A looks long (its window forgets 0.15 % a sample), fit B short (1.5 %); both see the channel
itself and the other one. Three adaptive filters predict what A leaves, each what the one before
leaves. A combiner adds it all up with weights that follow the sign of the error (Huang, Francl,
"Nonlinear predictor combination", MPEG-4 ALS's RLS-LMS mode). Strict float64: see least_squares.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nacre.entropy.audio.least_squares import (
    PERIOD,
    Floats,
    Real,
    Regression,
    expect,
    new_regression,
    observe,
    solve,
)
from nacre.entropy.audio.nlms import Filter, learn, new_filter, predict
from nacre.entropy.audio.residuals import (
    Coder,
    Int32s,
    Mixture,
    code_error,
    inlined,
    new_mixture,
)
from nacre.entropy.sequential import compiled

OWN, OTHER_LONG, OTHER_SHORT, ALONE = 16, 16, 8, 32
"""Inputs of the fits: of the channel, of the other one (for A and B), and A's of a single one."""
TAPS = (256, 32, 8)
_STEPS = (8192, 4096, 1024)
_KEEP_LONG, _KEEP_SHORT = 0.9985, 0.985
_RATE, _STEP = 0.05, 0.0075
_LEAST = 1e-6
_EARLY, _EARLY_PERIOD = 256, 4
"""At the beginning the fits are solved more often."""

Pair = tuple[Filter, Filter]


class Fits(NamedTuple):
    """What has been learnt of one or two channels; pairs hold a part for each channel.

    Attributes:
        mixtures: for the coder.
        long, short: the fits A and B.
        long_inputs, short_inputs: theirs, newest first, own before other; float64 ``[2, n]``.
        filters: the cascade, by stage.
        combiner: ``[2, 8]``: weights of B - A and of the stages, then those inputs' mean squares.
        bounds: ``[2, 2]``: least and greatest sample of each channel.
    """

    mixtures: tuple[Mixture, Mixture]
    long: tuple[Regression, Regression]
    short: tuple[Regression, Regression]
    long_inputs: Floats
    short_inputs: Floats
    filters: tuple[Pair, Pair, Pair]
    combiner: Floats
    bounds: Floats


def new_fits(channels: int) -> Fits:
    """A predictor that has seen nothing, for 1 or 2 channels."""
    long = OWN + OTHER_LONG if channels == 2 else ALONE
    short = OWN + OTHER_SHORT if channels == 2 else OWN
    first, second, third = ((new_filter(taps), new_filter(taps)) for taps in TAPS)
    return Fits(
        (new_mixture(), new_mixture()),
        (new_regression(long), new_regression(long)),
        (new_regression(short), new_regression(short)),
        np.zeros((2, long)),
        np.zeros((2, short)),
        (first, second, third),
        np.tile(np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), (2, 1)),
        np.zeros((2, 2)),
    )


@inlined
def _shift(inputs: Floats, first: int, behind: int, value: Real) -> None:
    """Put ``value`` at ``first`` and move what is there up to ``behind`` on by one."""
    for k in range(behind - 1, first, -1):
        inputs[k] = inputs[k - 1]
    inputs[first] = value


@inlined
def _held(value: Real, low: Real, high: Real) -> Real:
    """``value`` within bounds; not-a-number, which damaged data may bring, is the lower one."""
    return low if not value > low else min(value, high)


@compiled
def code_regressions(coder: Coder, learnt: Fits, samples: Int32s) -> None:
    """Code ``samples`` (int32 ``[C, N]``, C 1 or 2), or decode them into the array."""
    channels, length = samples.shape
    one, two, three = learnt.filters
    long_size, short_size = learnt.long_inputs.shape[1], learnt.short_inputs.shape[1]
    own_long = OWN if channels == 2 else long_size
    own_short = OWN if channels == 2 else short_size
    for t in range(length):
        for c in range(channels):
            long, short = learnt.long[c], learnt.short[c]
            seen, near = learnt.long_inputs[c], learnt.short_inputs[c]
            if c == 1:
                other = np.float64(samples[0, t])
                _shift(seen, OWN, long_size, other)
                _shift(near, OWN, short_size, other)
            low, high = learnt.bounds[c, 0], learnt.bounds[c, 1]
            a = _held(expect(long, seen), low, high)
            b = _held(expect(short, near), low, high)
            base = np.int64(np.floor(a * 16.0 + 0.5))
            p1, p2, p3 = predict(one[c]), predict(two[c]), predict(three[c])
            least, most = np.int64(low) << 4, np.int64(high) << 4
            with1 = min(max(base + p1, least), most)
            with2 = min(max(with1 + p2, least), most)
            with3 = min(max(with2 + p3, least), most)
            weights = learnt.combiner[c]
            parts = (
                b - a,
                np.float64(with1 - base) * 0.0625,
                np.float64(with2 - with1) * 0.0625,
                np.float64(with3 - with2) * 0.0625,
            )
            total = weights[0] * parts[0] + weights[1] * parts[1]
            total += weights[2] * parts[2] + weights[3] * parts[3]
            prediction = _held(a + total, low, high)
            centre = np.int64(np.floor(prediction * 16.0 + 0.5))

            sample = code_error(coder, learnt.mixtures[c], centre, samples[c, t])
            samples[c, t] = np.int32(sample)
            value = np.float64(samples[c, t])

            sign = 1.0 if value > prediction else (-1.0 if value < prediction else 0.0)
            for k in range(4):
                square = weights[4 + k] + _RATE * (parts[k] * parts[k] - weights[4 + k])
                weights[4 + k] = max(square, _LEAST)
                weights[k] += _STEP * sign * parts[k] / np.sqrt(weights[4 + k])
            whole = np.int64(samples[c, t]) << 4
            learn(one[c], whole - base - p1, whole - base, _STEPS[0])
            learn(two[c], whole - with1 - p2, whole - with1, _STEPS[1])
            learn(three[c], whole - with2 - p3, whole - with2, _STEPS[2])
            observe(long, seen, value, value - a, _KEEP_LONG)
            observe(short, near, value, value - b, _KEEP_SHORT)
            if (t + PERIOD // 2 * c) % PERIOD == PERIOD - 1 or (
                t < _EARLY and t % _EARLY_PERIOD == 0
            ):
                solve(long)
                solve(short)
            learnt.bounds[c, 0] = min(low, value)
            learnt.bounds[c, 1] = max(high, value)
            _shift(seen, 0, own_long, value)
            _shift(near, 0, own_short, value)
            if c == 1:
                _shift(learnt.long_inputs[0], OWN, long_size, value)
                _shift(learnt.short_inputs[0], OWN, short_size, value)
