"""Positions by adaptive tables alone: one prediction, Exp-Golomb codes whose bits learn.

Before that, whether a coordinate is one of the gate's vertices', as it is where things are built at
right angles. The fastest way, and the one for vertices in no triangle, which nothing but the vertex
before predicts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.predictors import (
    MISSED,
    PARALLELOGRAMS,
    RESIDUALS,
    SPREAD,
    VERTEX_A,
    Net,
    Past,
    View,
    observe,
    settle,
)
from nacre.entropy.mesh.traversal import Traversal
from nacre.entropy.mixing import Counters, new_counters, updated
from nacre.entropy.sequential import Number, State, Words, compiled, decode_bit, encode_bit

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

TOP_BIT = 36
"""Residuals stay below 2^TOP_BIT, whatever the data."""
CONTEXTS, NODES = 64, 152
ISOLATED = CONTEXTS - 1
_GATE, _NEAR, _HABITS = CONTEXTS * NODES, 5, 72
"""Counters of coordinates that are one of the gate's come after those of residuals: for each of the
three of the gate, how near it is, and what was so before."""
_SELDOM = (1 << 22) // 5 << 10 | 1
"""A counter that expects one in five."""
_FIRST, _SECOND = 38, 75
"""Nodes of the first and second bit after the leading one."""
SAME, OTHER = 1, 2
_FAR = np.int64(1 << 34)
"""Decoded coordinates are kept within this; data that lead there are refused at the end."""
_LIMIT = 250
_LEAST = np.int64(1 << 12)


class Coder(NamedTuple):
    """The range coder: ``state`` and ``words`` as nacre.entropy.sequential wants them."""

    decoding: bool
    state: State
    words: Words


def new_tables() -> Counters:
    """The counters of an empty file, flat."""
    counters = new_counters(_GATE + 3 * _NEAR * _HABITS)
    counters[_GATE:] = _SELDOM
    return counters


@compiled
def code_learned(bit: Number, counters: Counters, place: Number, coder: Coder) -> Number:
    """Code a bit, or decode it, under a counter of ``counters`` (flat), which learns it."""
    counter = counters[place]
    chance = np.int64(counter) >> 10
    ones = min(max(chance << 2, _LEAST), np.int64(16777216) - _LEAST)
    if coder.decoding:
        bit = decode_bit(coder.state, coder.words, ones)
    else:
        encode_bit(coder.state, coder.words, bit, ones)
    counters[place] = updated(counter, bit, _LIMIT)
    return np.int64(bit)


@compiled
def code_even(bit: Number, coder: Coder) -> Number:
    """Code a bit, or decode it, at even odds."""
    if coder.decoding:
        return np.int64(decode_bit(coder.state, coder.words, np.int64(8388608)))
    encode_bit(coder.state, coder.words, bit, np.int64(8388608))
    return np.int64(bit)


@compiled
def code_residual(
    value: Number, row: Number, other: bool, counters: Counters, coder: Coder
) -> Number:
    """Code an integer below 2^TOP_BIT in size, or decode one.

    Args:
        value: the integer (ignored when decoding).
        row: where the counters of its context begin; NODES of them.
        other: it is known not to be 0.
        counters: flat.
        coder: the range coder.
    """
    size = abs(np.int64(value))
    if not other and not code_learned(1 if size else 0, counters, row, coder):
        return np.int64(0)
    negative = code_learned(1 if value < 0 else 0, counters, row + 1, coder)
    length = np.int64(1)
    while length < TOP_BIT:
        if not code_learned(1 if size >> length else 0, counters, row + 1 + length, coder):
            break
        length += 1
    found: Number = np.int64(1)
    for place in range(length - 2, -1, -1):
        bit: Number = (size >> place) & 1
        if place == length - 2:
            bit = code_learned(bit, counters, row + _FIRST + length, coder)
        elif place == length - 3:
            bit = code_learned(bit, counters, row + _SECOND + 2 * length + (found & 1), coder)
        else:
            bit = code_even(bit, coder)
        found = 2 * found + bit
    return -found if negative else found


@compiled
def _context(view: View) -> Number:
    """Octaves of what was missed nearby and of the spread of the parallelograms."""
    if view.facts[PARALLELOGRAMS] == 0:
        return np.int64(62)
    size = max(view.sizes[MISSED], view.sizes[SPREAD])
    octaves = np.int64(log2_steps(np.int64(min(size, 1e9) * 64.0) + 16) - 4096) >> 9
    return np.int64(min(octaves, np.int64(61)))


@compiled
def _next_nearest(
    axis: Number, centre: Number, done: Number, view: View, lattice: Floats
) -> tuple[Number, Number]:
    """Of the gate's coordinates not done yet, the nearest to the centre.

    Returns:
        Twice its distance, plus 1 if it is below the centre, or -1 where there is none; and the
        coordinate. What is at most ``done`` so counted is done.
    """
    best, found = np.int64(-1), np.int64(0)
    for k in range(3):
        vertex = view.facts[VERTEX_A + k]
        if vertex < 0:
            continue
        value = np.int64(lattice[vertex, axis])
        away = 2 * abs(value - centre) + (1 if value < centre else 0)
        if away > done and (best < 0 or away < best):
            best, found = away, value
    return best, found


@compiled
def _code_same(
    value: Number,
    axis: Number,
    centre: Number,
    habit: Number,
    view: View,
    lattice: Floats,
    counters: Counters,
    coder: Coder,
) -> tuple[Number, Number]:
    """Code whether a coordinate is one of the gate's.

    Returns:
        SAME and the coordinate; or else whether it is known to be OTHER than the centre.
    """
    size = np.int64(max(view.sizes[MISSED], view.sizes[SPREAD]))
    away: Number = np.int64(-1)
    outcome = np.int64(0)
    for turn in range(3):
        away, found = _next_nearest(axis, centre, away, view, lattice)
        if away < 0:
            break
        distance, near = away >> 1, np.int64(0)
        if distance:
            near = np.int64(1) + (distance > size >> 1) + (distance > size) + (distance > 4 * size)
        place = _GATE + (turn * _NEAR + near) * _HABITS + habit
        if code_learned(1 if value == found else 0, counters, place, coder):
            return np.int64(SAME), found
        if not distance:
            outcome = np.int64(OTHER)
    return outcome, centre


@compiled
def code_tables(
    span: tuple[Number, Number],
    net: Net,
    past: Past,
    route: Traversal,
    lattice: Floats,
    view: View,
    counters: Counters,
    habits: Int64s,
    coder: Coder,
) -> None:
    """Code vertices ``span[0] .. span[1] - 1`` of the route, or decode them into ``lattice``.

    ``habits`` (int64 ``[3]``, zeros at first): of each axis, whether the last three were the same.
    """
    start, stop = span
    last = np.int64(route.order[start - 1]) if start > 0 else np.int64(-1)
    for place in range(start, stop):
        vertex, corner = np.int64(route.order[place]), np.int64(route.gates[place])
        observe(net, past, corner, last, view)
        row = _context(view) * NODES
        others = np.int64(0)
        for axis in range(3):
            mean = view.base[axis] + 0.25 * view.vectors[RESIDUALS, axis]
            centre = np.int64(np.floor(mean + 0.5))
            value = np.int64(lattice[vertex, axis])
            habit = (axis * 3 + others) * 8 + habits[axis]
            outcome, found = _code_same(value, axis, centre, habit, view, lattice, counters, coder)
            same = np.int64(outcome == SAME)
            if not same:
                other = outcome == OTHER
                found = centre + code_residual(value - centre, row, other, counters, coder)
            habits[axis] = (habits[axis] << 1 | same) & 7
            others += same
            lattice[vertex, axis] = np.float64(min(max(found, -_FAR), _FAR))
        settle(net, past, corner, view, lattice[vertex])
        last = vertex


@compiled
def code_isolated(
    span: tuple[Number, Number], lattice: Floats, counters: Counters, coder: Coder
) -> None:
    """Code vertices ``span[0] .. span[1] - 1``, each from the one before it."""
    for vertex in range(span[0], span[1]):
        for axis in range(3):
            before = np.int64(lattice[vertex - 1, axis]) if vertex else np.int64(0)
            value = np.int64(lattice[vertex, axis]) - before
            found = before + code_residual(value, ISOLATED * NODES, False, counters, coder)
            lattice[vertex, axis] = np.float64(min(max(found, -_FAR), _FAR))
