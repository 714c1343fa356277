"""The mixture at a vertex: where it may lie, how far off, with what weight; how that is learned.

Points are predictions: the mean of the parallelograms, single ones, and least squares over the
vectors of ``predictors.py``. Components of the mixture are

- *models*: a point with variances along the gate's frame, learned in contexts;
- *a network's* components, if there is one;
- *broad* ones around a model, for what nothing predicts;
- *spikes*: a point that is hit exactly, or but for rounding.

Their weights before the vertex is seen (shares) move towards those after it: the weights of a sum
node are learned online, by steps of expectation maximisation.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.mesh.features import COMPONENTS as NETWORK
from nacre.entropy.mesh.functions import exp2_steps, log2_steps
from nacre.entropy.mesh.mixture import set_factor
from nacre.entropy.mesh.mixture_regression import learn, solve
from nacre.entropy.mesh.positions_state import (
    ANGLE_POINT,
    BROAD,
    BROAD_VARIANCES,
    CLOSING_POINT,
    COMPONENTS,
    FAMILIES,
    FAMILY,
    FIRST_BROAD,
    FIRST_SPIKE,
    GATE_POINT,
    KIND_CLASS,
    MISSED_CLASS,
    MISSED_POINT,
    MODEL_ALIGNED,
    MODEL_FAMILIES,
    MODEL_POINTS,
    MODELS,
    POINTS,
    REGRESSIONS,
    SIZE_CLASSES,
    SLOW,
    SPIKE_CLASS,
    SPIKE_POINTS,
    SPIKE_VARIANCES,
    SPIKES,
    VALENCE_CLASS,
    Floats,
    Int64s,
    Learned,
    Mixture,
    Work,
)
from nacre.entropy.mesh.predictors import (
    ANGLES,
    CLOSING,
    CORNER,
    EDGE_SCALE,
    KNOWN,
    MISSED,
    PARALLELOGRAMS,
    RESIDUALS,
    SPREAD,
    VECTORS,
    Net,
    View,
)
from nacre.entropy.sequential import Number, compiled

PLAIN_KINDS = 4
"""Kinds of vertices without parallelograms; they are numbered first."""
KEEP = np.array([0.9985, 0.93, 0.998])
"""What is left of moments after a vertex: long and short memory, that of a valence."""
RIDGE = np.array([4.0, 4.0, 4.0])
TOWARDS = np.zeros((3, VECTORS))
"""Weights of the vectors where nothing is known, by parallelograms: chosen on training meshes."""
TOWARDS[0, [4, 5, 8, 10, 11, 12]] = 0.4, 0.35, -0.05, 0.07, 0.16, 0.07
TOWARDS[1, [0, 1, 10, 11]] = 0.24, -0.24, 0.25, -0.1
TOWARDS[2, [0, 2, 3, 4, 10]] = 0.12, 0.07, 0.08, 0.11, 0.16

_OF_MISSED, _OF_SPREAD, _OF_EDGE, _LEAST_EXPECTED = 0.1, 0.5, 0.03, 0.3
"""Parts of a deviation that is expected before anything was learned."""
_BACKING = 1.5
"""How many vertices an expected variance is worth against those seen in a context."""
_VARIANCE_STEP, _RATIO_STEP, _MOST_SEEN = 0.02, 0.04, 255
_SHARE_STEP, _LEAST_SHARE = 0.06, 1e-4
_BLUR = 0.03


@compiled
def size_class(value: float) -> Number:
    """log2 of a size in lattice steps, 0 to 15; 1/4 and less is 0."""
    steps = np.int64(log2_steps(np.int64(min(value, 1e9) * 64.0) + 16)) - 4096
    return np.int64(min(steps >> 10, np.int64(15)))


@compiled
def kind_of(facts: Int64s) -> Number:
    """The kind of a vertex, 0 to KINDS - 1."""
    if facts[PARALLELOGRAMS]:
        return np.int64(3) + np.int64(min(facts[PARALLELOGRAMS], np.int64(3)))
    return np.int64(min(facts[KNOWN], np.int64(3)))


@compiled
def predict(net: Net, view: View, learned: Learned, work: Work) -> None:
    """Fill the points where the vertex may lie."""
    points, there, vectors = work.points, work.there, view.vectors
    count = view.facts[PARALLELOGRAMS]
    for p in range(POINTS):
        there[p] = 1 if count or p <= REGRESSIONS else 0
        for i in range(3):
            points[p, i] = 0.0
    if count == 0:
        return
    group = min(count, np.int64(3)) - 1
    valence = np.int64(net.valence[net.copies[view.facts[CORNER]]])
    work.contexts[VALENCE_CLASS] = min(max(valence - 4, np.int64(0)), np.int64(4))
    for p in range(REGRESSIONS):
        memory = p if p < 2 else 2 + work.contexts[VALENCE_CLASS]
        moments = learned.moments[memory, group]
        solve(moments, RIDGE[p], TOWARDS[group], work.matrix, work.solution, VECTORS)
        for i in range(3):
            total = 0.0
            for k in range(VECTORS):
                total += work.solution[k] * vectors[k, i]
            points[SLOW + p, i] = total
    closing = 0.0
    for i in range(3):
        for k in range(4):
            points[GATE_POINT + k, i] = vectors[k, i]
        points[MISSED_POINT, i] = vectors[RESIDUALS, i]
        points[ANGLE_POINT, i] = vectors[ANGLES, i]
        points[CLOSING_POINT, i] = vectors[CLOSING, i]
        closing += vectors[CLOSING, i] * vectors[CLOSING, i]
    for k in range(4):
        there[GATE_POINT + k] = 1 if count > 1 and k < count else 0
    there[CLOSING_POINT] = 1 if closing > 0.0 else 0


@compiled
def set_contexts(view: View, work: Work) -> float:
    """The contexts of a vertex; returns the variance expected before anything was learned."""
    contexts, sizes, facts = work.contexts, view.sizes, view.facts
    kind = kind_of(facts)
    if kind < PLAIN_KINDS:
        for f in range(FAMILIES):
            contexts[FAMILY + f] = 0
        contexts[KIND_CLASS] = kind * SIZE_CLASSES
        contexts[MISSED_CLASS] = 0
        return 1.0
    missed, spread = size_class(sizes[MISSED]), size_class(sizes[SPREAD])
    edge = size_class(sizes[EDGE_SCALE])
    contexts[FAMILY] = missed * 16 + spread
    contexts[FAMILY + 1] = missed * 16 + edge
    contexts[FAMILY + 2] = spread * 16 + edge
    known = min(max(facts[KNOWN], np.int64(2)), np.int64(5)) - 2
    contexts[FAMILY + 3] = missed * 16 + min(facts[PARALLELOGRAMS], np.int64(3)) * 4 + known
    size = min(max(missed, spread), np.int64(SIZE_CLASSES - 1))
    contexts[KIND_CLASS] = kind * SIZE_CLASSES + size
    contexts[MISSED_CLASS] = missed
    a, b, c = _OF_MISSED * sizes[MISSED], _OF_SPREAD * sizes[SPREAD], _OF_EDGE * sizes[EDGE_SCALE]
    return float(a * a + b * b + c * c + _LEAST_EXPECTED)


@compiled
def _enter(
    place: Number, number: Number, weight: float, point: Floats, view: View, mixture: Mixture
) -> None:
    """A component's number, weight and mean."""
    mixture.numbers[place] = number
    mixture.weights[place] = weight
    for i in range(3):
        mixture.means[place, i] = view.base[i] + point[i]


