"""A decision on a coordinate: the masses on either side, and how its probability comes of them."""

from __future__ import annotations

from typing import cast

import numpy as np
from numba import njit

from nacre.entropy.mesh.features import COMPONENTS as NETWORK
from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.mixture import tail
from nacre.entropy.mesh.positions_state import (
    MISSED_CLASS,
    MODELS,
    NODES,
    SPIKE_CLASS,
    Floats,
    Learned,
    Mixture,
    Work,
)
from nacre.entropy.mesh.positions_tables import Coder
from nacre.entropy.mesh.positions_values import SOURCES, Values, mass_of
from nacre.entropy.mixing import LIMIT, SQUASH, STRETCH, error_of, mix, train, updated
from nacre.entropy.sequential import Function, Number, compiled, decode_bit, encode_bit
from nacre.entropy.tables import TOTAL

CENTRE, SIDE, FARTHER, HALVES = 0, 1, 2, 3
"""Stages of a coordinate."""
_RATE, _LAST_RATE, _COUNT = 15, 17, 250


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers, which saves handing over arrays."""
    return cast(Function, njit(inline="always")(function))


@inlined
def split_centre(centre: np.float64, count: Number, m: Mixture) -> None:
    """Masses at the centre (inner) and elsewhere; above it (near) and below (far)."""
    for k in range(count):
        away = centre - m.offset[k]
        m.near[k] = tail((away + 0.5) * m.slope[k])
        m.far[k] = tail((0.5 - away) * m.slope[k])
        m.outer[k] = m.near[k] + m.far[k]
        m.inner[k] = 1.0 - m.outer[k]


@inlined
def split_beyond(
    centre: np.float64, edge: np.float64, sign: Number, count: Number, m: Mixture
) -> None:
    """Masses within the interval, before (inner) and behind (outer) a distance from the centre."""
    for k in range(count):
        away = centre - m.offset[k]
        beyond = tail((edge + away) * m.slope[k]) if sign else tail((edge - away) * m.slope[k])
        m.outer[k] = beyond - m.far[k]
        m.inner[k] = m.near[k] - beyond


@inlined
def split_scan(
    scan: Floats, reach: Number, stage: Number, sign: Number, ends: tuple[Number, Number, Number]
) -> tuple[float, float]:
    """Masses of a scan behind and before a decision."""
    low, edge, high = ends
    if stage == CENTRE:
        inner = scan[reach + 1] - scan[reach]
        return 1.0 - inner, inner
    if stage == SIDE:
        return 1.0 - scan[reach + 1], scan[reach]
    return mass_of(scan, reach, sign, edge, high), mass_of(scan, reach, sign, low, edge)


@inlined
def split_sources(
    axis: Number,
    centre: Number,
    stage: Number,
    sign: Number,
    ends: tuple[Number, Number, Number],
    values: Values,
) -> tuple[float, float]:
    """Odds of the sources behind and before a decision."""
    low, edge, high = ends
    one, zero = 0.0, 0.0
    for e in range(SOURCES):
        if values.odds[e] == 0.0:
            continue
        away = values.sources[axis, e] - centre
        if stage == CENTRE:
            behind, before = away != 0, away == 0
        elif stage == SIDE:
            behind, before = away > 0, away < 0
        else:
            away = away if sign else -away
            behind, before = edge <= away < high, low <= away < edge
        if behind:
            one += values.odds[e]
        elif before:
            zero += values.odds[e]
    return one, zero


@compiled
def _logit(one: float, zero: float) -> Number:
    """256 ln(one / zero), within +-3125."""
    ratio = min(one / zero if one > zero else zero / one, 200000.0)
    octaves = np.float64(np.int64(log2_steps(np.int64(ratio * 1024.0))) - 10240)
    size = np.int64(octaves * 0.1732867951 + 0.5)
    return size if one > zero else -size


@inlined
def _stretched(one: float, zero: float, least: float) -> Number:
    """The stretched probability of one mass against another."""
    chance = (one + least) / (one + zero + 2.0 * least)
    return np.int32(STRETCH[np.int64(chance * 4095.999)])


@inlined
def decide_mixed(
    bit: Number,
    node: Number,
    axis: Number,
    spread: Number,
    learned: Learned,
    work: Work,
    coder: Coder,
) -> Number:
    """Code a decision by a mixture of ``work.inputs`` and counters, and learn from it."""
    inputs, outputs, mixers = work.inputs, work.outputs, learned.mixers
    slots, rows, missed = work.slots, work.rows, work.contexts[MISSED_CLASS]
    slots[0] = (axis * 16 + spread) * NODES + node
    slots[1] = (missed * 3 + axis) * NODES + node
    slots[2] = (work.hits[axis] * 3 + axis) * NODES + node
    rows[0] = node * 3 + axis
    rows[1] = NODES * 3 + node * 8 + min(missed, np.int64(7))
    rows[2] = NODES * 11 + node * 12 + work.contexts[SPIKE_CLASS]
    for s in range(3):
        inputs[MODELS + 1 + s] = np.int32(STRETCH[np.int64(learned.counters[s, slots[s]]) >> 20])
    for s in range(3):
        outputs[s] = np.int32(mix(mixers, rows[s], inputs))
    ones = np.int64(SQUASH[mix(learned.last, node, outputs) + LIMIT])
    if coder.decoding:
        bit = np.int64(decode_bit(coder.state, coder.words, ones))
    else:
        encode_bit(coder.state, coder.words, bit, ones)
    train(learned.last, node, outputs, error_of(bit, ones), _LAST_RATE)
    for s in range(3):
        said = np.int64(SQUASH[np.int64(outputs[s]) + LIMIT])
        train(mixers, rows[s], inputs, error_of(bit, said), _RATE)
        counter = learned.counters[s, slots[s]]
        learned.counters[s, slots[s]] = updated(counter, bit, _COUNT)
    return bit


@inlined
def decide_plainly(bit: Number, one: float, zero: float, coder: Coder) -> Number:
    """Code a decision by its masses alone."""
    ones = np.int64(one / (one + zero) * np.float64(TOTAL))
    ones = min(max(ones, np.int64(64)), np.int64(TOTAL - 64))
    if coder.decoding:
        return np.int64(decode_bit(coder.state, coder.words, ones))
    encode_bit(coder.state, coder.words, bit, ones)
    return bit


@inlined
def fill_inputs(
    one: float, zero: float, scans: tuple[float, float, float, float], asked: bool, work: Work
) -> None:
    """The inputs of the mixers, but for those of counters."""
    inputs, m = work.inputs, work.mixture
    inputs[0] = np.int32(_logit(one, zero))
    for k in range(MODELS):
        inputs[1 + k] = _stretched(m.outer[k], m.inner[k], 1e-13)
    inputs[MODELS + 4] = _stretched(scans[0], scans[1], 1e-7)
    inputs[MODELS + 5] = _stretched(scans[2], scans[3], 1e-7)
    if asked:
        yes, no = 0.0, 0.0
        for k in range(NETWORK):
            yes += work.opinion[k] * m.outer[MODELS + k]
            no += work.opinion[k] * m.inner[MODELS + k]
        inputs[MODELS + 6] = _stretched(yes, no, 1e-13)
