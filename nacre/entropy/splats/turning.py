"""The compiled coding of one rotation, and what splats tell their neighbours about surfaces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import compiled
from nacre.entropy.splats.candidates import (
    BROADER,
    Candidates,
    Number,
    below,
    compare,
    likeliest,
    trust,
)
from nacre.entropy.splats.neighbours import EARLIER
from nacre.entropy.splats.rotations import (
    POINTS,
    WIDTHS,
    circles,
    component_widths,
    matrix_of,
    mixed_cumulative,
    principal,
    reweigh,
    weigh,
)
from nacre.entropy.splats.values import (
    DENSITIES,
    NODE_BITS,
    SIBLINGS,
    Coder,
    Mixture,
    cumulative,
    decide,
    opinion,
)
from nacre.entropy.tables import TOTAL

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

LARGEST = 7
"""The channel that says which component of a quaternion is largest; the others follow it."""
_NARROW, _WIDE = 0.02, 0.08


class Turning(NamedTuple):
    """Rotations so far and room for the next one.

    Attributes:
        names: component (w, x, y, z) that is largest for each value of its channel, then the three
            others in the order in which they are stored, int64 ``[4, 4]``.
        steps: what a stored component means: (step, value of 0), float64 ``[2]``.
        quaternions: of all splats, ``[N, 4]``.
        normals: their shortest axes, and how flat they are, ``[N, 4]``.
        extents: mean log-scales along x, y, z, ``[N, 3]``.
        tensor: of normals around, ``[3, 3]``.
        extent: mean of the extents around, ``[3]``.
        share: how much normals around agree, 1/3 .. 1, ``[1]``.
        axis: the normal around, ``[3]``.
        order: least and largest scale of this splat, int64 ``[2]``.
        points: candidates, ``[POINTS, 4]``.
        weights: ``[WIDTHS, POINTS]``.
        reach: ``[WIDTHS, POINTS]``.
        room: ``[8, 4]``.
        cube: ``[2, 3, 3]``.
    """

    names: Int64s
    steps: Floats
    quaternions: Floats
    normals: Floats
    extents: Floats
    tensor: Floats
    extent: Floats
    share: Floats
    axis: Floats
    order: Int64s
    points: Floats
    weights: Floats
    reach: Floats
    room: Floats
    cube: Floats


def new_turning(count: int, names: Int64s, step: Number, origin: Number) -> Turning:
    """Room for ``count`` splats."""
    return Turning(
        names,
        np.array([step, origin]),
        np.zeros((count, 4)),
        np.zeros((count, 4)),
        np.zeros((count, 3)),
        np.zeros((3, 3)),
        np.zeros(3),
        np.zeros(1),
        np.zeros(3),
        np.zeros(2, np.int64),
        np.zeros((POINTS, 4)),
        np.zeros((WIDTHS, POINTS)),
        np.zeros((WIDTHS, POINTS)),
        np.zeros((8, 4)),
        np.zeros((2, 3, 3)),
    )


@compiled
def look_around(
    i: Number, earlier: Int32s, weights: Floats, scatter: Floats, turning: Turning
) -> None:
    """Gather what the neighbours' shapes say: tensor, axis, share and extent."""
    tensor, extent = turning.tensor, turning.extent
    for a in range(3):
        extent[a] = 0.0
        for b in range(3):
            tensor[a, b] = 0.0
    total, flat = 1e-9, 1e-9
    for n in range(EARLIER):
        j = np.int64(earlier[i, n])
        if j < 0:
            continue
        total += weights[i, n]
        part = weights[i, n] * turning.normals[j, 3]
        flat += part
        for a in range(3):
            extent[a] += weights[i, n] * turning.extents[j, a]
            for b in range(3):
                tensor[a, b] += part * turning.normals[j, a] * turning.normals[j, b]
    for a in range(3):
        extent[a] /= total
        for b in range(3):
            tensor[a, b] /= flat
    turning.share[0] = principal(tensor, turning.cube, turning.axis)


@compiled
def remember(i: Number, values: Int64s, seen: Floats, turning: Turning) -> None:
    """Work out the rotation of a splat that was coded, and what it tells its neighbours."""
    q, matrix = turning.quaternions[i], turning.cube[0]
    names = turning.names[values[LARGEST]]
    total = 0.0
    for k in range(3):
        q[names[1 + k]] = float(values[LARGEST + 1 + k]) * turning.steps[0] + turning.steps[1]
        total += q[names[1 + k]] * q[names[1 + k]]
    q[names[0]] = np.sqrt(max(1.0 - total, 0.0))
    length = np.sqrt(max(total, 1.0))
    for k in range(4):
        q[k] /= length
    matrix_of(q, matrix)
    low, high = turning.order[0], turning.order[1]
    middle = 3 - low - high
    gap = seen[i, middle] - seen[i, low]
    for a in range(3):
        turning.normals[i, a] = matrix[a, low]
        turning.extents[i, a] = 0.0
        for k in range(3):
            turning.extents[i, a] += matrix[a, k] * matrix[a, k] * seen[i, k]
    turning.normals[i, 3] = gap / (gap + 0.05) + 0.02


