"""What coordinates have been: values that come again, alone and in pairs.

Parts have planes along the axes, mirrored halves repeat two of three coordinates, scans lie on a
coarser grid: a coordinate is often one that was there before. Beside the mixture in space stand,
for each coordinate,

- *sources*, single values: those of a, b and o, of the vertex before, the likeliest of the values
  that were there before, and those last seen beside the coordinates that are known already;
- *scans*, distributions over a window around the expected value: the local density times how often
  a value was seen, or was seen together with a coordinate of the vertex that is known already.

Each has odds, learned in contexts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.mixture import tail
from nacre.entropy.mesh.predictors import VERTEX_A, Past, View
from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

SOURCE_LAST, SOURCE_OFTEN, SOURCE_PARTNER = 3, 4, 5
SOURCES = 7
"""a, b, o, the vertex before, an often seen value, what stood beside the coordinates known."""
SINGLE, PAIRED = 7, 8
"""The scans, after the sources."""
KINDS = 9
NOWHERE = -(1 << 40)
"""A source that is none."""
REACH = 63
"""Largest distance from the centre of a scan's window."""
_VALUES, _PAIR_BITS, _PARTNER_BITS = 1 << 16, 18, 14
_CONTEXTS = 5 * 8 * 4 * 3
_RATE, _LEAST_ODDS, _LEAST_REST = 0.04, 0.0005, 0.1
_ZERO = np.float64(0.0)
_UNSEEN, _UNSEEN_PAIR, _SINGLE_IN_PAIR = 0.03, 0.03, 0.03


class Values(NamedTuple):
    """What has been seen, and what is expected of the coordinate being coded.

    Attributes:
        counts: how often each value (its last 16 bits) was seen on an axis, int32 ``[3, 2^16]``.
        pairs: how often two coordinates were seen together, by a hash, int32 ``[2^18]``.
        partners: a coordinate and what was last seen beside it on a later axis, by a hash of the
            coordinate, int64 ``[3, 2^14, 2]``: x and y, x and z, y and z.
        hits: odds of each kind in its contexts, float64 ``[KINDS, contexts]``.
        sources: values, int64 ``[3, SOURCES]``, NOWHERE for none.
        scans: masses of the values before, from the window's first one on, ``[2, 2 REACH + 2]``.
        odds: of each kind here, float64 ``[KINDS]``.
        places: their contexts, int64 ``[KINDS]``.
        states: what is known of each kind: for sources, on which axes of this vertex they were
            right; else how often the likeliest value was seen; int64 ``[KINDS]``.
    """

    counts: Int32s
    pairs: Int32s
    partners: Int64s
    hits: Floats
    sources: Int64s
    scans: Floats
    odds: Floats
    places: Int64s
    states: Int64s


def new_values() -> Values:
    """Nothing seen."""
    hits = np.full((KINDS, _CONTEXTS), 0.02)
    hits[SINGLE:] = 0.05
    return Values(
        np.zeros((3, _VALUES), np.int32),
        np.zeros(1 << _PAIR_BITS, np.int32),
        np.full((3, 1 << _PARTNER_BITS, 2), NOWHERE, np.int64),
        hits,
        np.full((3, SOURCES), NOWHERE, np.int64),
        np.zeros((2, 2 * REACH + 2)),
        np.zeros(KINDS),
        np.zeros(KINDS, np.int64),
        np.zeros(KINDS, np.int64),
    )


@compiled
def set_sources(past: Past, view: View, last: Number, values: Values) -> None:
    """Begin a vertex: coordinates of a, b, o and of the vertex before, -1 for none."""
    for e in range(SOURCES):
        values.states[e] = 0
    for e in range(SOURCE_OFTEN):
        vertex = np.int64(last) if e == SOURCE_LAST else view.facts[VERTEX_A + e]
        for i in range(3):
            values.sources[i, e] = np.int64(past.positions[vertex, i]) if vertex >= 0 else NOWHERE


@compiled
def _pair(which: Number, first: Number, second: Number) -> Number:
    """A place for two coordinates; collisions cost little."""
    mixed = (first * 2654435761 + second * 40503 + which * 7919) & 0xFFFFFFFF
    mixed ^= mixed >> 15
    return (mixed * 2246822519 & 0xFFFFFFFF) >> (32 - _PAIR_BITS)


@compiled
def _partner(value: Number) -> Number:
    """A place for a coordinate."""
    return (value * 2654435761 & 0xFFFFFFFF) >> (32 - _PARTNER_BITS)


@compiled
def set_partners(axis: Number, point: Floats, values: Values) -> None:
    """What was last seen on this axis beside the coordinates below it."""
    for other in range(2):
        found = np.int64(NOWHERE)
        if other < axis:
            known = np.int64(point[other])
            entry = values.partners[other + axis - 1, _partner(known)]
            if entry[0] == known:
                found = entry[1]
        values.sources[axis, SOURCE_PARTNER + other] = found


@compiled
def _octaves(value: float, most: Number) -> Number:
    """log2 of a size or a count, from 1 on, clipped."""
    return np.int64(min(np.int64(log2_steps(np.int64(min(value, 1e9)) + 1)) >> 10, np.int64(most)))