@compiled
def _set_models(view: View, learned: Learned, work: Work, expected: float) -> None:
    kind, shares = kind_of(view.facts), learned.shares[work.contexts[KIND_CLASS]]
    for j in range(MODELS):
        point, place = MODEL_POINTS[j], work.contexts[FAMILY + MODEL_FAMILIES[j]]
        seen, s = np.float64(learned.seen[j, place]), work.sigmas[j]
        for i in range(3):
            s[i] = expected * learned.ratios[kind, j, i]
            if kind >= PLAIN_KINDS:
                total = seen * learned.variances[j, place, i] + _BACKING * s[i]
                s[i] = total / (seen + _BACKING)
        weight = shares[j] if work.there[point] else 0.0
        _enter(j, j, weight, work.points[point], view, work.mixture)
        frame = work.axes if MODEL_ALIGNED[j] else view.frame
        set_factor(work.mixture.factors[j], frame, s[0], s[1], s[2], _BLUR)


@compiled
def set_components(
    view: View, learned: Learned, work: Work, expected: float, asked: bool
) -> Number:
    """Fill the mixture, but for a network's components (if ``asked``, they have their place).

    Returns:
        how many components there are.
    """
    _set_models(view, learned, work, expected)
    mixture, shares = work.mixture, learned.shares[work.contexts[KIND_CLASS]]
    count = np.int64(MODELS)
    if asked:
        for j in range(NETWORK):
            mixture.numbers[count] = MODELS + j
            mixture.weights[count] = 0.0
            work.opinion[j] = 0.0
            count += 1
    s = work.sigmas[SLOW]
    for j in range(BROAD):
        wide = BROAD_VARIANCES[j]
        number = FIRST_BROAD + j
        _enter(count, number, shares[number], work.points[SLOW], view, mixture)
        factor = mixture.factors[count]
        set_factor(factor, view.frame, s[0] * wide, s[1] * wide, s[2] * wide, wide)
        count += 1
    best = 0.0
    for j in range(SPIKES):
        number, point = FIRST_SPIKE + j, SPIKE_POINTS[j]
        if work.there[point]:
            _enter(count, number, shares[number], work.points[point], view, mixture)
            set_factor(mixture.factors[count], work.axes, 0.0, 0.0, 0.0, SPIKE_VARIANCES[j])
            best += shares[number]
            count += 1
    many = max(kind_of(view.facts) - PLAIN_KINDS, np.int64(0))
    work.contexts[SPIKE_CLASS] = many * 4 + np.int64(min(best * 4.0, 3.0))
    return count


