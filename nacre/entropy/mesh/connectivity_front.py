"""The front: edges between the triangles that are known and those that are not.

A surface grows triangle by triangle (cut-border machine: Gumhold and Strasser, "Real time
compression of triangle mesh connectivity", SIGGRAPH 1998). The front is a set of rings of edges.
Each is named by the known triangle's corner that faces it, and runs the way in which the next
triangle will run along it: from ``start`` to ``end``. A new triangle (a, b, tip) on the gate a -> b
puts a -> tip -> b in the gate's place. Is the tip on the front already, links are exchanged: this
splits a ring or joins two, and neither needs to be told apart (no stack, no handles).

Where two edges of a ring meet is a *place*, named by the edge that leaves it. A vertex has as many
places as there are gaps between its known triangles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]

OPEN, HARD, GONE = np.uint8(0), np.uint8(1), np.uint8(2)
"""States of an edge: to be worked on; at the boundary of the surface; not on the front."""
KEYS = 64
"""Edges are worked on by their keys, highest first."""

TRIANGLES, COPIES, VERTICES, ACTIVE, TOP, FAILED, NEXT_FACE, NAMED = range(8)
"""Entries of ``Front.tally``."""
GUESSES = 32
"""Vertices that are asked for one by one, where one is met again off the front."""
_MOST_BEYOND = 6


class Front(NamedTuple):
    """The surface that is known and the rings around it; ``T`` triangles when all is done.

    Attributes:
        copies: label of the vertex copy at each corner, int32 ``[3 T]``.
        opposite: as in a surface, int32 ``[3 T]``.
        after: next edge of the ring, int32 ``[3 T]``.
        before: the one before, int32 ``[3 T]``.
        status: OPEN, HARD or GONE, uint8 ``[3 T]``.
        place: index in ``active`` of an edge on the front, int32 ``[3 T]``.
        active: edges on the front, int32 ``[3 T]``.
        vertex: vertex number of each copy, int32 ``[3 T]``.
        uses: known triangles at each copy, int32 ``[3 T]``.
        excess: how many triangles beyond six its neighbours have whose fans are closed, int32
            ``[3 T]``.
        up, down: lists of open edges of one key, int32 ``[3 T]``.
        key: key of each open edge, int32 ``[3 T]``.
        heads: first of each list or -1, int32 ``[KEYS]``.
        newest: the last corner at each vertex, int32 ``[3 T]``.
        older: the corner before each at its vertex, int32 ``[3 T]``.
        guesses: work space, int32 ``[GUESSES]``.
        flips: 1 of triangles that run against the input's face, uint8 ``[T]``.
        tally: counts and flags, int64 ``[8]``.
    """

    copies: Int32s
    opposite: Int32s
    after: Int32s
    before: Int32s
    status: npt.NDArray[np.uint8]
    place: Int32s
    active: Int32s
    vertex: Int32s
    uses: Int32s
    excess: Int32s
    up: Int32s
    down: Int32s
    key: Int32s
    heads: Int32s
    tails: Int32s
    newest: Int32s
    older: Int32s
    guesses: Int32s
    flips: npt.NDArray[np.uint8]
    tally: npt.NDArray[np.int64]


def new_front(triangles: int) -> Front:
    """An empty front for that many triangles."""
    corners = 3 * triangles

    def ints(value: int) -> Int32s:
        return np.full(corners, value, dtype=np.int32)

    return Front(
        copies=ints(-1),
        opposite=ints(-1),
        after=ints(-1),
        before=ints(-1),
        status=np.full(corners, GONE, dtype=np.uint8),
        place=ints(-1),
        active=ints(-1),
        vertex=ints(-1),
        uses=ints(0),
        excess=ints(0),
        up=ints(-1),
        down=ints(-1),
        key=ints(-1),
        heads=np.full(KEYS, -1, dtype=np.int32),
        tails=np.full(KEYS, -1, dtype=np.int32),
        newest=ints(-1),
        older=ints(-1),
        guesses=np.zeros(GUESSES, dtype=np.int32),
        flips=np.zeros(triangles, dtype=np.uint8),
        tally=np.zeros(8, dtype=np.int64),
    )


@compiled
def following(corner: Number) -> Number:
    """The next corner of its triangle."""
    return corner - 2 if corner % 3 == 2 else corner + 1


@compiled
def preceding(corner: Number) -> Number:
    """The corner before it in its triangle."""
    return corner + 2 if corner % 3 == 0 else corner - 1


@compiled
def start(front: Front, edge: Number) -> Number:
    """The copy at which an edge of the front starts."""
    return np.int64(front.copies[preceding(edge)])


@compiled
def end(front: Front, edge: Number) -> Number:
    """The copy at which it ends."""
    return np.int64(front.copies[following(edge)])


@compiled
def unlist(front: Front, edge: Number) -> None:
    """Take an edge out of the list of its key."""
    key = front.key[edge]
    if key < 0:
        return
    up, down = front.up[edge], front.down[edge]
    if up >= 0:
        front.down[up] = down
    else:
        front.heads[key] = down
    if down >= 0:
        front.up[down] = up
    else:
        front.tails[key] = up
    front.key[edge] = -1


@compiled
def enlist(front: Front, edge: Number, key: Number) -> None:
    """Put an open edge first in the list of ``key``; edges that are not open stay out."""
    unlist(front, edge)
    if front.status[edge] != OPEN:
        return
    tail = front.tails[key]
    front.down[edge] = -1
    front.up[edge] = tail
    if tail >= 0:
        front.down[tail] = edge
    else:
        front.heads[key] = edge
    front.tails[key] = edge
    front.key[edge] = key
    front.tally[TOP] = max(front.tally[TOP], key)


@compiled
def best(front: Front) -> Number:
    """The open edge to work on next, -1 if there is none."""
    top = front.tally[TOP]
    while top > 0 and front.heads[top] < 0:
        top -= 1
    front.tally[TOP] = top
    return np.int64(front.heads[top])


@compiled
def _enter(front: Front, edge: Number) -> None:
    count = front.tally[ACTIVE]
    front.status[edge] = OPEN
    front.active[count] = edge
    front.place[edge] = count
    front.tally[ACTIVE] = count + 1


@compiled
def _leave(front: Front, edge: Number) -> None:
    unlist(front, edge)
    front.status[edge] = GONE
    last = front.tally[ACTIVE] - 1
    at, other = front.place[edge], front.active[last]
    front.active[at] = other
    front.place[other] = at
    front.tally[ACTIVE] = last


@compiled
def _link(front: Front, edge: Number, other: Number) -> None:
    front.after[edge] = other
    front.before[other] = edge


@compiled
def _glue(front: Front, edge: Number, other: Number) -> None:
    front.opposite[edge] = other
    front.opposite[other] = edge


@compiled
def new_copy(front: Front, vertex: Number) -> Number:
    """A copy of a vertex, of a new one if ``vertex`` is negative."""
    copy = np.int64(front.tally[COPIES])
    front.tally[COPIES] = copy + 1
    if vertex < 0:
        vertex = front.tally[VERTICES]
        front.tally[VERTICES] = vertex + 1
    front.vertex[copy] = vertex
    front.uses[copy] = 0
    return copy


@compiled
def _set_corners(front: Front, a: Number, b: Number, tip: Number) -> Number:
    first = 3 * np.int64(front.tally[TRIANGLES])
    front.tally[TRIANGLES] += 1
    front.copies[first], front.copies[first + 1], front.copies[first + 2] = a, b, tip
    for corner in range(first, first + 3):
        copy = front.copies[corner]
        vertex = front.vertex[copy]
        front.uses[copy] += 1
        front.older[corner] = front.newest[vertex]
        front.newest[vertex] = corner
    return first


@compiled
def seed(front: Front, a: Number, b: Number, tip: Number) -> Number:
    """A triangle that shares no edge with those before it; its first corner."""
    # What is left of the component before are rings of hard edges, of no more use.
    front.tally[ACTIVE] = 0
    first = _set_corners(front, a, b, tip)
    for k in range(3):
        _enter(front, first + k)
        _link(front, first + k, preceding(first + k))
    return first


@compiled
def _close(front: Front, corner: Number) -> None:
    """Tell the neighbours of a copy, whose last triangle has this corner, how many it has."""
    count = np.int64(front.uses[front.copies[corner]])
    beyond = min(count - 6, _MOST_BEYOND)
    here: Number = np.int64(corner)
    # A copy may have other fans, or a boundary: the walk then ends early.
    for _ in range(count):
        front.excess[front.copies[following(here)]] += beyond
        other = np.int64(front.opposite[following(here)])
        if other < 0:
            break
        here = following(other)


@compiled
def attach(front: Front, gate: Number, tip: Number, place: Number) -> Number:
    """The triangle across the gate; its first corner.

    Args:
        front: the front.
        gate: an open edge.
        tip: copy at its third corner; neither end of the gate.
        place: -1 if the tip is not on the front; else the edge that leaves its place. Are that
            place and the gate's ends neighbours along open edges, these are glued.
    """
    ahead, behind = np.int64(front.after[gate]), np.int64(front.before[gate])
    closes_b = place >= 0 and place == front.after[ahead] and front.status[ahead] == OPEN
    closes_a = place >= 0 and place == behind and front.status[behind] == OPEN
    first = _set_corners(front, start(front, gate), end(front, gate), tip)
    _glue(front, gate, first + 2)
    _leave(front, gate)
    to_tip, from_tip = first + 1, first
    if closes_b:
        _glue(front, from_tip, ahead)
        _leave(front, ahead)
    else:
        _enter(front, from_tip)
    if closes_a:
        _glue(front, to_tip, behind)
        _leave(front, behind)
    else:
        _enter(front, to_tip)
    if closes_b:
        _close(front, first + 1)
    if closes_a:
        _close(front, first)
    if closes_a and closes_b:
        _close(front, first + 2)
        return first
    if closes_b:
        _link(front, to_tip, front.after[ahead])
        _link(front, behind, to_tip)
    elif closes_a:
        _link(front, front.before[behind], from_tip)
        _link(front, from_tip, ahead)
    else:
        _link(front, from_tip, ahead)
        if place >= 0:
            # Read before the links change: ``place`` may be the edge behind the gate.
            other = np.int64(front.before[place])
            _link(front, behind, to_tip)
            _link(front, to_tip, place)
            _link(front, other, from_tip)
        else:
            _link(front, behind, to_tip)
            _link(front, to_tip, from_tip)
    return first
