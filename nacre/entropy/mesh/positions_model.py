"""What the coder of positions has learned, and the components of its mixture at a vertex."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.features import ANSWERS, FEATURES
from nacre.entropy.mesh.functions import exp2_steps, log2_steps
from nacre.entropy.mesh.mixture import set_factor
from nacre.entropy.mesh.mixture_regression import learn, solve
from nacre.entropy.mesh.predictors import (
    ANGLES,
    CLOSING,
    EDGE_SCALE,
    KNOWN,
    MISSED,
    NEIGHBOURS,
    PARALLELOGRAMS,
    RESIDUALS,
    SPREAD,
    VECTORS,
    View,
)
from nacre.entropy.mixing import Counters, Weights, new_counters, new_weights
from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Int16s = npt.NDArray[np.int16]

BASE, SLOW, FAST, GATE_POINT, SECOND_POINT, THIRD_POINT, FOURTH_POINT = range(7)
MISSED_POINT, ANGLE_POINT, CLOSING_POINT, NEIGHBOUR_POINT = range(7, 11)
POINTS = 11
"""Where a vertex may lie."""
MODEL_POINTS = np.array(
    [BASE, SLOW, FAST, SLOW, GATE_POINT, ANGLE_POINT, SLOW, MISSED_POINT, SLOW], np.int64
)
MODEL_CONTEXTS = np.array([0, 0, 0, 1, 2, 0, 3, 1, 2], np.int64)
MODEL_ALIGNED = np.array([0, 0, 0, 1, 0, 0, 0, 0, 0], np.int64)
MODELS = len(MODEL_POINTS)
SPIKE_POINTS = np.array(
    [
        BASE,
        SLOW,
        FAST,
        GATE_POINT,
        SECOND_POINT,
        THIRD_POINT,
        FOURTH_POINT,
        MISSED_POINT,
        CLOSING_POINT,
    ],
    np.int64,
)
SPIKES = len(SPIKE_POINTS)
BROAD = 2
NETWORK = 4
COMPONENTS = MODELS + SPIKES + BROAD + NETWORK
FAMILIES, BUCKETS = 4, 16
CONTEXTS = BUCKETS * BUCKETS
KINDS = 7
"""0 to 3 known neighbours without a parallelogram (3 is more); 1, 2, 3 or more parallelograms."""
NODES = 18
INPUTS = 16
SIZES = 12


class Learned(NamedTuple):
    moments: Floats
    variances: Floats
    seen: Int32s
    ratios: Floats
    shares: Floats
    mixers: Weights
    last: Weights
    counters: Counters
    knobs: Floats


class Work(NamedTuple):
    points: Floats
    there: Int64s
    means: Floats
    factors: Floats
    weights: Floats
    sigmas: Floats
    contexts: Int64s
    solution: Floats
    matrix: Floats
    axes: Floats
    inner: Floats
    outer: Floats
    near: Floats
    far: Floats
    slope: Floats
    offset: Floats
    inputs: Int32s
    outputs: Int32s
    coordinates: Floats
    prior: Floats
    flags: Int64s
    answers: Int64s
    features: Int16s
    opinion: Floats


KNOBS = np.array(
    [
        0.9985,  # 0 slow keep
        0.97,  # 1 fast keep
        4.0,  # 2 ridge slow
        8.0,  # 3 ridge fast
        0.3,  # 4 sigma0: missed
        0.5,  # 5 spread
        0.03,  # 6 edge
        0.3,  # 7 constant
        6.0,  # 8 back-off count
        0.02,  # 9 variance rate floor
        0.02,  # 10 share rate
        0.05,  # 11 spike variance
        0.03,  # 12 blur
        0.02,  # 13 ratio rate
        1e-4,  # 14 share floor
        *[0.0] * 49,
    ]
)


def new_learned(bits: int, vertices: int) -> Learned:
    """Nothing learned; variances of the first vertices follow the extent, below 2^bits."""
    extent = float(1 << bits)
    area = extent * extent * 4.0 / max(vertices, 1)
    shares = np.zeros((KINDS * SIZES, COMPONENTS))
    shares[:, :MODELS] = 0.6 / MODELS
    shares[:, MODELS : MODELS + SPIKES] = 0.2 / SPIKES
    shares[:, MODELS + SPIKES] = 0.05
    shares[:, MODELS + SPIKES + 1] = 0.01
    shares[:, MODELS + SPIKES + BROAD :] = 0.2
    ratios = np.ones((KINDS, MODELS, 3))
    ratios[0] = 0.1 * extent * extent
    ratios[1:4] = area
    mixers = new_weights(NODES * (3 + 8 + 12), INPUTS, 0.0)
    mixers[:, 0] = 0.7 * 65536
    mixers[:, 1 : 1 + MODELS] = 0.3 * 65536 / MODELS
    mixers[:, MODELS + 5] = 0.2 * 65536
    last = new_weights(NODES, 8, 0.0)
    last[:, :3] = 65536 // 3
    return Learned(
        np.zeros((2, 3, VECTORS + 1, VECTORS + 1)),
        np.zeros((MODELS, CONTEXTS, 3)),
        np.zeros((MODELS, CONTEXTS), np.int32),
        ratios,
        shares,
        mixers,
        last,
        new_counters(3, 3 * 16 * NODES + 8 * 3 * 16 * NODES),
        KNOBS.copy(),
    )


def new_work() -> Work:
    axes = np.eye(3)
    k = COMPONENTS
    return Work(
        np.zeros((POINTS, 3)),
        np.zeros(POINTS, np.int64),
        np.zeros((k, 3)),
        np.zeros((k, 6)),
        np.zeros(k),
        np.zeros((MODELS, 3)),
        np.zeros(FAMILIES + 4, np.int64),
        np.zeros((2, VECTORS)),
        np.zeros((VECTORS + 1, VECTORS + 1)),
        axes,
        np.zeros(k),
        np.zeros(k),
        np.zeros(k),
        np.zeros(k),
        np.zeros(k),
        np.zeros(k),
        np.zeros(INPUTS, np.int32),
        np.zeros(8, np.int32),
        np.zeros(3),
        np.zeros(k),
        np.zeros(8, np.int64),
        np.zeros((4, ANSWERS), np.int64),
        np.zeros(FEATURES, np.int16),
        np.zeros(NETWORK),
    )


@compiled
def bucket(value: float, buckets: Number) -> Number:
    """log2 of a size in lattice steps, 1/4 and less being 0."""
    steps = log2_steps(np.int64(min(value, 1e9) * 64.0) + 16) - 4096
    return np.int64(min(steps >> 10, np.int64(buckets - 1)))


@compiled
def kind_of(facts: Int64s) -> Number:
    count = facts[PARALLELOGRAMS]
    if count:
        return np.int64(3 + min(count, np.int64(3)))
    return np.int64(min(facts[KNOWN], np.int64(3)))


@compiled
def predict(view: View, learned: Learned, work: Work) -> None:
    """Fill the points where the vertex may lie, from the base."""
    points, there, knobs = work.points, work.there, learned.knobs
    count = view.facts[PARALLELOGRAMS]
    for p in range(POINTS):
        there[p] = 1 if p < 3 else 0
        for i in range(3):
            points[p, i] = 0.0
    if count == 0:
        return
    group = min(count, np.int64(3)) - 1
    for p in range(2):
        solve(
            learned.moments[p, group],
            knobs[2 + p],
            work.prior,
            work.matrix,
            work.solution[p],
            VECTORS,
        )
        for i in range(3):
            total = 0.0
            for k in range(VECTORS):
                total += work.solution[p, k] * view.vectors[k, i]
            points[SLOW + p, i] = total
    for k in range(4):
        there[GATE_POINT + k] = 1 if count > 1 and k < count else 0
        for i in range(3):
            points[GATE_POINT + k, i] = view.vectors[k, i]
    there[MISSED_POINT] = 1
    there[ANGLE_POINT] = 1
    there[NEIGHBOUR_POINT] = 1
    closing = 0.0
    for i in range(3):
        points[MISSED_POINT, i] = view.vectors[RESIDUALS, i]
        points[ANGLE_POINT, i] = view.vectors[ANGLES, i]
        points[CLOSING_POINT, i] = view.vectors[CLOSING, i]
        points[NEIGHBOUR_POINT, i] = view.vectors[NEIGHBOURS, i]
        closing += view.vectors[CLOSING, i] * view.vectors[CLOSING, i]
    there[CLOSING_POINT] = 1 if closing > 0.0 else 0


@compiled
def set_contexts(view: View, work: Work, knobs: Floats) -> float:
    """The contexts of a vertex; returns the expected variance before anything was learned."""
    contexts, sizes = work.contexts, view.sizes
    missed, spread = bucket(sizes[MISSED], 16), bucket(sizes[SPREAD], 16)
    edge = bucket(sizes[EDGE_SCALE], 16)
    kind = kind_of(view.facts)
    if kind < 4:
        for f in range(FAMILIES):
            contexts[f] = f
        contexts[4] = kind * SIZES
        contexts[5] = 0
        return 1.0
    contexts[0] = missed * 16 + spread
    contexts[1] = missed * 16 + edge
    contexts[2] = spread * 16 + edge
    contexts[3] = (
        missed * 16
        + min(view.facts[PARALLELOGRAMS], np.int64(3)) * 4
        + min(view.facts[KNOWN], np.int64(5))
        - 2
    )
    size = max(missed, spread)
    contexts[4] = kind * SIZES + min(size, np.int64(SIZES - 1))
    contexts[5] = missed
    a, b, c = knobs[4] * sizes[MISSED], knobs[5] * sizes[SPREAD], knobs[6] * sizes[EDGE_SCALE]
    return float(a * a + b * b + c * c + knobs[7])


@compiled
def set_components(view: View, learned: Learned, work: Work, expected: float) -> None:
    """Means, factors and prior weights of all components."""
    knobs = learned.knobs
    kind = kind_of(view.facts)
    shares = learned.shares[work.contexts[4]]
    backing, blur = knobs[8], knobs[12]
    for j in range(MODELS):
        place = work.contexts[MODEL_CONTEXTS[j]]
        seen = np.float64(learned.seen[j, place])
        for i in range(3):
            prior = expected * learned.ratios[kind, j, i]
            if kind < 4:
                work.sigmas[j, i] = prior
            else:
                total = seen * learned.variances[j, place, i] + backing * prior
                work.sigmas[j, i] = total / (seen + backing)
            work.means[j, i] = view.base[i] + work.points[MODEL_POINTS[j], i]
        s = work.sigmas[j]
        frame = work.axes if MODEL_ALIGNED[j] else view.frame
        set_factor(work.factors[j], frame, s[0], s[1], s[2], blur)
        work.weights[j] = shares[j] if work.there[MODEL_POINTS[j]] else 0.0
    for j in range(SPIKES):
        k = MODELS + j
        point = SPIKE_POINTS[j]
        for i in range(3):
            work.means[k, i] = view.base[i] + work.points[point, i]
        set_factor(work.factors[k], work.axes, 0.0, 0.0, 0.0, knobs[11])
        work.weights[k] = shares[k] if work.there[point] else 0.0
    for j in range(BROAD):
        k = MODELS + SPIKES + j
        for i in range(3):
            work.means[k, i] = work.means[1, i]
        s = work.sigmas[1]
        wide = 30.0 if j == 0 else 3000.0
        set_factor(work.factors[k], view.frame, s[0] * wide, s[1] * wide, s[2] * wide, wide)
        work.weights[k] = shares[k]
    for k in range(NETWORK):
        work.weights[MODELS + SPIKES + BROAD + k] = 0.0
        work.opinion[k] = 0.0


@compiled
def set_network(view: View, learned: Learned, work: Work) -> None:
    """The components that the network answered with."""
    first = MODELS + SPIKES + BROAD
    shares = learned.shares[work.contexts[4]]
    scale = view.sizes[EDGE_SCALE]
    best = work.answers[0, 0]
    for j in range(1, NETWORK):
        best = max(best, work.answers[j, 0])
    total, share = 0.0, 0.0
    for j in range(NETWORK):
        work.opinion[j] = exp2_steps(work.answers[j, 0] - best)
        total += work.opinion[j]
        share += shares[first + j]
    for j in range(NETWORK):
        k = first + j
        along = np.float64(work.answers[j, 1]) * scale / 65536.0
        away = np.float64(work.answers[j, 2]) * scale / 65536.0
        up = np.float64(work.answers[j, 3]) * scale / 65536.0
        for i in range(3):
            turned = along * view.frame[0, i] + away * view.frame[1, i] + up * view.frame[2, i]
            work.means[k, i] = view.base[i] + turned
        d0 = scale * exp2_steps(work.answers[j, 4])
        d1 = scale * exp2_steps(work.answers[j, 5])
        d2 = scale * exp2_steps(work.answers[j, 6])
        set_factor(work.factors[k], view.frame, d0 * d0, d1 * d1, d2 * d2, learned.knobs[12])
        work.opinion[j] /= total
        work.weights[k] = share * work.opinion[j]


@compiled
def learn_vertex(view: View, learned: Learned, work: Work, expected: float) -> None:
    """Move everything towards the vertex that has been coded (``work.coordinates``)."""
    knobs = learned.knobs
    kind = kind_of(view.facts)
    target = work.axes[0]
    shares = learned.shares[work.contexts[4]]
    rate, floor = knobs[10], knobs[14]
    network = 0.0
    for k in range(COMPONENTS):
        if k < MODELS + SPIKES + BROAD:
            shares[k] = max(shares[k] + rate * (work.weights[k] - shares[k]), floor)
        else:
            network += work.weights[k]
    for k in range(MODELS + SPIKES + BROAD, COMPONENTS):
        shares[k] = max(shares[k] + rate * (network / NETWORK - shares[k]), floor)
    noise = 0.0
    for i in range(3):
        noise += work.sigmas[1, i]
    noise = noise / 3.0 + 0.1
    for j in range(MODELS):
        frame = work.axes if MODEL_ALIGNED[j] else view.frame
        place = work.contexts[MODEL_CONTEXTS[j]]
        dx = work.coordinates[0] - work.means[j, 0]
        dy = work.coordinates[1] - work.means[j, 1]
        dz = work.coordinates[2] - work.means[j, 2]
        step = 1.0 / (np.float64(learned.seen[j, place]) + 1.5)
        step = max(step, knobs[9])
        for i in range(3):
            along = frame[i, 0] * dx + frame[i, 1] * dy + frame[i, 2] * dz
            square = along * along
            if kind >= 4:
                old = learned.variances[j, place, i]
                # One outlier shall not widen a context for long.
                square = min(square, 64.0 * (work.sigmas[j, i] + 0.1))
                learned.variances[j, place, i] = old + step * (square - old)
            old = learned.ratios[kind, j, i]
            ratio = min(square / expected, 16.0 * (old + 0.001))
            learned.ratios[kind, j, i] = old + knobs[13] * (ratio - old)
        if kind >= 4:
            learned.seen[j, place] = min(learned.seen[j, place] + 1, 255)
    if kind < 4:
        return
    group = kind - 4
    target = work.near[:3]
    size = 0.0
    for i in range(3):
        target[i] = work.coordinates[i] - view.base[i]
        d = work.coordinates[i] - work.means[1, i]
        size += d * d
    weight = 1.0 / (noise + size / 3.0)
    for p in range(2):
        learn(learned.moments[p, group], view.vectors, target, knobs[p], weight, VECTORS)
