"""Normalised least mean squares in integers: long filters that learn from every sample.

Weights have 20 bits after the point; what a stage sees has one, what it predicts four. The step is
a fraction of the error removed at the current input (S. Haykin, "Adaptive filter theory", chapter
6): ``weight += step * error * input / power``. Integers that wrap around are the same everywhere,
too, and what is predicted is held to the range of the samples seen by whoever calls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.audio.residuals import inlined
from nacre.entropy.sequential import Number

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

WEIGHT_BITS = 20
INPUT_LIMIT = (1 << 26) - 1
"""Largest magnitude of an input, one bit after the point: the power of 2^10 of them has 62 bits."""
_DOT_SHIFT = WEIGHT_BITS + 1 - 4
_GAIN_LIMIT = (1 << 31) - 1
_ERROR_LIMIT = 1 << 32


class Filter(NamedTuple):
    """One stage of one channel.

    Attributes:
        weights: int32 ``[taps]``.
        history: int32 ``[2 taps]``: each input is kept twice, so that the last ones, oldest first,
            are always one slice, ``[place : place + taps]``.
        state: int64 ``[2]``: place, and the power of those inputs.
    """

    weights: Int32s
    history: Int32s
    state: Int64s


def new_filter(taps: int) -> Filter:
    """A stage that has seen silence."""
    return Filter(np.zeros(taps, np.int32), np.zeros(2 * taps, np.int32), np.zeros(2, np.int64))


@inlined
def predict(stage: Filter) -> Number:
    """What the stage expects next, 4 bits after the point."""
    taps = len(stage.weights)
    recent = stage.history[stage.state[0] : stage.state[0] + taps]
    total = np.int64(1 << _DOT_SHIFT - 1)
    for k in range(taps):
        total += np.int64(stage.weights[k]) * np.int64(recent[k])
    return total >> _DOT_SHIFT


@inlined
def gain_of(error: Number, step: Number, power: Number, taps: Number) -> Number:
    """What the inputs are to be multiplied by, 28 bits after the point, within 32 bits.

    Args:
        error: target less prediction, 4 bits after the point.
        step: the fraction of the error that is removed at the current input, of 2^17.
        power: of the inputs.
        taps: how many there are.
    """
    limited = min(max(np.int64(error), np.int64(-_ERROR_LIMIT)), np.int64(_ERROR_LIMIT))
    gain = (limited * np.int64(step) << 8) // (np.int64(power) + 4 * np.int64(taps) + 16)
    return min(max(gain, np.int64(-_GAIN_LIMIT)), np.int64(_GAIN_LIMIT))


@inlined
def turn(stage: Filter, gain: Number) -> None:
    """Move the weights along the last inputs."""
    taps = len(stage.weights)
    recent = stage.history[stage.state[0] : stage.state[0] + taps]
    short = np.int64(np.int32(gain))  # so that products of 32 bits by 32 are one instruction
    for k in range(taps):
        move = short * np.int64(recent[k]) + 128 >> 8
        stage.weights[k] = np.int32(np.int64(stage.weights[k]) + move)


@inlined
def push(stage: Filter, value: Number) -> None:
    """Take in what came, 4 bits after the point."""
    taps = len(stage.weights)
    place = stage.state[0]
    fresh = min(max((np.int64(value) + 4) >> 3, np.int64(-INPUT_LIMIT)), np.int64(INPUT_LIMIT))
    old = np.int64(stage.history[place])
    stage.state[1] += fresh * fresh - old * old
    stage.history[place] = np.int32(fresh)
    stage.history[place + taps] = np.int32(fresh)
    stage.state[0] = place + 1 if place + 1 < taps else 0


@inlined
def learn(stage: Filter, error: Number, value: Number, step: Number) -> None:
    """Move the weights along the error, then take in ``value``; see :func:`gain_of`."""
    turn(stage, gain_of(error, step, stage.state[1], len(stage.weights)))
    push(stage, value)