@compiled
def survey(
    axis: Number, centre: Number, mean: float, slope: float, point: Floats, values: Values
) -> Number:
    """Fill the scans and find an often seen value; returns the window's reach.

    Args:
        axis: of the coordinate.
        centre: the window's.
        mean, slope: of the logistic density there.
        point: coordinates of the vertex, of which those below ``axis`` are known.
        values: what was seen.
    """
    reach = min(np.int64(min(3.0 / slope, 1e3)), np.int64(REACH - 1)) + 1
    single, paired, most, together = _ZERO, _ZERO, _ZERO, _ZERO
    often = np.int64(NOWHERE)
    for place in range(2 * reach + 1):
        value = centre + place - reach
        count = np.float64(values.counts[axis, value & 0xFFFF])
        beyond = tail(float(np.float64(value) - mean) * slope)
        density = beyond * (1.0 - beyond)
        score = density * (count + _UNSEEN)
        if score > most and count > 1.0:
            most, often = score, value
        values.scans[0, place] = single
        single += score
        if axis:
            both = _ZERO
            for other in range(axis):
                key = _pair(other + axis - 1, np.int64(point[other]), value)
                both += np.float64(values.pairs[key])
            together = max(together, both)
            values.scans[1, place] = paired
            paired += density * (both + _SINGLE_IN_PAIR * count + _UNSEEN_PAIR)
    end = 2 * reach + 1
    values.scans[0, end], values.scans[1, end] = single, paired
    single, paired = single + 1e-30, paired + 1e-30
    for place in range(end + 1):
        values.scans[0, place] /= single
        values.scans[1, place] = values.scans[1, place] / paired if axis else 0.0
    values.sources[axis, SOURCE_OFTEN] = often
    seen = float(values.counts[axis, often & 0xFFFF]) if often != NOWHERE else 0.0
    values.states[SOURCE_OFTEN] = _octaves(seen, 7) >> 1
    values.states[SINGLE] = _octaves(seen, 7) >> 1
    values.states[PAIRED] = _octaves(float(together), 3)
    return reach


@compiled
def _ring(distance: float) -> Number:
    """A class of distances in scales."""
    if distance <= 1.5:
        return np.int64(0 if distance <= 0.5 else 1)
    if distance <= 4.0:
        return np.int64(2)
    return np.int64(3 if distance <= 12.0 else 4)


@compiled
def set_odds(axis: Number, centre: Number, slope: float, values: Values) -> float:
    """The odds of each kind; returns what they leave to the mixture in space."""
    sources, odds = values.sources, values.odds
    tight = _octaves(1.0 + 16.0 / slope, 11) - 4
    tight = min(max(tight, np.int64(0)), np.int64(7))
    rest = 1.0
    for e in range(KINDS):
        ring, there = np.int64(0), True
        if e < SOURCES:
            value = sources[axis, e]
            for k in range(e):
                if sources[axis, k] == value:
                    sources[axis, e] = NOWHERE
            there = bool(sources[axis, e] != NOWHERE)
            if there:
                ring = np.int64(_ring(float(abs(value - centre)) * slope))
        elif e == PAIRED:
            there = bool(axis > 0)
        state = min(values.states[e], np.int64(3))
        values.places[e] = ((ring * 8 + tight) * 4 + state) * 3 + axis
        odds[e] = values.hits[e, values.places[e]] if there else 0.0
        rest -= odds[e]
    if rest < _LEAST_REST:
        scale = (1.0 - _LEAST_REST) / (1.0 - rest)
        for e in range(KINDS):
            odds[e] *= scale
        rest = _LEAST_REST
    return float(rest)


@compiled
def mass_of(scan: Floats, reach: Number, sign: Number, start: Number, stop: Number) -> float:
    """Mass of a scan between two distances from the centre, upwards (1) or downwards (0)."""
    low, high = min(start, reach + 1), min(stop, reach + 1)
    if sign:
        return float(scan[reach + high] - scan[reach + low])
    return float(scan[reach + 1 - low] - scan[reach + 1 - high])


@compiled
def learn_value(
    x: Number, axis: Number, centre: Number, reach: Number, space: float, values: Values
) -> None:
    """Move the odds towards what was right; ``space`` is the mass that the mixture gave x."""
    sources, odds = values.sources, values.odds
    inside = abs(x - centre) <= reach
    total = space + 1e-12
    for e in range(KINDS):
        mass = 0.0
        if e < SOURCES:
            mass = 1.0 if sources[axis, e] == x else 0.0
        elif inside:
            scan = values.scans[e - SINGLE]
            mass = scan[x - centre + reach + 1] - scan[x - centre + reach]
        odds[e] *= mass
        total += odds[e]
    for e in range(KINDS):
        if e < SOURCES and sources[axis, e] == NOWHERE:
            continue
        if e == PAIRED and axis == 0:
            continue
        old = values.hits[e, values.places[e]]
        moved = old + _RATE * (odds[e] / total - old)
        values.hits[e, values.places[e]] = max(moved, _LEAST_ODDS)
        if e != SOURCE_OFTEN and e < SOURCES:
            values.states[e] = values.states[e] * 2 + (1 if sources[axis, e] == x else 0)


@compiled
def learn_values(point: Floats, values: Values) -> None:
    """Enter the coordinates of a vertex (float64 ``[3]``)."""
    for axis in range(3):
        value = np.int64(point[axis])
        values.counts[axis, value & 0xFFFF] += 1
        for other in range(axis):
            known = np.int64(point[other])
            values.pairs[_pair(other + axis - 1, known, value)] += 1
            entry = values.partners[other + axis - 1, _partner(known)]
            entry[0], entry[1] = known, value
