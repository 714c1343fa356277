"""What an encoder knows of faces before it grows a surface over them: which share an edge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]

BORDER = -1
"""No other face is at this edge."""
CROWD = -2
"""Edges of more than two faces: entry CROWD - g is that of crowd g."""


class Source(NamedTuple):
    """Faces that are to be coded: no repeated index, no two of the same vertices.

    Corner ``3 f + k`` is the one at ``at[3 f + k]``; "its edge" is the one that faces it.

    Attributes:
        at: input vertex at each corner, int32 ``[3 F]``.
        partner: corner across its edge, BORDER, or CROWD - g; int32 ``[3 F]``.
        crowd: corners of edges of more than two faces, int32. Crowd g has those whose edge runs
            upwards (from the lower vertex number) and then those whose edge runs downwards, each in
            the order of the faces.
        bounds: int32 ``[G, 4]``: where the two parts of each crowd go on, and where they end.
        found: decoder's corner of each corner, -1 until then; int32 ``[3 F]``.
        corner: the inverse, int32 ``[3 F]``.
        number: decoder's number of each vertex or -1, int32 ``[V]``.
        closed: 1 if every edge has two faces that run along it in opposite directions; int64
            ``[1]``.
    """

    at: Int32s
    partner: Int32s
    crowd: Int32s
    bounds: Int32s
    found: Int32s
    corner: Int32s
    number: Int32s
    closed: npt.NDArray[np.int64]


@compiled
def _pair(keys: npt.NDArray[np.int64], order: npt.NDArray[np.int64], source: Source) -> Number:
    """Fill in partners and crowds from corners in the order of their edges; number of crowds."""
    n, crowds, filled = len(order), np.int64(0), np.int64(0)
    first = np.int64(0)
    source.closed[0] = 1
    while first < n:
        last = first + 1
        key = keys[order[first]] >> 1
        while last < n and keys[order[last]] >> 1 == key:
            last += 1
        if last - first == 1:
            source.partner[order[first]] = BORDER
            source.closed[0] = 0
        elif last - first == 2:
            source.partner[order[first]] = order[first + 1]
            source.partner[order[first + 1]] = order[first]
            if keys[order[first]] == keys[order[first + 1]]:
                source.closed[0] = 0
        else:
            source.closed[0] = 0
            middle = first
            for k in range(first, last):
                source.partner[order[k]] = CROWD - crowds
                source.crowd[filled + k - first] = order[k]
                middle += keys[order[k]] & 1 == 0
            bounds = source.bounds[crowds]
            bounds[0], bounds[1] = filled, filled + middle - first
            bounds[2], bounds[3] = filled + middle - first, filled + last - first
            filled += last - first
            crowds += 1
        first = last
    return crowds


def source_of(faces: Int32s, vertices: int) -> Source:
    """The neighbours of each face.

    Args:
        faces: int32 ``[F, 3]``.
        vertices: how many there are.
    """
    at = np.ascontiguousarray(faces, dtype=np.int32).ravel()
    head = at.reshape(-1, 3)[:, [1, 2, 0]].ravel().astype(np.int64)
    tail = at.reshape(-1, 3)[:, [2, 0, 1]].ravel().astype(np.int64)
    low, high = np.minimum(head, tail), np.maximum(head, tail)
    keys = (low * vertices + high) << 1 | (head > tail)
    order = np.argsort(keys, kind="stable")
    source = Source(
        at,
        np.full(len(at), BORDER, dtype=np.int32),
        np.empty(len(at), dtype=np.int32),
        np.empty((len(at) // 3, 4), dtype=np.int32),
        np.full(len(at), -1, dtype=np.int32),
        np.full(len(at), -1, dtype=np.int32),
        np.full(vertices, -1, dtype=np.int32),
        np.ones(1, dtype=np.int64),
    )
    _pair(keys, order, source)
    return source


@compiled
def across(source: Source, corner: Number, flip: Number, rising: Number) -> Number:
    """The corner across an edge of a known face whose face is not known yet, -1 if there is none.

    Of several faces at an edge it is one that needs no other flip, then the first. All that
    matters here is the faces' order in the file among those not known yet; the decoder's order of
    faces changes nothing of that, so coding what was decoded repeats every choice.

    Args:
        source: the faces.
        corner: the input corner that faces the edge.
        flip: whether the known face is flipped.
        rising: 1 if the edge runs, as the new triangle will run, from the lower input vertex.
    """
    partner = np.int64(source.partner[corner])
    if partner >= 0:
        return partner if source.found[partner] < 0 else np.int64(-1)
    if partner == BORDER:
        return np.int64(-1)
    bounds = source.bounds[CROWD - partner]
    wanted = 1 - (rising ^ flip)
    for turn in range(2):
        part = wanted ^ turn
        while bounds[2 * part] < bounds[2 * part + 1]:
            found = np.int64(source.crowd[bounds[2 * part]])
            if source.found[found] < 0:
                return found
            bounds[2 * part] += 1
    return np.int64(-1)


_NOTHING: Int32s = np.empty(0, dtype=np.int32)
EMPTY = Source(
    at=_NOTHING,
    partner=_NOTHING,
    crowd=_NOTHING,
    bounds=np.empty((0, 4), dtype=np.int32),
    found=_NOTHING,
    corner=_NOTHING,
    number=_NOTHING,
    closed=np.zeros(1, dtype=np.int64),
)
"""What a decoder knows of the input."""


class Sorting(NamedTuple):
    """The input's faces in three kinds, each in the order of the input; int64.

    Attributes:
        kept: faces of a surface, ``[T]``.
        repeated: faces of the vertices of an earlier one, ``[D]``.
        first: which of ``kept`` has those vertices, ``[D]``.
        degenerate: faces that name a vertex twice, ``[G]``.
    """

    kept: npt.NDArray[np.int64]
    repeated: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    degenerate: npt.NDArray[np.int64]


def sorted_out(faces: Int32s, vertices: int) -> Sorting:
    """Put aside repeated and degenerate faces."""
    a, b, c = faces[:, 0], faces[:, 1], faces[:, 2]
    odd = (a == b) | (b == c) | (a == c)
    degenerate, proper = np.flatnonzero(odd), np.flatnonzero(~odd)
    rows = np.sort(faces[proper], axis=1).astype(np.int64)
    pair = rows[:, 0] * vertices + rows[:, 1]
    if vertices <= 1 << 21:
        order = np.argsort(pair * vertices + rows[:, 2], kind="stable")
    else:
        order = np.lexsort((rows[:, 2], pair))
    again = np.zeros(len(proper), dtype=bool)
    again[1:] = (np.diff(pair[order]) == 0) & (np.diff(rows[order, 2]) == 0)
    if not again.any():
        nothing = np.empty(0, dtype=np.int64)
        return Sorting(proper, nothing, nothing, degenerate)
    # The sort is stable: the first of equal faces is the first in the input.
    leader = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))]
    is_kept = np.ones(len(proper), dtype=bool)
    is_kept[order[again]] = False
    rank = np.cumsum(is_kept) - 1
    repeated = np.sort(order[again])
    lead = np.empty(len(proper), dtype=np.int64)
    lead[order] = leader
    return Sorting(proper[is_kept], proper[repeated], rank[lead[repeated]], degenerate)


def lay_out(
    faces: Int32s, sorting: Sorting, source: Source, flips: npt.NDArray[np.uint8]
) -> tuple[Int32s, Int32s, Int32s]:
    """Where the decoder's corners are in the input, once every vertex has its number.

    Args:
        faces: the input.
        sorting: its kinds.
        source: the kept ones, all grown.
        flips: which triangles are turned.

    Returns:
        how often each triangle comes again as it is and reversed (int32 ``[T, 2]``), degenerate
        faces as pairs in rising order (int32 ``[G, 2]``), and the input corner of every corner of
        the decoder's faces (int32 ``[F, 3]``).
    """
    number = source.number
    rows = source.corner.reshape(-1, 3).astype(np.int64)
    turned = np.flatnonzero(flips)
    rows[turned] = rows[turned][:, [1, 0, 2]]
    grown = 3 * sorting.kept[rows // 3] + rows % 3
    # Repeated faces: by triangle, straight ones first.
    triangle = source.found.reshape(-1, 3)[sorting.first, 0] // 3
    lead, same = number[faces.ravel()[grown[triangle]]], number[faces[sorting.repeated]]
    place = (same == lead[:, :1]).argmax(axis=1)
    each = np.arange(len(same))
    reverse = same[each, (place + 1) % 3] != lead[:, 1]
    order = np.lexsort((reverse, triangle))
    triangle, reverse, same = triangle[order], reverse[order], same[order]
    lead = np.where(reverse[:, None], lead[order][:, [1, 0, 2]], lead[order])
    spots = (same[:, None, :] == lead[:, :, None]).argmax(axis=2)
    again = 3 * sorting.repeated[order][:, None] + spots
    counts = np.bincount(2 * triangle + reverse, minlength=2 * len(grown))
    # Degenerate faces: turned so that the vertex named twice comes first.
    named = number[faces[sorting.degenerate]]
    turn = np.where(named[:, 0] == named[:, 1], 0, np.where(named[:, 1] == named[:, 2], 1, 2))
    spots = (turn[:, None] + np.arange(3)) % 3
    pairs = np.take_along_axis(named, spots, axis=1)[:, [0, 2]]
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    last = (3 * sorting.degenerate[:, None] + spots)[order]
    corner_map = np.concatenate([grown, again, last]).astype(np.int32)
    return counts.reshape(-1, 2).astype(np.int32), pairs[order].astype(np.int32), corner_map