@compiled
def _turned(j: Number, largest: Number, component: Number, turning: Turning) -> Number:
    """A component of a neighbour's quaternion, of the two the one whose ``largest`` is positive."""
    if j < 0:
        return 0.0
    value = turning.quaternions[j, component]
    return -value if turning.quaternions[j, largest] < 0.0 else value


@compiled
def _level(x: Number, levels: Number) -> Number:
    """``x`` in -0.75 .. 0.75 as one of so many levels."""
    place = (x + 0.75) / 1.5 * levels
    if not place > 0.0:
        return np.int64(0)
    return np.int64(min(place, levels - 1.0))


@compiled
def _code_largest(
    i: Number, value: Number, earlier: Int32s, set_: Number, agree: Number, rate: Number,
    turning: Turning, candidates: Candidates, mixture: Mixture, coder: Coder,
) -> Number:  # fmt: skip
    """Which component is largest: two bits, by how much of the circles has which largest."""
    parts, points, slots = turning.room[7], turning.points, mixture.slots
    siblings = turning.room[6]
    for k in range(4):
        parts[k], siblings[k] = 0.5, 0.02
    for t in range(POINTS):
        best = 0
        for k in range(1, 4):
            if abs(points[t, k]) > abs(points[t, best]):
                best = k
        parts[best] += 1.0
    votes = np.int64(0)
    for n in range(EARLIER):
        j = np.int64(earlier[i, n])
        best = 0
        if j >= 0:
            for k in range(1, 4):
                if abs(turning.quaternions[j, k]) > abs(turning.quaternions[j, best]):
                    best = k
        siblings[best] += candidates.share[n]
        if n < 3:
            votes = votes * 4 + best
    main = 0
    for k in range(1, 3):
        if abs(turning.axis[k]) > abs(turning.axis[main]):
            main = k
    facing = (turning.order[0] * 3 + main) * 4 + agree
    slots[0], slots[1], slots[2], slots[3] = 0, votes, votes >> 2, votes >> 4
    slots[4], slots[5], slots[6] = facing, turning.order[0] * 3 + turning.order[1], agree
    slots[7], slots[8] = facing >> 2, 0
    prefix, node = np.int64(0), np.int64(1)
    for depth in range(2):
        high, low, high_sibling, low_sibling = 0.0, 0.0, 0.0, 0.0
        for k in range(4):
            part, like = parts[turning.names[k, 0]], siblings[turning.names[k, 0]]
            if depth == 0 or k >> 1 == prefix:
                if k >> (1 - depth) & 1:
                    high += part
                    high_sibling += like
                else:
                    low += part
                    low_sibling += like
        for k in range(DENSITIES):
            mixture.inputs[k] = np.int32(0)
        mixture.inputs[0] = np.int32(opinion(0.0, low, low + high))
        mixture.inputs[SIBLINGS] = np.int32(opinion(0.0, low_sibling, low_sibling + high_sibling))
        bit: Number = value >> (1 - depth) & 1
        bit = decide(bit, LARGEST, depth, set_, node, rate, mixture, coder)
        prefix = 2 * prefix + bit
        node = 2 * node + bit
    return prefix


