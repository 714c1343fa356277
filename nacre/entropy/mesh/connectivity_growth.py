"""Growing a surface triangle by triangle, coding each step: one loop for both ends."""

from __future__ import annotations

import numpy as np

from nacre.entropy.mesh.connectivity_coding import (
    Coder,
    code_below,
    code_mixed,
    code_number,
    code_plain,
)
from nacre.entropy.mesh.connectivity_front import (
    ACTIVE,
    FAILED,
    HARD,
    NEXT_FACE,
    OPEN,
    TRIANGLES,
    VERTICES,
    Front,
    attach,
    best,
    end,
    enlist,
    following,
    new_copy,
    preceding,
    seed,
    start,
    unlist,
)
from nacre.entropy.mesh.connectivity_names import code_known_vertex
from nacre.entropy.mesh.manifold import Source, across
from nacre.entropy.sequential import COUNT, HELD, POSITION, Number, compiled
from nacre.entropy.sequential import FAILED as CODER_FAILED

NEAR = 32
"""Places up to this many steps along the ring are coded by their distance."""
_ROOM = 64

DONE, MORE, BAD = 0, 1, 2
_FLIP, _OLD_SEED, _ON_FRONT, _IS_NEAR, _IS_AHEAD, _DISTANCE = 0, 8, 16, 24, 32, 64
_CROWDED = 9


@compiled
def key_of(front: Front, edge: Number) -> Number:
    """How soon an open edge is worked on."""
    a = front.uses[start(front, edge)]
    b = front.uses[end(front, edge)]
    return np.int64(min(max(a, b), 9) * 6 + min(min(a, b), 5))


@compiled
def _touch(front: Front, edge: Number) -> None:
    if front.status[edge] == OPEN:
        enlist(front, edge, key_of(front, edge))


@compiled
def _clamped(front: Front, copy: Number) -> Number:
    return np.int64(min(front.uses[copy], _CROWDED))


@compiled
def _excess(front: Front, copy: Number) -> Number:
    return np.int64(min(max(front.excess[copy] + 8, 0), 15))


@compiled
def _set_contexts(
    front: Front, coder: Coder, gate: Number, ahead: Number, behind: Number
) -> Number:
    """Describe the surroundings of a gate; 1 if its start is the busier end.

    ``q`` is the busier end and ``p`` the other one, by their known triangles; ``w`` and ``u`` are
    next to them on the ring. ``o`` is opposite the gate, ``o2`` and ``o3`` are opposite the edges
    next to it at q and p. What is closed around q and p tells most of how many triangles they will
    have: few beside many.
    """
    a, b = start(front, gate), end(front, gate)
    mirrored = np.int64(_clamped(front, a) > _clamped(front, b))
    near, far = (behind, ahead) if mirrored else (ahead, behind)
    q, p = (a, b) if mirrored else (b, a)
    w = start(front, near) if mirrored else end(front, near)
    u = end(front, far) if mirrored else start(front, far)
    ring: Number = np.int64(0)
    if front.after[ahead] == behind:
        ring = np.int64(1)
    elif front.after[ahead] == front.before[behind]:
        ring = np.int64(2)
    if ahead == behind:
        ring = np.int64(3)
    hard = np.int64(front.status[far] == HARD) << 1 | np.int64(front.status[near] == HARD)
    more_q, more_p = _excess(front, q), _excess(front, p)
    o = _clamped(front, np.int64(front.copies[gate]))
    o2 = _clamped(front, np.int64(front.copies[near]))
    o3 = _clamped(front, np.int64(front.copies[far]))
    q, p, w, u = _clamped(front, q), _clamped(front, p), _clamped(front, w), _clamped(front, u)
    loop = hard << 2 | ring
    pq = (p << 4 | q) << 4 | loop
    x = coder.contexts
    x[0] = pq
    x[1] = (q << 4 | more_q) << 4 | loop
    x[2] = loop
    x[3] = q << 4 | loop
    x[4] = pq << 4 | more_q
    x[5] = (pq << 4 | more_q) << 4 | more_p
    x[6] = ((pq << 4 | more_q) << 4 | o) << 4 | o2
    x[7] = ((((((pq << 4 | more_q) << 4 | more_p) << 4 | u) << 4 | w) << 4 | o) << 4 | o2) << 4 | o3
    x[8] = (pq << 4 | u) << 4 | w
    x[9] = (more_q << 4 | more_p) << 4 | loop
    x[10] = (pq << 4 | o) << 4 | o2
    x[11] = (pq << 4 | w) << 4 | o
    return mirrored


