"""Compiled loops of ``pyramid.py``: integer networks over phases, and the coding of their samples.

The networks run in float32 that holds integers; every partial sum stays below 2^24, which the
layers proved (``integer.py``), so the order of summation changes nothing. Nothing is allocated
here. All indices come from shapes and clamped values, never from the data of a stream.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from numba import njit

from nacre.entropy.sequential import (
    Function,
    Number,
    State,
    Words,
    compiled,
    decode_advance,
    decode_target,
    encode_symbol,
    find,
)
from nacre.entropy.tables import PRECISION, TOTAL

Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
Float32s = npt.NDArray[np.float32]
Network = tuple[Float32s, Float32s, Float32s, Float32s, Float32s, Float32s]
"""Weights and offsets of the three layers, each times ``2^-shift``, so that a shift is a floor."""

TILE = 256
"""Pixels of a row that a network takes at once: its values then stay in the fastest cache."""
MARGIN = 3
"""Rows and columns around a sub-image, copies of its border."""
FEATURE_LIMIT = 255
HIDDEN, HIDDEN_LIMIT = 32, 4095
OUTPUT_LOW, OUTPUT_HIGH = -4096, 8191
FRACTIONS = 16
"""Means are in sixteenths of a grey level."""
REACH = 255
"""A table covers the residuals ``-REACH .. REACH``."""
WORTH_SCALING = TOTAL - (TOTAL >> 6)
"""Where less than this lies within 0..255, the interval is stretched to the whole."""

_TWO = np.int32(2)
_LIMIT = np.float32(FEATURE_LIMIT)
_ZERO, _TOP = np.float32(0), np.float32(HIDDEN_LIMIT)
_LOW, _HIGH = np.float32(OUTPUT_LOW), np.float32(OUTPUT_HIGH)


def fused(function: Function) -> Function:
    """As :func:`compiled`, but a product may be added without being rounded in between.

    Where every product and sum is exact, as here, that changes nothing but the speed.
    """
    options = {"cache": True, "nogil": True, "_nrt": False, "fastmath": {"contract"}}
    return cast(Function, njit(**options)(function))  # type: ignore[call-overload]


@compiled
def _near(
    stack: Int16s, plane: int, taps: Int32s, row: int, column: int, count: int, mean: Int32s
) -> None:
    """The mean of the nearest four samples of a plane."""
    a = stack[plane, taps[0, 1], row + taps[0, 2], column + taps[0, 3] :]
    b = stack[plane, taps[1, 1], row + taps[1, 2], column + taps[1, 3] :]
    c = stack[plane, taps[2, 1], row + taps[2, 2], column + taps[2, 3] :]
    d = stack[plane, taps[3, 1], row + taps[3, 2], column + taps[3, 3] :]
    for x in range(count):
        mean[x] = (np.int32(a[x]) + np.int32(b[x]) + np.int32(c[x]) + np.int32(d[x]) + _TWO) >> _TWO


@compiled
def _subtract(line: Int16s, origin: Int32s, count: int, feature: Float32s) -> None:
    for x in range(count):
        distance = np.float32(np.int32(line[x]) - origin[x])
        feature[x] = min(max(distance, -_LIMIT), _LIMIT)


@compiled
def _gather(
    stack: Int16s, taps: Int32s, own: int, row: int, column: int, count: int,
    features: Float32s, base: Int32s, origin: Int32s,
) -> None:  # fmt: skip
    """Features ``[T, count]`` of ``count`` pixels from ``column`` on, and 16 times their base."""
    _near(stack, taps[0, 0], taps, row, column, count, base)
    for tap in range(own):
        line = stack[taps[tap, 0], taps[tap, 1], row + taps[tap, 2]]
        _subtract(line[column + taps[tap, 3] :], base, count, features[tap])
    for first in range(own, len(taps), 9):
        plane = taps[first, 0]
        _near(stack, plane, taps, row, column, count, origin)
        centre = stack[plane, taps[first, 1], row + taps[first, 2], column + taps[first, 3] :]
        for x in range(count):
            distance = np.float32(origin[x] - np.int32(centre[x]))
            features[first, x] = min(max(distance, -_LIMIT), _LIMIT)
            origin[x] = np.int32(centre[x])
        if plane == 0:
            for x in range(count):
                base[x] += origin[x]
        for tap in range(first + 1, first + 9):
            line = stack[plane, taps[tap, 1], row + taps[tap, 2]]
            _subtract(line[column + taps[tap, 3] :], origin, count, features[tap])
    for x in range(count):
        base[x] *= np.int32(FRACTIONS)


@fused
def _accumulate(weight: Float32s, inputs: Float32s, count: int, outputs: Float32s) -> None:
    """``outputs += weight @ inputs``: two outputs and eight inputs at a time, for registers."""
    for o in range(0, len(weight), 2):
        u, v = weight[o], weight[o + 1]
        first, second = outputs[o], outputs[o + 1]
        for t in range(0, weight.shape[1], 8):
            u0, u1, u2, u3 = u[t], u[t + 1], u[t + 2], u[t + 3]
            u4, u5, u6, u7 = u[t + 4], u[t + 5], u[t + 6], u[t + 7]
            v0, v1, v2, v3 = v[t], v[t + 1], v[t + 2], v[t + 3]
            v4, v5, v6, v7 = v[t + 4], v[t + 5], v[t + 6], v[t + 7]
            for x in range(count):
                a, b, c, d = inputs[t, x], inputs[t + 1, x], inputs[t + 2, x], inputs[t + 3, x]
                e, f, g, h = inputs[t + 4, x], inputs[t + 5, x], inputs[t + 6, x], inputs[t + 7, x]
                first[x] += u0 * a + u1 * b + u2 * c + u3 * d + u4 * e + u5 * f + u6 * g + u7 * h
                second[x] += (
                    v0 * a + v1 * b + v2 * c + v3 * d + v4 * e + v5 * f + v6 * g + v7 * h
                )  # fmt: skip


@compiled
def _start(offset: Float32s, count: int, outputs: Float32s) -> None:
    for o in range(len(offset)):
        for x in range(count):
            outputs[o, x] = offset[o]


@compiled
def _rectify(count: int, outputs: Float32s) -> None:
    for o in range(len(outputs)):
        for x in range(count):
            outputs[o, x] = min(max(np.floor(outputs[o, x]), _ZERO), _TOP)


@compiled
def predict(
    stack: Int16s, taps: Int32s, own: int, network: Network, class_of: npt.NDArray[np.uint8],
    first_row: int, last_row: int, scratch: Float32s, whole: Int32s,
    centre: npt.NDArray[np.uint8], table: Int16s,
) -> None:  # fmt: skip
    """Centre and table of every sample in some rows of a phase.

    Args:
        stack: ``[planes, 4, h + 2 MARGIN, w + 2 MARGIN]``, the sub-images of a level.
        taps: ``[T, 4]`` plane, sub-image, row and column, MARGIN included; T a multiple of 8.
        own: how many taps are of the plane itself; groups of nine for each reference follow.
        network: of the phase.
        class_of: scale class of each second output, from OUTPUT_LOW on.
        first_row, last_row: the rows, the last one excluded.
        scratch: ``[T + 2 HIDDEN + 2, TILE]``.
        whole: ``[2, TILE]``.
        centre, table: ``[rows, columns]`` of the phase, written.
    """
    w1, b1, w2, b2, w3, b3 = network
    size = len(taps)
    features = scratch[:size]
    one = scratch[size : size + HIDDEN]
    two = scratch[size + HIDDEN : size + 2 * HIDDEN]
    out = scratch[size + 2 * HIDDEN :]
    columns = centre.shape[1]
    for row in range(first_row, last_row):
        for column in range(0, columns, TILE):
            count = min(TILE, columns - column)
            _gather(stack, taps, own, row, column, count, features, whole[0], whole[1])
            _start(b1, count, one)
            _accumulate(w1, features, count, one)
            _rectify(count, one)
            _start(b2, count, two)
            _accumulate(w2, one, count, two)
            _rectify(count, two)
            _start(b3, count, out)
            _accumulate(w3[:, :HIDDEN], two, count, out)
            _accumulate(w3[:, HIDDEN:], features, count, out)
            for x in range(count):
                shift = np.int32(min(max(np.floor(out[0, x]), _LOW), _HIGH))
                scale = np.int32(min(max(np.floor(out[1, x]), _LOW), _HIGH)) - OUTPUT_LOW
                mean = min(max(whole[0, x] + shift, 0), FRACTIONS * 256 - 1)
                centre[row, column + x] = mean >> 4
                table[row, column + x] = FRACTIONS * class_of[scale] + (mean & 15)


@compiled
def _stretched(value: Number, low: Number, span: Number) -> Number:
    return ((value - low) << PRECISION) // span


@compiled
def encode_samples(
    state: State, words: Words, samples: npt.NDArray[np.uint8], centre: npt.NDArray[np.uint8],
    table: Int16s, cumulative: Int32s,
) -> None:  # fmt: skip
    """Code samples ``[N]`` of 0..255, each in the part of its table that means 0..255."""
    for place in range(len(samples)):
        edges = cumulative[table[place]]
        first = REACH - np.int64(centre[place])
        index = first + np.int64(samples[place])
        low, high = np.int64(edges[index]), np.int64(edges[index + 1])
        floor = np.int64(edges[first])
        span = np.int64(edges[first + 256]) - floor
        if span < WORTH_SCALING:
            stretched = _stretched(low, floor, span)
            encode_symbol(state, words, stretched, _stretched(high, floor, span) - stretched)
        else:
            encode_symbol(state, words, low, high - low)


@compiled
def decode_samples(
    state: State, words: Words, samples: npt.NDArray[np.uint8], centre: npt.NDArray[np.uint8],
    table: Int16s, cumulative: Int32s, near: Int16s,
) -> None:  # fmt: skip
    """The samples ``[N]`` that :func:`encode_samples` coded; damaged data give some samples."""
    for place in range(len(samples)):
        edges = cumulative[table[place]]
        first = REACH - np.int64(centre[place])
        floor = np.int64(edges[first])
        span = np.int64(edges[first + 256]) - floor
        target = np.int64(decode_target(state))
        if span < WORTH_SCALING:
            index, last = first, first + 255
            while index < last:
                middle = (index + last + 1) >> 1
                if _stretched(np.int64(edges[middle]), floor, span) <= target:
                    index = middle
                else:
                    last = middle - 1
            low = np.int64(_stretched(np.int64(edges[index]), floor, span))
            high = np.int64(_stretched(np.int64(edges[index + 1]), floor, span))
        else:
            bucket = target >> 16
            hints = near[table[place]]
            found = find(edges, target, np.int64(hints[bucket]), np.int64(hints[bucket + 1]))
            # Only damaged data lie outside 0..255.
            index = min(max(np.int64(found), first), first + 255)
            low, high = np.int64(edges[index]), np.int64(edges[index + 1])
        decode_advance(state, words, low, high - low)
        samples[place] = index - first