@compiled
def set_network(view: View, learned: Learned, work: Work) -> None:
    """The components that a network answered with (``work.answers``)."""
    mixture, shares = work.mixture, learned.shares[work.contexts[KIND_CLASS]]
    scale, frame = view.sizes[EDGE_SCALE], view.frame
    best = work.answers[0, 0]
    for j in range(1, NETWORK):
        best = max(best, work.answers[j, 0])
    total, share = 0.0, 0.0
    for j in range(NETWORK):
        work.opinion[j] = exp2_steps(work.answers[j, 0] - best)
        total += work.opinion[j]
        share += shares[MODELS + j]
    for j in range(NETWORK):
        answer, k = work.answers[j], MODELS + j
        x, y, z = np.float64(answer[1]), np.float64(answer[2]), np.float64(answer[3])
        for i in range(3):
            along = x * frame[0, i] + y * frame[1, i] + z * frame[2, i]
            mixture.means[k, i] = view.base[i] + along * scale / 65536.0
        a, b = scale * exp2_steps(answer[4]), scale * exp2_steps(answer[5])
        c = scale * exp2_steps(answer[6])
        set_factor(mixture.factors[k], frame, a * a, b * b, c * c, _BLUR)
        work.opinion[j] /= total
        mixture.weights[k] = share * work.opinion[j]


@compiled
def learn_shares(count: Number, asked: bool, learned: Learned, work: Work) -> None:
    """Move the weights of components before a vertex towards those after it."""
    shares, mixture = learned.shares[work.contexts[KIND_CLASS]], work.mixture
    for k in range(COMPONENTS):
        if k < MODELS:
            there = work.there[MODEL_POINTS[k]]
        elif k < FIRST_BROAD:
            there = 1 if asked else 0
        else:
            there = 1 if k < FIRST_SPIKE else work.there[SPIKE_POINTS[k - FIRST_SPIKE]]
        if there:
            shares[k] *= 1.0 - _SHARE_STEP
    for k in range(count):
        number = mixture.numbers[k]
        if number < MODELS or number >= FIRST_BROAD:
            shares[number] += _SHARE_STEP * mixture.weights[k]
            continue
        for j in range(NETWORK):
            shares[MODELS + j] += _SHARE_STEP * mixture.weights[k] / 4.0
    for k in range(COMPONENTS):
        shares[k] = max(shares[k], _LEAST_SHARE)


@compiled
def _learn_model(j: Number, view: View, learned: Learned, work: Work, expected: float) -> None:
    """Move a model's variances towards what it missed."""
    kind, mean = kind_of(view.facts), work.mixture.means[j]
    frame = work.axes if MODEL_ALIGNED[j] else view.frame
    place = work.contexts[FAMILY + MODEL_FAMILIES[j]]
    x, y = work.coordinates[0] - mean[0], work.coordinates[1] - mean[1]
    z = work.coordinates[2] - mean[2]
    step = max(1.0 / (np.float64(learned.seen[j, place]) + 1.5), _VARIANCE_STEP)
    for i in range(3):
        along = frame[i, 0] * x + frame[i, 1] * y + frame[i, 2] * z
        square = along * along
        old = learned.ratios[kind, j, i]
        ratio = min(square / expected, 16.0 * (old + 0.001))
        learned.ratios[kind, j, i] = old + _RATIO_STEP * (ratio - old)
        if kind >= PLAIN_KINDS:
            # One that is far off shall not widen a context for long.
            square = min(square, 64.0 * (work.sigmas[j, i] + 0.1))
            old = learned.variances[j, place, i]
            learned.variances[j, place, i] = old + step * (square - old)
    if kind >= PLAIN_KINDS:
        learned.seen[j, place] = min(learned.seen[j, place] + 1, _MOST_SEEN)


@compiled
def learn_vertex(view: View, learned: Learned, work: Work, expected: float) -> None:
    """Move variances and least squares towards the vertex that was coded (``work.coordinates``)."""
    for j in range(MODELS):
        _learn_model(j, view, learned, work, expected)
    if view.facts[PARALLELOGRAMS] == 0:
        return
    noise, size, target = 0.0, 0.0, work.target
    for i in range(3):
        noise += work.sigmas[SLOW, i]
        target[i] = work.coordinates[i] - view.base[i]
        off = target[i] - work.points[SLOW, i]
        size += off * off
    # Least squares of the logarithm: a vertex that is far off counts for less.
    weight = 1.0 / (noise / 3.0 + 0.1 + size / 3.0)
    group = min(view.facts[PARALLELOGRAMS], np.int64(3)) - 1
    for p in range(REGRESSIONS):
        memory = p if p < 2 else 2 + work.contexts[VALENCE_CLASS]
        moments = learned.moments[memory, group]
        learn(moments, view.vectors, target, KEEP[p], weight, VECTORS)
