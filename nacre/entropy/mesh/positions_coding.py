"""The loop that codes positions: decisions on each coordinate under the mixture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nacre.entropy.mesh.features import features
from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.mixture import condition, tail
from nacre.entropy.mesh.network import Kernel, Network, Workspace, evaluate
from nacre.entropy.mesh.positions_model import (
    COMPONENTS,
    MODELS,
    NETWORK,
    NODES,
    Floats,
    Learned,
    Work,
    kind_of,
    learn_vertex,
    predict,
    set_components,
    set_contexts,
    set_network,
)
from nacre.entropy.mesh.positions_tables import Coder
from nacre.entropy.mesh.predictors import PARALLELOGRAMS, Net, Past, View, observe, settle
from nacre.entropy.mesh.traversal import Traversal
from nacre.entropy.mixing import LIMIT, SQUASH, STRETCH, error_of, mix, train, updated
from nacre.entropy.sequential import Number, compiled, decode_bit, encode_bit

FIRST = MODELS + 9 + 2
WORDS_PER_VERTEX = 3 * 75
_FAR = np.int64(1 << 34)


class Oracle(NamedTuple):
    """A network as the loop asks it; without one the kernel has no rows."""

    kernel: Kernel
    space: Workspace


def oracle_of(network: Network | None) -> Oracle:
    """A network, or none, for :func:`code_mixture`."""
    if network is not None:
        return Oracle(network.kernel, network.workspace())
    none, wide, offsets = np.zeros(0, np.int16), np.zeros((0, 0), np.int16), np.zeros(0, np.int64)
    layer = (wide, offsets, offsets)
    return Oracle(Kernel(*layer, *layer, *layer), Workspace(none, none, none))


@compiled
def _logit(inner: float, outer: float) -> Number:
    """256 ln(outer / inner), within +-3071."""
    ratio = min(outer / inner if outer > inner else inner / outer, 200000.0)
    octaves = np.float64(log2_steps(np.int64(ratio * 1024.0)) - 10240)
    size = np.int64(octaves * 0.1732867951 + 0.5)
    return size if outer > inner else -size


@compiled
def code_axis(x: Number, axis: Number, learned: Learned, work: Work, coder: Coder) -> Number:
    """Code a coordinate, or decode it; leaves the components' weights after it."""
    weights, inner, outer, near, far = work.weights, work.inner, work.outer, work.near, work.far
    slope, offset, inputs, outputs = work.slope, work.offset, work.inputs, work.outputs
    centre_sum, total = 0.0, 0.0
    for k in range(COMPONENTS):
        if weights[k] <= 0.0:
            slope[k] = 1.0
            offset[k] = 0.0
            continue
        mean, sigma = condition(axis, work.means[k], work.factors[k], work.coordinates)
        slope[k] = 1.0 / (sigma * 0.5513288954217921)
        offset[k] = min(max(mean, -3e10), 3e10)
        if k < MODELS + 9:
            centre_sum += weights[k] * offset[k]
            total += weights[k]
    centre = np.int64(np.floor(centre_sum / max(total, 1e-30) + 0.5))
    width = log2_steps(np.int64(min(1.0 / slope[1], 1e9) * 64.0) + 32) >> 10
    expected = min(max(width - 5, np.int64(0)), np.int64(15))
    stage = 0
    sign = np.int64(0)
    j = np.int64(1)
    low = np.int64(0)
    half = np.int64(0)
    halves = 0
    origin = np.float64(centre)
    size = np.int64(0)
    if not coder.decoding:
        size = abs(x - centre)
        sign = np.int64(1) if x > centre else np.int64(0)
    while True:
        bit = np.int64(0)
        node = np.int64(0)
        direct = False
        if stage == 0:
            for k in range(COMPONENTS):
                if weights[k] <= 0.0:
                    outer[k], inner[k], near[k], far[k] = 0.0, 0.0, 0.0, 0.0
                    continue
                d = origin - offset[k]
                near[k] = tail((d + 0.5) * slope[k])
                far[k] = tail((0.5 - d) * slope[k])
                outer[k] = near[k] + far[k]
                inner[k] = 1.0 - outer[k]
            bit = np.int64(1) if size else np.int64(0)
        elif stage == 1:
            for k in range(COMPONENTS):
                outer[k] = near[k]
                inner[k] = far[k]
            bit = sign
            node = np.int64(1)
        else:
            if stage == 2:
                edge = np.int64(1) << j
                node = min(max(np.int64(j - expected + 4), np.int64(2)), np.int64(9))
            else:
                edge = low + half
                node = np.int64(min(j + 8, np.int64(13))) + 4 * min(halves, 1)
                direct = halves >= 2
            bit = np.int64(1) if size >= edge else np.int64(0)
            t = np.float64(edge) - 0.5
            for k in range(COMPONENTS):
                if weights[k] <= 0.0:
                    continue
                d = origin - offset[k]
                s = tail((t + d) * slope[k]) if sign else tail((t - d) * slope[k])
                outer[k] = s - far[k]
                inner[k] = near[k] - s
        one, zero = 1e-12, 1e-12
        for k in range(COMPONENTS):
            one += weights[k] * outer[k]
            zero += weights[k] * inner[k]
        if direct:
            ones = np.int64(one / (one + zero) * 16777216.0)
            ones = min(max(ones, np.int64(64)), np.int64(16777216 - 64))
            if coder.decoding:
                bit = np.int64(decode_bit(coder.state, coder.words, ones))
            else:
                encode_bit(coder.state, coder.words, bit, ones)
        else:
            inputs[0] = np.int32(_logit(zero, one))
            for k in range(MODELS):
                p = (outer[k] + 1e-13) / (outer[k] + inner[k] + 2e-13)
                inputs[1 + k] = np.int32(STRETCH[np.int64(p * 4095.999)])
            slot0 = (axis * 16 + expected) * NODES + node
            slot1 = (work.contexts[5] * 3 + axis) * NODES + node
            slot2 = (work.flags[axis] * 3 + axis) * NODES + node
            c0, c1, c2 = (
                learned.counters[0, slot0],
                learned.counters[1, slot1],
                learned.counters[2, slot2],
            )
            inputs[MODELS + 1] = np.int32(STRETCH[np.int64(c0) >> 20])
            inputs[MODELS + 2] = np.int32(STRETCH[np.int64(c1) >> 20])
            inputs[MODELS + 3] = np.int32(STRETCH[np.int64(c2) >> 20])
            inputs[MODELS + 4] = np.int32(256)
            yes, no = 1e-13, 1e-13
            for k in range(NETWORK):
                yes += work.opinion[k] * outer[k + FIRST]
                no += work.opinion[k] * inner[k + FIRST]
            inputs[MODELS + 5] = np.int32(STRETCH[np.int64(yes / (yes + no) * 4095.999)])
            row0 = node * 3 + axis
            row1 = NODES * 3 + node * 8 + min(work.contexts[5], np.int64(7))
            row2 = NODES * 11 + node * 12 + work.contexts[6]
            t0, t1, t2 = (
                mix(learned.mixers, row0, inputs),
                mix(learned.mixers, row1, inputs),
                mix(learned.mixers, row2, inputs),
            )
            outputs[0], outputs[1], outputs[2] = np.int32(t0), np.int32(t1), np.int32(t2)
            final = mix(learned.last, node, outputs)
            ones = np.int64(SQUASH[final + LIMIT])
            if coder.decoding:
                bit = np.int64(decode_bit(coder.state, coder.words, ones))
            else:
                encode_bit(coder.state, coder.words, bit, ones)
            train(learned.mixers, row0, inputs, error_of(bit, np.int64(SQUASH[t0 + LIMIT])), 14)
            train(learned.mixers, row1, inputs, error_of(bit, np.int64(SQUASH[t1 + LIMIT])), 14)
            train(learned.mixers, row2, inputs, error_of(bit, np.int64(SQUASH[t2 + LIMIT])), 14)
            train(learned.last, node, outputs, error_of(bit, ones), 16)
            learned.counters[0, slot0] = updated(c0, bit, 250)
            learned.counters[1, slot1] = updated(c1, bit, 250)
            learned.counters[2, slot2] = updated(c2, bit, 250)
        if stage == 0:
            if bit == 0:
                break
            stage = 1
        elif stage == 1:
            sign = bit
            for k in range(COMPONENTS):
                if bit == 0:
                    near[k] = far[k]
                far[k] = 0.0
            stage = 2
        else:
            for k in range(COMPONENTS):
                if bit:
                    near[k] = far[k] + outer[k]
                else:
                    far[k] = near[k] - inner[k]
            if stage == 2:
                if bit:
                    j += 1
                if bit == 0 or j > 35:
                    low = np.int64(1) << (j - 1)
                    half = low >> 1
                    stage = 3
            else:
                if bit:
                    low += half
                half >>= 1
                halves += 1
            if stage == 3 and half == 0:
                break
    if stage:
        size = low
        x = centre + low if sign else centre - low
    else:
        x = centre
    total = 0.0
    for k in range(NETWORK):
        work.opinion[k] *= max(
            inner[k + FIRST] if stage == 0 else near[k + FIRST] - far[k + FIRST], 1e-9
        )
        total += work.opinion[k]
    total = 1.0 / max(total, 1e-300)
    for k in range(NETWORK):
        work.opinion[k] *= total
    total = 0.0
    for k in range(COMPONENTS):
        mass = inner[k] if stage == 0 else near[k] - far[k]
        weights[k] *= max(mass, 1e-9)
        total += weights[k]
    total = 1.0 / max(total, 1e-300)
    for k in range(COMPONENTS):
        weights[k] *= total
    work.flags[axis] = ((work.flags[axis] << 1) | (1 if stage == 0 else 0)) & 7
    return x


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
    start, stop = span
    last = np.int64(-1)
    asking = len(oracle.kernel.offset1) > 0
    if start > 0:
        last = np.int64(route.order[start - 1])
    for place in range(start, stop):
        vertex, corner = np.int64(route.order[place]), np.int64(route.gates[place])
        observe(net, past, corner, last, view)
        predict(view, learned, work)
        expected = set_contexts(view, work, learned.knobs)
        set_components(view, learned, work, expected)
        if asking and view.facts[PARALLELOGRAMS]:
            features(net, view, work.features)
            evaluate(oracle.kernel, work.features, oracle.space, work.answers)
            set_network(view, learned, work)
        best = 0.0
        for k in range(MODELS, MODELS + 9):
            best += work.weights[k]
        many = np.int64(max(kind_of(view.facts) - 4, 0))
        work.contexts[6] = many * 4 + np.int64(min(best * 4.0, 3.0))
        for axis in range(3):
            x: Number = np.int64(0)
            if not coder.decoding:
                x = np.int64(lattice[vertex, axis])
            x = code_axis(x, axis, learned, work, coder)
            work.coordinates[axis] = np.float64(
                min(max(x, np.int64(-8589934592)), np.int64(8589934592))
            )
            if coder.decoding:
                lattice[vertex, axis] = work.coordinates[axis]
        learn_vertex(view, learned, work, expected)
        settle(net, past, corner, view, work.coordinates)
        last = vertex
