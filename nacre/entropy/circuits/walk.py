"""Coding with integer circuits: the walk through the tree, many lanes at a time.

Items are coded in *lanes*: each is one message of the range coder (``sequential.py``) and holds a
run of consecutive items, one after another. Within an item the variables follow ``order``, and the
walk keeps two vectors of M entries for every variable on the path from the root:

    evidence A_v   what the coded variables of v's subtree say about Z_v
    belief B_v     A_v times what all other coded variables say

Enter v:  D = B_parent · W_v;  code x with F(x) = sum_k D_k C_v[x, k] and S = sum_k D_k, as the
          interval floor(4 F(x) / S) .. floor(4 F(x + 1) / S) of 2^24;
          A_v = E_v[x];  B_v = D · A_v (element by element).
Leave v:  U = W_v · A_v;  A_parent and B_parent are multiplied by U, element by element.

D, B, U and the products with U are scaled after each step: by the power of two that brings the
largest entry into 2^19 .. 2^20 - 1, rounded down, at least 1. Nothing is computed that no later
symbol needs. ``integer.py`` proves all of it exact in float64.

A vector of a group of lanes lies entry by entry, the lanes side by side, so that the loops over
lanes become vector instructions.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from nacre.entropy import sequential
from nacre.entropy.circuits.integer import EMISSION_BITS
from nacre.entropy.circuits.layout import MESSAGE_BITS, Floats, Int32s, Int64s, Layout
from nacre.entropy.circuits.model import BLOCK
from nacre.entropy.sequential import Function, Number, State, Words
from nacre.entropy.tables import PRECISION

Symbols = npt.NDArray[np.uint8]

GROUP = 32
"""Lanes side by side; what is computed does not depend on it."""

# Unsigned indices spare Numba's test for negative ones, without which no loop becomes vectors.
# A mix of uint64 and int64 would turn into floats, so everything has its type.
_U = np.uint64
_G = _U(GROUP)
_1, _2, _3, _4, _5, _6, _7, _8 = (_U(n) for n in range(1, 9))
_MANTISSA = np.int64(52)
_SCALED = np.int64(2 * 1023 + MESSAGE_BITS - 1)
_FINER = np.int64(PRECISION - EMISSION_BITS)


class Space(NamedTuple):
    """What a walk works in: vectors of ``GROUP`` lanes each, ``[entries · GROUP]``."""

    evidence: Floats
    belief: Floats
    down: Floats
    up: Floats
    scale: Floats
    weights: Int32s
    total: Int64s


def space_for(net: Layout) -> Space:
    """Room for a walk."""
    vector = -(-net.states // BLOCK) * BLOCK * GROUP
    path = (int(net.depth.max()) + 1) * vector
    return Space(
        np.zeros(path),  # entries beyond M are multiplied by absent weights and have to be 0
        np.zeros(path),
        np.empty(vector),
        np.empty(vector),
        np.empty(GROUP),
        np.empty(GROUP * net.states, np.int32),
        np.empty(GROUP, np.int64),
    )


def _exact(function: Function) -> Function:
    """Compile for sums that are exact in any order: products may be fused into them.

    ``contract`` allows nothing but fused multiply-add, a third faster here. Nothing else of
    ``fastmath`` is on.
    """
    options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
    return cast(Function, njit(**options, fastmath={"contract"})(function))


@_exact
def _multiply(
    net: Layout,
    place: Number,
    downward: bool,
    source: Floats,
    at: Number,
    target: Floats,
    lanes: Number,
) -> None:
    """``target`` = the vector at ``source[at ...]`` times the weights of the variable at a place.

    Downward the entries are the parent's states and the result the child's, upward the reverse.
    """
    width = (_U(net.states) + _7) // _8
    for entry in range(width * _8 * _G):
        target[entry] = 0.0
    across, along = (_8, _1) if downward else (_1, _8)
    for block in range(net.first[place], net.first[place + 1]):
        row, column = _U(net.at[block, 0]), _U(net.at[block, 1])
        read = at + (row if downward else column) * _8 * _G
        write = (column if downward else row) * _8 * _G
        for j in range(_8):
            w = _U(block) * _8 * _8 + j * along
            w0, w1 = net.blocks[w], net.blocks[w + across]
            w2, w3 = net.blocks[w + _2 * across], net.blocks[w + _3 * across]
            w4, w5 = net.blocks[w + _4 * across], net.blocks[w + _5 * across]
            w6, w7 = net.blocks[w + _6 * across], net.blocks[w + _7 * across]
            to = write + j * _G
            for lane in range(_U(lanes)):
                s = read + lane
                target[to + lane] += (
                    w0 * source[s]
                    + w1 * source[s + _G]
                    + w2 * source[s + _2 * _G]
                    + w3 * source[s + _3 * _G]
                ) + (
                    w4 * source[s + _4 * _G]
                    + w5 * source[s + _5 * _G]
                    + w6 * source[s + _6 * _G]
                    + w7 * source[s + _7 * _G]
                )


@_exact
def _find_scale(vector: Floats, at: Number, states: Number, scale: Floats, lanes: Number) -> None:
    """The power of two for each lane that brings the largest of ``states`` entries to 20 bits."""
    for lane in range(_U(lanes)):
        scale[lane] = vector[at + lane]
    for k in range(_1, _U(states)):
        row = at + k * _G
        for lane in range(_U(lanes)):
            entry = vector[row + lane]
            scale[lane] = entry if entry > scale[lane] else scale[lane]
    for lane in range(_U(lanes)):
        exponent = np.float64(scale[lane]).view(np.int64) >> _MANTISSA
        scale[lane] = np.int64((_SCALED - exponent) << _MANTISSA).view(np.float64)


@_exact
def _normalise(vector: Floats, at: Number, states: Number, scale: Floats, lanes: Number) -> None:
    """Scale a vector: its largest entry gets 20 bits, the others at least 1."""
    _find_scale(vector, at, states, scale, lanes)
    for k in range(_U(states)):
        row = at + k * _G
        for lane in range(_U(lanes)):
            entry = np.floor(vector[row + lane] * scale[lane])
            vector[row + lane] = entry if entry > 1.0 else 1.0


@_exact
def _enter(net: Layout, place: Number, space: Space, lanes: Number) -> None:
    """D of the variable at a place: ``space.down``, lane by lane in ``weights``, its ``total``."""
    states = _U(net.states)
    if place == 0:
        for k in range(states):
            for lane in range(_U(lanes)):
                space.down[k * _G + lane] = net.root[k]
    else:
        size = (states + _7) // _8 * _8 * _G
        above = _U(net.depth[place] - 1) * size
        _multiply(net, place, True, space.belief, above, space.down, lanes)
        _normalise(space.down, _U(0), net.states, space.scale, lanes)
    for lane in range(_U(lanes)):
        total = np.int64(0)
        for k in range(states):
            entry = np.int32(space.down[k * _G + lane])
            space.weights[lane * states + k] = entry
            total += np.int64(entry)
        space.total[lane] = total


@_exact
def _dot(table: Int32s, at: Number, weights: Int32s, start: Number, states: Number) -> Number:
    total = np.int64(0)
    for k in range(states):
        total += np.int64(table[at + k]) * np.int64(weights[start + k])
    return total


@_exact
def _observe(net: Layout, place: Number, space: Space, lane: Number, symbol: Number) -> None:
    """Make the emissions of a symbol the evidence of a lane."""
    states, values = _U(net.states), _U(net.values)
    at = (_U(net.order[place]) * (values + _1) + _U(symbol)) * states
    to = _U(net.depth[place]) * ((states + _7) // _8 * _8 * _G) + lane
    for k in range(states):
        emission = net.cumulative[at + states + k] - net.cumulative[at + k]
        space.evidence[to + k * _G] = np.float64(emission)


@_exact
def _times(
    target: Floats,
    at: Number,
    left: Floats,
    start: Number,
    right: Floats,
    net: Layout,
    scale: Floats,
    lanes: Number,
) -> None:
    """``target`` = ``left · right`` (element by element), normalised."""
    for k in range(_U(net.states)):
        row = k * _G
        for lane in range(_U(lanes)):
            target[at + row + lane] = left[start + row + lane] * right[row + lane]
    _normalise(target, at, net.states, scale, lanes)


@_exact
def _move_on(net: Layout, place: Number, space: Space, lanes: Number) -> None:
    """From the observed variable at a place to the parent of the next one."""
    size = (_U(net.states) + _7) // _8 * _8 * _G
    here = _U(net.depth[place]) * size
    if net.inner[place]:
        _times(space.belief, here, space.evidence, here, space.down, net, space.scale, lanes)
        return
    if place + 1 == len(net.order):
        return
    target = net.depth[place + 1]
    leaving = np.int64(place)
    for depth in range(net.depth[place], target - 1, -1):
        here = _U(depth) * size
        above = here - size
        _multiply(net, leaving, False, space.evidence, here, space.up, lanes)
        _normalise(space.up, _U(0), net.states, space.scale, lanes)
        leaving = net.above[leaving]
        if depth == target:
            _times(space.belief, above, space.belief, above, space.up, net, space.scale, lanes)
        if net.upward[leaving]:
            _times(space.evidence, above, space.evidence, above, space.up, net, space.scale, lanes)


@_exact
def _edge(net: Layout, space: Space, at: Number, lane: Number) -> Number:
    """``floor(4 F / S)`` for the row of cumulative emissions at ``at``."""
    states = _U(net.states)
    product = _dot(net.cumulative, at, space.weights, lane * states, states)
    edge: Number = (product << _FINER) // space.total[lane]
    return edge


@_exact
def intervals(net: Layout, symbols: Symbols, space: Space, low: Words, frequency: Words) -> None:
    """The interval of every symbol of up to ``GROUP`` items.

    Args:
        net: the circuit.
        symbols: uint8 ``[n, V]``, each below K.
        space: where to work.
        low: uint32 ``[n, V]``, gets the lower ends in the order of coding.
        frequency: uint32 ``[n, V]``, gets the lengths.
    """
    lanes, states, values = len(symbols), _U(net.states), _U(net.values)
    for place in range(len(net.order)):
        _enter(net, place, space, lanes)
        variable = net.order[place]
        for lane in range(_U(lanes)):
            symbol = symbols[lane, variable]
            at = (_U(variable) * (values + _1) + _U(symbol)) * states
            start = _edge(net, space, at, lane)
            low[lane, place] = start
            frequency[lane, place] = _edge(net, space, at + states, lane) - start
            _observe(net, place, space, lane, symbol)
        _move_on(net, place, space, lanes)


@_exact
def _search(net: Layout, place: Number, space: Space, lane: Number, target: Number) -> Number:
    """The symbol whose interval holds ``target``."""
    states, values = _U(net.states), _U(net.values)
    start = _U(net.order[place]) * (values + _1)
    limit = (target + 1) * space.total[lane]
    first, last = np.int64(0), np.int64(net.values - 1)
    middle = net.guess[place] + 1
    while first < last:
        middle = min(middle, last)
        at = (start + _U(middle)) * states
        f = _dot(net.cumulative, at, space.weights, lane * states, states) << _FINER
        if f < limit:
            first = middle
            middle = (first + last + 1) >> 1
        else:
            last = middle - 1
            middle = (first + last + 1) >> 1
    return first


@_exact
def decode_group(
    net: Layout,
    words: Words,
    bounds: Int64s,
    coder: State,
    space: Space,
    row: Int64s,
    lanes: Number,
    symbols: Symbols,
) -> None:
    """Decode one item of each of up to ``GROUP`` lanes.

    Args:
        net: the circuit.
        words: uint32, the words of all messages.
        bounds: int64 ``[n, 2]``, where a lane's words are.
        coder: uint64 ``[n, STATE_SIZE]``, decoders.
        space: where to work.
        row: int64 ``[n]``, where each lane's item goes.
        lanes: how many of the n take part, the first ones.
        symbols: uint8 ``[N, V]``, gets the items.
    """
    states, values = _U(net.states), _U(net.values)
    for place in range(len(net.order)):
        _enter(net, place, space, lanes)
        variable = net.order[place]
        for lane in range(_U(lanes)):
            state = coder[lane]
            symbol = _search(net, place, space, lane, sequential.decode_target(state))
            at = (_U(variable) * (values + _1) + _U(symbol)) * states
            start = _edge(net, space, at, lane)
            length = _edge(net, space, at + states, lane) - start
            own = words[bounds[lane, 0] : bounds[lane, 1]]
            sequential.decode_advance(state, own, start, length)
            symbols[row[lane], variable] = symbol
            _observe(net, place, space, lane, symbol)
        _move_on(net, place, space, lanes)
