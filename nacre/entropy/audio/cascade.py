"""The fast predictor: integers alone, a cascade of adaptive filters.

A sample is compared with 15/16 of the one before (without it, filters learn slowly on smooth
sounds: 2 % of the file). A filter over both channels predicts the difference, and three more of
falling length what is left, each from its own history (MPEG-4 ALS's RLS-LMS mode is built like
this; T. Liebchen et al., "The MPEG-4 audio lossless coding standard", 2005). What each stage adds
is held to the range of the samples seen: without that a single click makes a filter run away.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nacre.entropy.audio.nlms import Filter, Int64s, gain_of, learn, new_filter, predict, push, turn
from nacre.entropy.audio.residuals import Coder, Int32s, Mixture, code_error, new_mixture
from nacre.entropy.sequential import compiled

OWN, OTHER = 24, 8
"""Taps of the first filter on the channel itself and on the other one."""
TAPS = (256, 32, 8)
_FIRST_STEP, _STEPS = 4096, (4096, 4096, 4096)
_LEAK = 15  # of 16

Pair = tuple[Filter, Filter]


class Cascade(NamedTuple):
    """What has been learnt of one or two channels; pairs hold a part for each channel.

    Attributes:
        mixtures: for the coder.
        own: the first filter's taps on the channel itself.
        other: its taps on the other channel.
        long, middle, short: the filters behind it.
        bounds: int64 ``[2, 2]``: least and greatest sample of each channel.
    """

    mixtures: tuple[Mixture, Mixture]
    own: Pair
    other: Pair
    long: Pair
    middle: Pair
    short: Pair
    bounds: Int64s


def new_cascade() -> Cascade:
    """A predictor that has seen nothing."""

    def pair(taps: int) -> Pair:
        return new_filter(taps), new_filter(taps)

    long, middle, short = (pair(taps) for taps in TAPS)
    bounds = np.zeros((2, 2), np.int64)
    mixtures = (new_mixture(), new_mixture())
    return Cascade(mixtures, pair(OWN), pair(OTHER), long, middle, short, bounds)


@compiled
def code_cascade(coder: Coder, learnt: Cascade, samples: Int32s) -> None:
    """Code ``samples`` (int32 ``[C, N]``, C 1 or 2), or decode them into the array."""
    channels, length = samples.shape
    last = (np.int64(0), np.int64(0))
    for t in range(length):
        now = last
        for c in range(channels):
            own, other = learnt.own[c], learnt.other[c]
            long, middle, short = learnt.long[c], learnt.middle[c], learnt.short[c]
            if c == 1:
                push(other, (np.int64(samples[0, t]) << 4) - (last[0] * _LEAK >> 4))
            low, high = learnt.bounds[c, 0] << 4, learnt.bounds[c, 1] << 4
            before = last[c] * _LEAK >> 4
            first = before + predict(own)
            if channels == 2:
                first += predict(other)
            base = min(max(first, low), high)
            p1 = predict(long)
            with1 = min(max(base + p1, low), high)
            p2 = predict(middle)
            with2 = min(max(with1 + p2, low), high)
            p3 = predict(short)
            with3 = min(max(with2 + p3, low), high)

            sample = code_error(coder, learnt.mixtures[c], with3, samples[c, t])
            samples[c, t] = np.int32(sample)
            value = np.int64(samples[c, t]) << 4

            power = own.state[1] + other.state[1]
            gain = gain_of(value - first, _FIRST_STEP, power, OWN + OTHER)
            turn(own, gain)
            push(own, value - before)
            if channels == 2:
                turn(other, gain)
            if c == 1:
                push(learnt.other[0], value - before)
            learn(long, value - base - p1, value - base, _STEPS[0])
            learn(middle, value - with1 - p2, value - with1, _STEPS[1])
            learn(short, value - with2 - p3, value - with2, _STEPS[2])
            learnt.bounds[c, 0] = min(learnt.bounds[c, 0], value >> 4)
            learnt.bounds[c, 1] = max(learnt.bounds[c, 1], value >> 4)
            now = (value, now[1]) if c == 0 else (now[0], value)
        last = now