@compiled
def _code_component(
    value: Number, bits: Number, channel: Number, component: Number, set_: Number, rate: Number,
    turning: Turning, candidates: Candidates, mixture: Mixture, coder: Coder,
) -> Number:  # fmt: skip
    """Code one component under both mixtures of candidates and logistic ones of neighbours."""
    means, scales, edges = mixture.means, mixture.scales, mixture.edges
    step, origin = turning.steps[0], turning.steps[1]
    for k in range(DENSITIES):
        scales[k] = max(min(scales[k], 1e9), 1e-5) if scales[k] > 0.0 else 1.0
        edges[k, 0], edges[k, 1] = 0.0, float(TOTAL)
    prefix, node = np.int64(0), np.int64(1)
    for depth in range(bits):
        half = np.int64(1) << (bits - 1 - depth)
        x = (float(prefix + half) - 0.5) * step + origin
        for k in range(DENSITIES):
            if k < WIDTHS:
                edges[k, 2] = mixed_cumulative(
                    x, turning.points, component, turning.weights[k], turning.reach[k]
                )
            elif k < SIBLINGS:
                edges[k, 2] = cumulative(x, means[k], scales[k])
            else:
                edges[k, 2] = below(x, scales[k], candidates)
            mixture.inputs[k] = np.int32(opinion(edges[k, 0], edges[k, 2], edges[k, 1]))
        bit: Number = value >> (bits - 1 - depth) & 1
        at = node if depth < NODE_BITS else np.int64(0)
        bit = decide(bit, channel, depth, set_, at, rate, mixture, coder)
        for k in range(DENSITIES):
            edges[k, 1 - bit] = edges[k, 2]
        prefix += half * bit
        node = 2 * node + bit
    return prefix


@compiled
def code_rotation(
    i: Number, values: Int64s, bits: Int64s, earlier: Int32s, weights: Floats, seen: Floats,
    turning: Turning, widths: Floats, candidates: Candidates, rate: Number,
    mixture: Mixture, coder: Coder,
) -> None:  # fmt: skip
    """Code the rotation of splat ``i``, or decode it into ``values``."""
    low, high = turning.order[0], turning.order[1]
    gap = seen[i, 3 - low - high] - seen[i, low]
    share = turning.share[0]
    agree = np.int64(share > 0.6) + np.int64(share > 0.75) + np.int64(share > 0.9)
    flat = np.int64(gap > 0.03) + np.int64(gap > 0.12)
    side = min((agree + flat) // 2, np.int64(2))
    set_ = trust(candidates) * 3 + side
    circles(turning.axis, low, turning.room, turning.points)
    if bits[LARGEST] > 0:
        values[LARGEST] = _code_largest(
            i, values[LARGEST], earlier, set_, agree, rate, turning, candidates, mixture, coder
        )
    names = turning.names[values[LARGEST]]
    largest = names[0]
    weigh(turning.points, largest, turning.weights)
    last, before = 0.0, 0.0
    for n in range(3):
        component, channel = names[1 + n], LARGEST + 1 + n
        mean, total, guess = 0.0, 1e-9, 0.0
        for k in range(EARLIER):
            j = np.int64(earlier[i, k])
            candidates.values[k] = _turned(j, largest, component, turning)
            if j >= 0:
                total += weights[i, k]
                mean += weights[i, k] * candidates.values[k]
        mean /= total
        for width in range(WIDTHS):
            narrow = _NARROW if width == 0 else _WIDE
            component_widths(
                turning.points, low, component, narrow, turning.room, turning.reach[width]
            )
        for t in range(POINTS):
            guess += turning.weights[1, t] * turning.points[t, component]
        first, second = candidates.values[0], candidates.values[likeliest(candidates)]
        means = mixture.means
        means[2], means[3], means[4], means[5] = mean, first, guess, 0.0
        mixture.scales[6] = 0.72 * candidates.narrow[channel, 0] + 0.1 * turning.steps[0]
        mixture.scales[7] = mixture.scales[6] * BROADER
        for k in range(2, SIBLINGS):
            mixture.scales[k] = 0.72 * widths[channel, k, agree, 0]
        slots = mixture.slots
        set_ = trust(candidates) * 3 + side
        slots[0] = largest
        slots[1] = largest * 16 + _level(last, 16)
        slots[2] = largest * 16 + _level(first, 16)
        slots[3] = _level(last, 8) * 8 + _level(before, 8)
        slots[4] = _level(guess, 64)
        slots[5] = _level(mean, 64)
        slots[6] = (low * 4 + agree) * 4 + largest
        slots[7] = low * 16 + _level(guess, 16)
        slots[8] = largest * 16 + _level(second, 16)
        values[channel] = _code_component(
            values[channel],
            bits[channel],
            channel,
            component,
            set_,
            rate,
            turning,
            candidates,
            mixture,
            coder,
        )
        x = float(values[channel]) * turning.steps[0] + turning.steps[1]
        compare(channel, x, 0.5 * turning.steps[0], candidates)
        for k in range(2, SIBLINGS):
            cell = widths[channel, k, agree]
            cell[1] += 1.0
            cell[0] += (abs(x - means[k]) - cell[0]) / min(cell[1] + 1.0, 50.0)
        for width in range(WIDTHS):
            reweigh(
                x, 0.5 * turning.steps[0], turning.points, component,
                turning.weights[width], turning.reach[width],
            )  # fmt: skip
        before, last = last, x
