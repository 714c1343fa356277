"""Positions by adaptive tables alone: one prediction, Exp-Golomb codes whose bits learn.

The fastest way, and the one for vertices in no triangle, which nothing but the vertex before
predicts.
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
    Net,
    Past,
    View,
    observe,
    settle,
)
from nacre.entropy.mesh.traversal import Traversal
from nacre.entropy.mixing import Counters, updated
from nacre.entropy.sequential import Number, State, Words, compiled, decode_bit, encode_bit

Floats = npt.NDArray[np.float64]

TOP_BIT = 36
"""Residuals stay below 2^TOP_BIT, whatever the data."""
CONTEXTS, NODES = 64, 152
ISOLATED = CONTEXTS - 1
_FIRST, _SECOND = 38, 75
"""Nodes of the first and second bit after the leading one."""
_FAR = np.int64(1 << 34)
"""Decoded coordinates are kept within this; data that lead there are refused at the end."""
_LIMIT = 250
_LEAST = np.int64(1 << 12)


class Coder(NamedTuple):
    """The range coder: ``state`` and ``words`` as nacre.entropy.sequential wants them."""

    decoding: bool
    state: State
    words: Words


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
def code_residual(value: Number, row: Number, counters: Counters, coder: Coder) -> Number:
    """Code an integer below 2^TOP_BIT in size, or decode one.

    Args:
        value: the integer (ignored when decoding).
        row: where the counters of its context begin; NODES of them.
        counters: flat.
        coder: the range coder.
    """
    size = abs(np.int64(value))
    if not code_learned(1 if size else 0, counters, row, coder):
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
def code_tables(
    span: tuple[Number, Number],
    net: Net,
    past: Past,
    route: Traversal,
    lattice: Floats,
    view: View,
    counters: Counters,
    coder: Coder,
) -> None:
    """Code vertices ``span[0] .. span[1] - 1`` of the route, or decode them into ``lattice``."""
    start, stop = span
    last = np.int64(route.order[start - 1]) if start > 0 else np.int64(-1)
    for place in range(start, stop):
        vertex, corner = np.int64(route.order[place]), np.int64(route.gates[place])
        observe(net, past, corner, last, view)
        row = _context(view) * NODES
        for axis in range(3):
            mean = view.base[axis] + 0.25 * view.vectors[RESIDUALS, axis]
            centre = np.int64(np.floor(mean + 0.5))
            value = np.int64(lattice[vertex, axis]) - centre
            found = centre + code_residual(value, row, counters, coder)
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
            found = before + code_residual(value, ISOLATED * NODES, counters, coder)
            lattice[vertex, axis] = np.float64(min(max(found, -_FAR), _FAR))
