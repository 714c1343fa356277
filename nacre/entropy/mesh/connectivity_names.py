"""Naming vertices that are known but not on the front where they are met again.

That is so where a mesh is no manifold: at edges of more than two faces, at vertices of several
fans. Such a vertex mostly shares an edge with a vertex of the gate already, so those come first.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.mesh.connectivity_coding import Coder, code_below, code_plain
from nacre.entropy.mesh.connectivity_front import (
    GUESSES,
    NAMED,
    VERTICES,
    Front,
    following,
    preceding,
)
from nacre.entropy.sequential import Number, compiled

_LOOK = 16
"""Corners of a vertex that are looked at, the last ones first."""
_SAME, _GUESS = 896, 900
_RANKS = 16


@compiled
def _vertex(front: Front, corner: Number) -> Number:
    return np.int64(front.vertex[front.copies[corner]])


@compiled
def _share_edge(front: Front, vertex: Number, other: Number) -> Number:
    """1 if the last triangles at ``vertex`` have the other one, too."""
    if vertex < 0:
        return np.int64(0)
    corner = np.int64(front.newest[vertex])
    for _ in range(_LOOK):
        if corner < 0:
            break
        if other in (_vertex(front, following(corner)), _vertex(front, preceding(corner))):
            return np.int64(1)
        corner = np.int64(front.older[corner])
    return np.int64(0)


@compiled
def _is_guessed(front: Front, guesses: Number, vertex: Number) -> bool:
    found = False
    for k in range(guesses):
        found |= bool(front.guesses[k] == vertex)
    return found


@compiled
def code_known_vertex(front: Front, coder: Coder, number: Number, a: Number, b: Number) -> Number:
    """Code the number of a known vertex.

    Args:
        front: the front, with one vertex at least.
        coder: the coder.
        number: the vertex (encoder).
        a: a vertex that will be in one triangle with it, or -1.
        b: another one, or -1.
    """
    if a < 0 and b < 0:
        named = np.int64(front.tally[NAMED])
        if code_plain(coder, _SAME, np.int64(number == named)):
            return named
        number = code_below(coder, number, front.tally[VERTICES])
        front.tally[NAMED] = number
        return number
    guesses = np.int64(0)
    for turn in range(2):
        vertex, beside = (a, b) if turn == 0 else (b, a)
        corner = np.int64(front.newest[vertex]) if vertex >= 0 else np.int64(-1)
        for look in range(2 * _LOOK):
            if corner < 0 or guesses >= GUESSES:
                break
            other = _vertex(front, preceding(corner) if look & 1 else following(corner))
            if look & 1:
                corner = np.int64(front.older[corner])
            if other in (a, b) or _is_guessed(front, guesses, other):
                continue
            near = _share_edge(front, beside, other)
            slot = _GUESS + 2 * min(guesses, np.int64(_RANKS - 1)) + near
            if code_plain(coder, slot, np.int64(other == number)):
                return other
            front.guesses[guesses] = other
            guesses += 1
    return code_below(coder, number, front.tally[VERTICES])