@compiled
def _occurrence(front: Front, source: Source, tip: Number, at_a: Number, at_b: Number) -> Number:
    """The place of the tip's gap that holds the new face, -1 if it has none.

    Walks around the tip both ways through faces that are not known, to the nearest known one.

    Args:
        front: the front.
        source: the input.
        tip: input corner at the tip.
        at_a: input corner at the gate's start.
        at_b: at its end.
    """
    vertex, number = source.at[tip], source.number[source.at[tip]]
    left: Number = np.int64(at_a)
    right: Number = np.int64(at_b)
    while left >= 0 or right >= 0:
        for side in range(2):
            corner = left if side == 0 else right
            if corner < 0:
                continue
            other = np.int64(source.partner[corner])
            step: Number = np.int64(-1)
            if other >= 0:
                edge = np.int64(source.found[other])
                if edge >= 0:
                    if front.status[edge] == OPEN:
                        if side == 0 and front.vertex[end(front, edge)] == number:
                            return np.int64(front.after[edge])
                        if side == 1 and front.vertex[start(front, edge)] == number:
                            return edge
                elif other // 3 != tip // 3:
                    step = following(other)
                    if source.at[step] == vertex:
                        step = preceding(other)
            if side == 0:
                left = step
            else:
                right = step
    return np.int64(-1)


@compiled
def _code_place(front: Front, coder: Coder, gate: Number, place: Number) -> Number:
    """The edge that leaves the tip's place: steps along the ring, or any edge of the front."""
    steps: Number = np.int64(-1)
    forward: Number = np.int64(1)
    if not coder.decoding[0]:
        x, y = np.int64(front.after[gate]), np.int64(front.before[gate])
        for k in range(NEAR):
            x = np.int64(front.after[x])
            if x == place:
                steps = k
                break
            if y == place:
                steps, forward = np.int64(k), np.int64(0)
                break
            y = np.int64(front.before[y])
    if code_plain(coder, _IS_NEAR, np.int64(steps >= 0)):
        forward = code_plain(coder, _IS_AHEAD, forward)
        steps = code_number(coder, _DISTANCE + 64 * forward, steps)
        if steps >= NEAR:
            front.tally[FAILED] = 1
            return gate
        place = (
            np.int64(front.after[front.after[gate]]) if forward else np.int64(front.before[gate])
        )
        for _ in range(steps):
            place = np.int64(front.after[place] if forward else front.before[place])
        return place
    index = code_below(coder, np.int64(front.place[max(place, 0)]), front.tally[ACTIVE])
    return np.int64(front.active[index])


@compiled
def _code_tip(
    front: Front, coder: Coder, gate: Number, number: Number, place: Number, mirrored: Number
) -> tuple[Number, Number]:
    """Where the tip is: (copy, place).

    Args:
        front: the front.
        coder: the coder.
        gate: the edge.
        number: vertex number of the tip, -1 if new (encoder).
        place: its place on the front, -1 if it has none (encoder).
        mirrored: whether the gate's start is the busier end.
    """
    ahead, behind = np.int64(front.after[gate]), np.int64(front.before[gate])
    if ahead != behind:
        for turn in range(2):
            at_start = turn ^ mirrored
            side = behind if at_start else ahead
            if front.status[side] != OPEN:
                continue
            target = behind if at_start else np.int64(front.after[ahead])
            if code_mixed(coder, 1 + turn, 1 + turn, np.int64(place == target)):
                return start(front, target), target
    if code_mixed(coder, 3, 3, np.int64(number < 0)):
        return new_copy(front, -1), np.int64(-1)
    if code_plain(coder, _ON_FRONT, np.int64(place >= 0)):
        place = _code_place(front, coder, gate, place)
        return start(front, place), place
    a, b = front.vertex[start(front, gate)], front.vertex[end(front, gate)]
    return new_copy(front, code_known_vertex(front, coder, number, a, b)), np.int64(-1)


@compiled
def _find_place(
    front: Front, source: Source, gate: Number, tip: Number, at_a: Number, at_b: Number
) -> Number:
    """The tip's place: where an open edge beside the gate ends, else what is walked to."""
    number = source.number[source.at[tip]]
    if number < 0:
        return np.int64(-1)
    ahead, behind = np.int64(front.after[gate]), np.int64(front.before[gate])
    if front.status[ahead] == OPEN and front.vertex[end(front, ahead)] == number:
        return np.int64(front.after[ahead])
    if front.status[behind] == OPEN and front.vertex[start(front, behind)] == number:
        return behind
    return _occurrence(front, source, tip, at_a, at_b)


