"""The compiled loop over splats: scales, opacity and colour, then rotation, then harmonics.

Values are seen as y, about -1/2 .. 1/2. Of each channel two predictions are made: from the
neighbours and the place (one least-squares matrix for all channels), and from those and what was
coded of the same splat (a matrix for each channel). Both, the neighbours' mean and the nearest
neighbour are means of distributions whose widths are followed in classes of how well neighbours and
earlier channels were predicted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import compiled
from nacre.entropy.splats.candidates import (
    BROADER,
    Candidates,
    Number,
    compare,
    likeliest,
    mean_of,
    meet,
    part,
    trust,
)
from nacre.entropy.splats.learning import dot, gain_of, learn
from nacre.entropy.splats.neighbours import EARLIER, Neighbours
from nacre.entropy.splats.turning import Turning, code_rotation, look_around, remember
from nacre.entropy.splats.values import (
    CONTEXTS,
    SIBLINGS,
    Coder,
    Mixture,
    code_value,
)

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

BASE = 7
"""Channels before the rotation: scales 0 to 2, opacity 3, colour 4 to 6."""
ROTATION = 4
"""Channels of a rotation, 7 to 10: which component is largest, and the other three."""
FIRST_HARMONIC = BASE + ROTATION
FEATURES = 28
INNER = 2 * BASE + 2
HARMONIC_FEATURES = 10
CLASSES = 8
_MEMORY = 0.9997
_INNER_MEMORY = 0.9995


class Learners(NamedTuple):
    """What predictions are learnt by.

    Attributes:
        matrix: of the first prediction, ``[FEATURES, FEATURES]``.
        weights: of it, ``[BASE, FEATURES]``.
        inner: matrices of the second, ``[BASE, INNER, INNER]``.
        inner_weights: ``[BASE, INNER]``.
        outer: of harmonics, ``[H, HARMONIC_FEATURES, HARMONIC_FEATURES]``.
        outer_weights: ``[H, HARMONIC_FEATURES]``.
        widths: mean errors, ``[channels, DENSITIES, CLASSES, 2]``, and how many were seen.
        room: ``[8, FEATURES]``: features, gain, inner features, errors, values, ...
    """

    matrix: Floats
    weights: Floats
    inner: Floats
    inner_weights: Floats
    outer: Floats
    outer_weights: Floats
    widths: Floats
    room: Floats


@compiled
def log2_of(x: Number) -> Number:
    """About log2 of a positive number: its exponent and mantissa, joined by a straight line."""
    if not 1e-30 < x < 1e30:
        return -100.0 if not x >= 1e30 else 100.0
    power = 0.0
    while x >= 2.0:
        x *= 0.5
        power += 1.0
    while x < 1.0:
        x *= 2.0
        power -= 1.0
    return power + x - 1.0


@compiled
def class_of(ratio: Number) -> Number:
    """0 .. 7 for errors from small to large, in units of the usual one."""
    number = np.int64(0)
    for edge in (0.5, 0.7, 0.85, 1.0, 1.2, 1.45, 1.9):
        number += ratio > edge
    return number


@compiled
def level_of(y: Number, levels: Number) -> Number:
    """``y`` in -1/2 .. 1/2 as one of so many levels."""
    place = (y + 0.5) * levels
    if not place > 0.0:
        return np.int64(0)
    return np.int64(min(place, levels - 1.0))


@compiled
def follow(widths: Floats, channel: Number, k: Number, class_: Number, error: Number) -> None:
    """Let a mean error move towards one that was seen, at most by 1/50 of the way."""
    cell = widths[channel, k, class_]
    cell[1] += 1.0
    cell[0] += (abs(error) - cell[0]) / min(cell[1] + 1.0, 50.0)


@compiled
def _features(
    i: Number, points: Floats, near: Neighbours, seen: Floats, turning: Turning, z: Floats
) -> Number:
    """What is known around splat ``i``, to ``z``; returns how ill its neighbours were predicted."""
    for k in range(FEATURES):
        z[k] = 0.0
    total, misfit, spread = 0.0, 0.0, 0.0
    for n in range(EARLIER):
        j = np.int64(near.earlier[i, n])
        if j < 0:
            continue
        weight = near.weights[i, n]
        total += weight
        for c in range(BASE):
            z[c] += weight * seen[j, c]
            if n == 0:
                z[BASE + c] = seen[j, c]
        misfit += weight * seen[j, BASE]
        spread += weight * seen[j, BASE + 1]
    look_around(i, near.earlier, near.weights, near.scatter, turning)
    own = log2_of(near.spread[i]) * 0.125
    seen[i, BASE + 1] = own
    z[14] = own
    if total > 0.0:
        for c in range(BASE):
            z[c] /= total
        z[15] = own - spread / total
        misfit /= total
    else:
        misfit = 1.0
    for axis in range(3):
        z[16 + axis] = points[i, axis]
        z[19 + axis] = turning.tensor[axis, axis]
        z[22 + axis] = turning.extent[axis]
    z[25] = turning.share[0] - 0.5
    z[26] = z[14] * z[14]
    z[27] = 0.5
    return misfit


@compiled
def _base_contexts(
    c: Number, mean: Number, values: Int64s, bits: Int64s, z: Floats, second: Number,
    turning: Turning, slots: Int64s,
) -> None:  # fmt: skip
    """The contexts of scales, opacity and colour."""
    slots[0] = 0
    slots[1] = level_of(mean, 64)
    slots[4] = level_of(z[BASE + c], 64)
    slots[6] = level_of(z[c], 64)
    slots[7] = level_of(mean, 16) * 4 + level_of(z[BASE + c] - mean, 4)
    slots[8] = level_of(second, 64)
    if c == 0:
        slots[2] = level_of(z[14] * 0.5 + 0.3, 64)
        slots[3] = level_of(z[0], 8) * 8 + level_of(z[BASE], 8)
    else:
        last = values[c - 1] << 6 >> bits[c - 1]
        slots[2] = last
        before = values[c - 2] << 3 >> bits[c - 2] if c > 1 else level_of(mean, 8)
        slots[3] = (last >> 3) * 8 + before
    if c < 3:
        agree = level_of(turning.share[0] - 0.5, 4)
        slots[5] = level_of(turning.tensor[c, c] - 0.5, 16) * 4 + agree
    elif c == 3:
        low, high = turning.order[0], turning.order[1]
        slots[5] = (values[low] << 3 >> bits[low]) * 8 + (values[high] << 3 >> bits[high])
    else:
        slots[5] = (values[3] << 3 >> bits[3]) * 8 + level_of(mean, 8)


@compiled
def _sort_scales(values: Int64s, turning: Turning) -> None:
    """Which scale is least, which largest, and how much less the least one is than the middle."""
    low, high = 0, 0
    for k in range(1, 3):
        if values[k] < values[low]:
            low = k
        if values[k] > values[high]:
            high = k
    if high == low:
        high = (low + 1) % 3
    turning.order[0], turning.order[1] = low, high


@compiled
def _code_base(
    i: Number, values: Int64s, bits: Int64s, points: Floats, near: Neighbours, seen: Floats,
    turning: Turning, learners: Learners, candidates: Candidates, rate: Number,
    mixture: Mixture, coder: Coder,
) -> None:  # fmt: skip
    z, gain, inner, errors, ys = (
        learners.room[0], learners.room[1], learners.room[2], learners.room[3], learners.room[4],
    )  # fmt: skip
    misfit = _features(i, points, near, seen, turning, z)
    around = class_of(misfit)
    own, sum_ratio = around, 0.0
    widths = learners.widths
    meet(near.earlier[i], candidates)
    for c in range(BASE):
        first = dot(learners.weights[c], z, FEATURES)
        for k in range(c):
            inner[k], inner[c + k] = errors[k], ys[k]
        inner[2 * c] = 0.5
        for n in range(EARLIER):
            j = candidates.places[n]
            candidates.values[n] = seen[j, c] if j >= 0 else 0.0
        sibling = mean_of(candidates) - first
        inner[2 * c + 1] = sibling
        inner[2 * c + 2] = sibling * candidates.total[0] / (1.0 + candidates.total[0])
        size = 2 * c + 3
        rest = dot(learners.inner_weights[c], inner, size)
        mean = first + rest
        top = float(np.int64(1) << bits[c])
        means, classes = mixture.means, learners.room[5]
        means[0], means[1], means[2] = mean, mean, mean
        means[3], means[4], means[5] = first, z[c], z[BASE + c]
        classes[0], classes[1], classes[2] = around, own, 0.0
        classes[3], classes[4], classes[5] = around, around, around
        mixture.scales[6] = (0.72 * candidates.narrow[c, 0]) * top + 0.1
        mixture.scales[7] = mixture.scales[6] * BROADER
        for k in range(SIBLINGS):
            mixture.scales[k] = 0.72 * widths[c, k, np.int64(classes[k]), 0] * top
            learners.room[6, k] = means[k]
            means[k] = (means[k] + 0.5) * top - 0.5
        second = candidates.values[likeliest(candidates)]
        _base_contexts(c, mean, values, bits, z, second, turning, mixture.slots)
        set_ = trust(candidates) * 3 + min(around + own + 1 >> 2, 3) * 3 // 4
        values[c] = code_value(values[c], bits[c], c, set_, rate, candidates, mixture, coder)
        y = (float(values[c]) + 0.5) / top - 0.5
        compare(c, y, 0.5 / top, candidates)
        ys[c], errors[c] = y, y - first
        usual = widths[c, 2, 0, 0]
        sum_ratio += min(abs(y - mean) / max(usual, 1e-6), 8.0)
        for k in range(SIBLINGS):
            follow(widths, c, k, np.int64(classes[k]), y - learners.room[6, k])
        own = class_of(sum_ratio / (c + 1.0))
        gain_of(learners.inner[c], inner, size, _INNER_MEMORY, gain)
        learn(learners.inner_weights[c], gain, size, errors[c] - rest)
        seen[i, c] = y
        if c == 2:
            _sort_scales(values, turning)
    gain_of(learners.matrix, z, FEATURES, _MEMORY, gain)
    for c in range(BASE):
        learn(learners.weights[c], gain, FEATURES, errors[c])
    seen[i, BASE] = sum_ratio / BASE


@compiled
def _code_harmonics(
    i: Number, table: Int64s, bits: Int64s, near: Neighbours, seen: Floats,
    learners: Learners, candidates: Candidates, rate: Number, mixture: Mixture, coder: Coder,
) -> None:  # fmt: skip
    values, features, gain = table[i], learners.room[0], learners.room[1]
    first_error, second_error, size_so_far = 0.0, 0.0, 0.0
    widths = learners.widths
    around = class_of(seen[i, BASE])
    opacity = level_of(seen[i, 3], 8)
    for h in range(len(bits) - FIRST_HARMONIC):
        c = FIRST_HARMONIC + h
        top = float(np.int64(1) << bits[c])
        if h % 3 == 0:
            first_error, second_error = 0.0, 0.0
        mean_near, total = 0.0, 0.0
        for n in range(EARLIER):
            j = candidates.places[n]
            candidates.values[n] = 0.0
            if j >= 0:
                candidates.values[n] = (float(table[j, c]) + 0.5) / top - 0.5
                total += near.weights[i, n]
                mean_near += near.weights[i, n] * candidates.values[n]
        mean_near = mean_near / total if total > 0.0 else 0.0
        y_nearest = candidates.values[0]
        features[0], features[1] = mean_near, y_nearest
        features[2], features[3] = first_error, second_error
        features[4] = (float(values[c - 3]) + 0.5) / top - 0.5 if h >= 3 else 0.0
        features[5], features[6], features[7] = seen[i, 4 + h % 3], seen[i, 3], 0.5
        sibling = mean_of(candidates)
        features[8] = sibling
        features[9] = sibling * candidates.total[0] / (1.0 + candidates.total[0])
        outer, weights = learners.outer[h], learners.outer_weights[h]
        mean = dot(weights, features, HARMONIC_FEATURES)
        own = class_of(size_so_far / (h + 1.0) if h else 1.0)
        means, classes = mixture.means, learners.room[5]
        means[0], means[1], means[2] = mean, mean, mean
        means[3], means[4], means[5] = mean + first_error * 0.5, mean_near, y_nearest
        classes[0], classes[1], classes[2] = around, own, 0.0
        classes[3], classes[4], classes[5] = own, own, around
        mixture.scales[6] = (0.72 * candidates.narrow[c, 0]) * top + 0.1
        mixture.scales[7] = mixture.scales[6] * BROADER
        for k in range(SIBLINGS):
            mixture.scales[k] = 0.72 * widths[c, k, np.int64(classes[k]), 0] * top
            learners.room[6, k] = means[k]
            means[k] = (means[k] + 0.5) * top - 0.5
        slots = mixture.slots
        slots[0], slots[1] = 0, level_of(mean, 64)
        slots[2] = values[c - 1] << 6 >> bits[c - 1] if h % 3 else level_of(mean_near, 64)
        slots[3] = values[c - 3] << 6 >> bits[c - 3] if h >= 3 else 0
        slots[4] = level_of(y_nearest, 64)
        slots[5] = own * 8 + opacity
        slots[6] = level_of(candidates.values[likeliest(candidates)], 64)
        slots[7] = level_of(mean, 8) * 8 + own
        slots[8] = around * 8 + own
        set_ = trust(candidates) * 3 + min(own >> 1, np.int64(2))
        values[c] = code_value(values[c], bits[c], c, set_, rate, candidates, mixture, coder)
        y = (float(values[c]) + 0.5) / top - 0.5
        compare(c, y, 0.5 / top, candidates)
        size_so_far += min(abs(y - mean) / max(widths[c, 2, 0, 0], 1e-6), 8.0)
        second_error, first_error = first_error, y - mean
        for k in range(SIBLINGS):
            follow(widths, c, k, np.int64(classes[k]), y - learners.room[6, k])
        gain_of(outer, features, HARMONIC_FEATURES, _MEMORY, gain)
        learn(weights, gain, HARMONIC_FEATURES, y - mean)


@compiled
def code_rows(
    first: Number, last: Number, table: Int64s, bits: Int64s, points: Floats, near: Neighbours,
    seen: Floats, turning: Turning, learners: Learners, candidates: Candidates,
    mixture: Mixture, coder: Coder,
) -> None:  # fmt: skip
    """Code splats ``first .. last - 1`` of ``table`` ``[N, channels]``, or decode them into it."""
    for k in range(CONTEXTS):
        mixture.slots[k] = 0
    for i in range(first, last):
        rate = np.int64(15 if i < 1000 else (16 if i < 4000 else 18))
        _code_base(
            i, table[i], bits, points, near, seen, turning, learners, candidates, rate,
            mixture, coder,
        )  # fmt: skip
        code_rotation(
            i, table[i], bits, near.earlier, near.weights, seen, turning,
            learners.widths, candidates, rate, mixture, coder,
        )  # fmt: skip
        remember(i, table[i], seen, turning)
        _code_harmonics(i, table, bits, near, seen, learners, candidates, rate, mixture, coder)
        part(len(bits), candidates)
