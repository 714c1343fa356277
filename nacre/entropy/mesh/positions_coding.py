"""The loop that codes positions: vertices, their coordinates, and decisions on each of those.

Is the coordinate at the centre, where the mixture expects it? On which side of it? Beyond 2, 4,
8 ... steps? In which half of what is left, again and again? Each decision has the probability that
the mixture in space and the values seen give it (``positions_values.py``); for the first decisions
that, the opinions of the single models and of counters are mixed once more (``mixing.py``).
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.mesh.features import COMPONENTS as NETWORK
from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.mixture import SCALE_OF_SIGMA, condition
from nacre.entropy.mesh.network_oracle import Oracle, ask, tell
from nacre.entropy.mesh.positions_decisions import (
    CENTRE,
    FARTHER,
    HALVES,
    SIDE,
    decide_mixed,
    decide_plainly,
    fill_inputs,
    inlined,
    split_beyond,
    split_centre,
    split_scan,
    split_sources,
)
from nacre.entropy.mesh.positions_model import (
    learn_shares,
    learn_vertex,
    predict,
    set_components,
    set_contexts,
    set_network,
)
from nacre.entropy.mesh.positions_state import (
    MODELS,
    SLOW,
    Floats,
    Learned,
    Mixture,
    Work,
)
from nacre.entropy.mesh.positions_tables import Coder
from nacre.entropy.mesh.positions_values import (
    PAIRED,
    SINGLE,
    learn_value,
    learn_values,
    set_odds,
    set_partners,
    set_sources,
    survey,
)
from nacre.entropy.mesh.predictors import PARALLELOGRAMS, Net, Past, View, observe, settle
from nacre.entropy.mesh.traversal import Traversal
from nacre.entropy.sequential import Number, compiled

WORDS_PER_VERTEX = 3 * 80
"""No vertex takes more decisions."""
_MOST_DOUBLINGS = 35
_FAR = np.int64(1 << 34)
"""Decoded coordinates are kept within this; data that lead there are refused at the end."""
_OUTSIDE = np.int64(1 << 60)
_MIXED_HALVES = 2
_TINY = 1e-12
_GONE = 1e-9
"""A spike of less weight is left out."""


@inlined
def _aim(axis: Number, count: Number, work: Work) -> tuple[Number, Number]:
    """Offsets and slopes of all components; returns the centre and the heaviest model."""
    mixture = work.mixture
    total, weight, heaviest = 0.0, 1e-30, np.int64(0)
    for k in range(count):
        mean, sigma = condition(axis, mixture.means[k], mixture.factors[k], work.coordinates)
        mixture.offset[k] = min(max(mean, -3e10), 3e10)
        mixture.slope[k] = 1.0 / (sigma * SCALE_OF_SIGMA)
        total += mixture.weights[k] * mixture.offset[k]
        weight += mixture.weights[k]
        if k < MODELS and mixture.weights[k] > mixture.weights[heaviest]:
            heaviest = np.int64(k)
    return np.int64(np.floor(total / weight + 0.5)), heaviest


@inlined
def _weigh(
    x: Number, axis: Number, hit: bool, count: Number, asked: bool, work: Work
) -> tuple[float, Number]:
    """Multiply weights by the mass that each component gave; returns the sum, and how many remain.

    Weights are brought to a sum of 1 afterwards, and spikes that missed are left out.
    """
    m = work.mixture
    space = 0.0
    for k in range(count):
        mass = m.inner[k] if hit else m.near[k] - m.far[k]
        space += m.weights[k] * mass
        m.near[k] = max(mass, _GONE)
    if asked:
        total = 0.0
        for k in range(NETWORK):
            work.opinion[k] *= m.near[MODELS + k]
            total += work.opinion[k]
        for k in range(NETWORK):
            work.opinion[k] /= max(total, 1e-300)
    total = 1e-300
    for k in range(count):
        m.weights[k] *= m.near[k]
        total += m.weights[k]
    kept = np.int64(0)
    for k in range(count):
        m.weights[k] /= total
        if m.numbers[k] >= MODELS + NETWORK and m.weights[k] < _GONE:
            continue
        if kept != k:
            m.weights[kept], m.numbers[kept] = m.weights[k], m.numbers[k]
            for i in range(3):
                m.means[kept, i] = m.means[k, i]
            for i in range(6):
                m.factors[kept, i] = m.factors[k, i]
        kept += 1
    return space, kept


@inlined
def _take_side(bit: Number, count: Number, m: Mixture) -> None:
    """The coordinate lies above (1) or below (0): what is beyond the centre there."""
    for k in range(count):
        m.near[k] = m.near[k] if bit else m.far[k]
        m.far[k] = 0.0


@inlined
def _narrow(bit: Number, count: Number, m: Mixture) -> None:
    """Take one side of a decision as the interval."""
    for k in range(count):
        if bit:
            m.near[k] = m.far[k] + m.outer[k]
        else:
            m.far[k] = m.near[k] - m.inner[k]


@compiled
def code_axis(
    x: Number, axis: Number, count: Number, asked: bool, learned: Learned, work: Work, coder: Coder
) -> tuple[Number, Number]:
    """Code a coordinate, or decode it; returns it, and how many components remain."""
    m, values = work.mixture, learned.values
    centre, model = _aim(axis, count, work)
    slope = m.slope[SLOW]
    reach = survey(axis, centre, m.offset[model], m.slope[model], work.coordinates, values)
    set_partners(axis, work.coordinates, values)
    rest = set_odds(axis, centre, slope, values)
    for k in range(count):
        m.weights[k] *= rest
    spread = np.int64(log2_steps(np.int64(min(1.0 / slope, 1e9) * 64.0) + 32)) >> 10
    spread = min(max(spread - 5, np.int64(0)), np.int64(15))
    origin, size, sign = np.float64(centre), abs(x - centre), np.int64(1 if x > centre else 0)
    stage, doublings, halves = CENTRE, np.int64(1), 0
    low, edge, high = np.int64(1), np.int64(1), _OUTSIDE
    while True:
        if stage == CENTRE:
            node, bit = np.int64(0), np.int64(1 if size else 0)
            split_centre(origin, count, m)
        elif stage == SIDE:
            node, bit = np.int64(1), sign
            for k in range(count):
                m.outer[k], m.inner[k] = m.near[k], m.far[k]
        else:
            if stage == FARTHER:
                edge = np.int64(1) << doublings
                node = min(max(doublings - spread + 4, np.int64(2)), np.int64(9))
            else:
                edge = low + ((high - low) >> 1)
                node = min(doublings + 8, np.int64(13)) + 4 * min(halves, 1)
            bit = np.int64(1 if size >= edge else 0)
            split_beyond(origin, np.float64(edge) - 0.5, sign, count, m)
        ends = (low, edge, high)
        one, zero = split_sources(axis, centre, stage, sign, ends, values)
        h1, h0 = split_scan(values.scans[0], reach, stage, sign, ends)
        g1, g0 = 0.5, 0.5
        if axis:
            g1, g0 = split_scan(values.scans[1], reach, stage, sign, ends)
        one += values.odds[SINGLE] * h1 + values.odds[PAIRED] * g1 + _TINY
        zero += values.odds[SINGLE] * h0 + values.odds[PAIRED] * g0 + _TINY
        for k in range(count):
            one += m.weights[k] * m.outer[k]
            zero += m.weights[k] * m.inner[k]
        if halves < _MIXED_HALVES:
            fill_inputs(one, zero, (g1, g0, h1, h0), asked, work)
            bit = np.int64(decide_mixed(bit, node, axis, spread, learned, work, coder))
        else:
            bit = np.int64(decide_plainly(bit, one, zero, coder))
        if stage == CENTRE:
            if bit == 0:
                break
            stage = SIDE
        elif stage == SIDE:
            sign, stage = bit, FARTHER
            _take_side(bit, count, m)
        else:
            _narrow(bit, count, m)
            low, high = (edge, high) if bit else (low, edge)
            if stage == HALVES:
                halves += 1
            elif bit == 0 or doublings == _MOST_DOUBLINGS:
                stage, high = HALVES, np.int64(2) * low
            else:
                doublings += 1
            if stage == HALVES and high - low == 1:
                break
    x = centre
    if stage != CENTRE:
        x = centre + low if sign else centre - low
    space, count = _weigh(x, axis, stage == CENTRE, count, asked, work)
    learn_value(x, axis, centre, reach, space, values)
    work.hits[axis] = (work.hits[axis] << 1 | (1 if stage == CENTRE else 0)) & 7
    return x, count


@compiled
def code_mixture(
    span: tuple[Number, Number],
    net: Net,
    past: Past,
    route: Traversal,
    lattice: Floats,
    view: View,
    learned: Learned,
    work: Work,
    oracle: Oracle,
    coder: Coder,
) -> None:
    """Code vertices ``span[0] .. span[1] - 1`` of the route, or decode them into ``lattice``."""
    start, stop = span
    last = np.int64(route.order[start - 1]) if start > 0 else np.int64(-1)
    networked = len(oracle.kernel.offset1) > 0
    for place in range(start, stop):
        vertex, corner = np.int64(route.order[place]), np.int64(route.gates[place])
        observe(net, past, corner, last, view)
        predict(net, view, learned, work)
        expected = set_contexts(view, work)
        asked = networked and view.facts[PARALLELOGRAMS] > 0
        count = set_components(view, learned, work, expected, asked)
        if asked:
            points, variances = work.points[SLOW:], work.sigmas[SLOW:]
            ask(oracle, net, past, view, points, variances, work.answers)
            set_network(view, learned, work)
        set_sources(past, view, last, learned.values)
        for axis in range(3):
            x: Number = np.int64(lattice[vertex, axis])
            x, count = code_axis(x, axis, count, asked, learned, work, coder)
            work.coordinates[axis] = np.float64(min(max(x, -_FAR), _FAR))
            lattice[vertex, axis] = work.coordinates[axis]
        learn_shares(count, asked, learned, work)
        learn_vertex(view, learned, work, expected)
        learn_values(work.coordinates, learned.values)
        if asked:
            tell(oracle, view, work.points[SLOW], work.coordinates)
        settle(net, past, corner, view, work.coordinates)
        last = vertex