@compiled
def _settle(
    front: Front,
    source: Source,
    first: Number,
    flip: Number,
    corners: tuple[Number, Number, Number],
) -> None:
    """Enter a triangle into the encoder's maps."""
    front.flips[first // 3] = flip
    for k in range(3):
        corner = corners[k]
        source.corner[first + k] = corner
        source.found[corner] = first + k
        source.number[source.at[corner]] = front.vertex[front.copies[first + k]]


@compiled
def _touch_around(front: Front, first: Number) -> None:
    for k in range(3):
        edge = first + k
        if front.status[edge] == OPEN:
            _touch(front, np.int64(front.before[edge]))
            _touch(front, np.int64(front.after[edge]))
            _touch(front, edge)


@compiled
def _grow(front: Front, source: Source, coder: Coder, gate: Number, bordered: Number) -> None:
    """Code what is across the gate, and add it."""
    decoding = coder.decoding[0]
    ahead, behind = np.int64(front.after[gate]), np.int64(front.before[gate])
    known_flip = np.int64(front.flips[gate // 3])
    tip: Number = np.int64(-1)
    at_a: Number = np.int64(-1)
    at_b: Number = np.int64(-1)
    flip: Number = np.int64(0)
    number: Number = np.int64(-1)
    place: Number = np.int64(-1)
    if not decoding:
        corner = np.int64(source.corner[gate])
        edge_a = source.at[source.corner[preceding(gate)]]
        edge_b = source.at[source.corner[following(gate)]]
        tip = across(source, corner, known_flip, np.int64(edge_a < edge_b))
        if tip >= 0:
            at_a, at_b = following(tip), preceding(tip)
            if source.at[at_a] != edge_a:
                at_a, at_b, flip = at_b, at_a, np.int64(1)
            number = np.int64(source.number[source.at[tip]])
            place = _find_place(front, source, gate, tip, at_a, at_b)
    mirrored = _set_contexts(front, coder, gate, ahead, behind)
    if bordered:
        if code_mixed(coder, 0, 0, np.int64(tip < 0)):
            unlist(front, gate)
            front.status[gate] = HARD
            return
        flip = code_plain(coder, _FLIP + known_flip, flip)
    copy, place = _code_tip(front, coder, gate, number, place, mirrored)
    vertex = front.vertex[copy]
    if (
        front.tally[FAILED]
        or vertex == front.vertex[start(front, gate)]
        or vertex == front.vertex[end(front, gate)]
    ):
        front.tally[FAILED] = 1
        return
    first = attach(front, gate, copy, place)
    front.flips[first // 3] = flip
    if not decoding:
        _settle(front, source, first, flip, (at_a, at_b, tip))
    _touch_around(front, first)
    if front.status[behind] == OPEN:
        _touch(front, behind)
    if front.status[ahead] == OPEN:
        _touch(front, ahead)


@compiled
def _sow(front: Front, source: Source, coder: Coder) -> None:
    """Code a triangle that begins a component: its corners are new or old vertices."""
    corner: Number = np.int64(0)
    if not coder.decoding[0]:
        face = front.tally[NEXT_FACE]
        while source.found[3 * face] >= 0:
            face += 1
        front.tally[NEXT_FACE] = face
        corner = 3 * face
    a: Number = np.int64(-1)
    b: Number = np.int64(-1)
    c: Number = np.int64(-1)
    for k in range(3):
        number: Number = np.int64(-1)
        if not coder.decoding[0]:
            number = np.int64(source.number[source.at[corner + k]])
        if front.tally[VERTICES] and code_plain(coder, _OLD_SEED + k, np.int64(number >= 0)):
            beside_b = np.int64(front.vertex[b]) if b >= 0 else np.int64(-1)
            beside_c = np.int64(front.vertex[c]) if c >= 0 else np.int64(-1)
            number = code_known_vertex(front, coder, number, beside_b, beside_c)
        else:
            number = np.int64(-1)
        a, b, c = b, c, new_copy(front, number)
    va, vb, vc = front.vertex[a], front.vertex[b], front.vertex[c]
    if va in (vb, vc) or vb == vc:
        front.tally[FAILED] = 1
        return
    first = seed(front, a, b, c)
    if not coder.decoding[0]:
        _settle(front, source, first, np.int64(0), (corner, corner + 1, corner + 2))
    for k in range(3):
        _touch(front, first + k)


@compiled
def grow(
    front: Front,
    source: Source,
    coder: Coder,
    triangles: Number,
    vertices: Number,
    bordered: Number,
) -> Number:
    """Code triangles until there are that many.

    Args:
        front: the front; it may have triangles already.
        source: the input; empty arrays in a decoder.
        coder: the coder.
        triangles: how many there are to be.
        vertices: at most so many.
        bordered: 1 if there may be boundaries and flips.

    Returns:
        DONE; MORE if an encoder needs more room for its words: call again; BAD for damaged data.
    """
    words = len(coder.words)
    while front.tally[TRIANGLES] < triangles:
        if coder.decoding[0]:
            if coder.state[CODER_FAILED] or np.int64(coder.state[POSITION]) > words + 8:
                return BAD
        elif np.int64(coder.state[COUNT] + coder.state[HELD]) + _ROOM > words:
            return MORE
        gate = best(front)
        if gate < 0:
            _sow(front, source, coder)
        else:
            _grow(front, source, coder, gate, bordered)
        if front.tally[FAILED] or front.tally[VERTICES] > vertices:
            return BAD
    return DONE
