"""Who is whose neighbour among the values of an attribute, and the order in which they are coded.

A value belongs to one vertex; a vertex may have several values, one for each side of a seam. Values
are joined by the triangles whose corners they stand at: along a seam nothing joins them. Both ends
know connectivity and positions before any attribute, so the order may look at all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.surface import Surface
from nacre.entropy.sequential import compiled
from nacre.errors import InputError

Int32s = npt.NDArray[np.int32]
Number = Any
"""An integer or a float of compiled code: which of the two is inferred there."""

_BUCKETS = 4
"""Values wait by how many triangles would predict them: none, 1, 2, more."""


class Ring(NamedTuple):
    """The values of an attribute and the triangles between them.

    Corner ``3 f + k`` is the one of ``faces[f, k]``.

    Attributes:
        first: where the corners of each value begin in ``corners``, int32 ``[n + 1]``.
        corners: the corners of one value after another, int32 ``[3 F]``.
        values: the value at each corner, int32 ``[3 F]``.
        opposite: the corner across the edge that faces each, -1 at a boundary or seam, ``[3 F]``.
        vertex: the vertex of each value, int32 ``[n]``.
        order: the values in the order of coding, int32 ``[n]``.
        rank: the place of each value in ``order``, int32 ``[n]``.
        twin: the last value before it at the same place, or -1, int32 ``[n]``.
    """

    first: Int32s
    corners: Int32s
    values: Int32s
    opposite: Int32s
    vertex: Int32s
    order: Int32s
    rank: Int32s
    twin: Int32s


def values_count(surface: Surface, index: Int32s | None) -> int:
    """How many values an attribute has: one a vertex, or as many as its index names."""
    return surface.vertices if index is None else int(index.max(initial=-1)) + 1


def ring_of(
    surface: Surface, faces: Int32s, index: Int32s | None, places: Int32s | None = None
) -> Ring:
    """The ring of an attribute.

    Args:
        surface: what connectivity says.
        faces: all faces in the decoder's order, int32 ``[F, 3]``; the first ones are the triangles
            of the surface, oriented as in the file.
        index: the value at each corner of ``faces``, int32 ``[F, 3]``, from 0; None for one value
            a vertex.
        places: a number for each vertex, the same where positions are, int32 ``[N]``; None: all
            differ.

    Raises:
        InputError: shapes differ, or a number is out of range.
    """
    count = values_count(surface, index)
    at_corners = faces if index is None else index
    if at_corners.shape != faces.shape or faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"corner values {at_corners.shape} of faces {faces.shape}; [F, 3] wanted")
    if faces.size and (
        min(int(faces.min()), int(at_corners.min())) < 0 or int(faces.max()) >= surface.vertices
    ):
        raise InputError("a face or a corner's value has a number that is out of range")
    if len(surface.triangles) > len(faces):
        raise InputError(f"{len(faces)} faces, but {len(surface.triangles)} triangles")
    values = np.ascontiguousarray(at_corners, dtype=np.int32).ravel()
    corners = np.argsort(values, kind="stable").astype(np.int32)
    first = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(values, minlength=count), out=first[1:])
    vertices = np.ascontiguousarray(faces, dtype=np.int32).ravel()
    if index is None:
        vertex = np.arange(count, dtype=np.int32)
    else:
        vertex = np.zeros(count, np.int32)
        met = first[:-1] < first[1:]
        vertex[met] = vertices[corners[first[:-1][met]]]
    ring = Ring(
        first,
        corners,
        values,
        _opposites(surface, faces, values),
        vertex,
        np.empty(count, np.int32),
        np.full(count, count, np.int32),
        np.full(count, -1, np.int32),
    )
    waiting = np.empty((2, 2 * len(values) + 1), np.int32)
    if places is None:
        places = np.arange(surface.vertices, dtype=np.int32)
    last = np.full(int(places.max(initial=-1)) + 1, -1, np.int32)
    heads, seen = np.full(_BUCKETS, -1, np.int32), np.zeros(count, np.int32)
    _walk(ring, waiting, heads, seen, places, last)
    return ring


def _opposites(surface: Surface, faces: Int32s, values: Int32s) -> Int32s:
    """The corner of ``faces`` across each edge over which the attribute does not jump."""
    found = np.full(faces.size, -1, np.int32)
    size = len(surface.triangles)
    if not size:
        return found
    wanted = surface.vertex[surface.triangles]
    place = (faces[:size, None, :] == wanted[:, :, None]).argmax(2)
    own = (3 * np.arange(size)[:, None] + place).ravel()
    other = own[surface.opposite]
    a, b = values[_around(own, 1)], values[_around(own, 2)]
    c, d = values[_around(other, 1)], values[_around(other, 2)]
    joined = (surface.opposite >= 0) & (((a == c) & (b == d)) | ((a == d) & (b == c)))
    found[own] = np.where(joined, other, -1)
    return found


def _around(corners: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
    """The corner ``step`` places on in the same face."""
    found: npt.NDArray[np.int64] = corners - corners % 3 + (corners + step) % 3
    return found


@compiled
def next_corner(corner: Number) -> Number:
    """The corner behind one in its face."""
    return corner - 2 if corner % 3 == 2 else corner + 1


@compiled
def last_corner(corner: Number) -> Number:
    """The corner before one in its face."""
    return corner + 2 if corner % 3 == 0 else corner - 1


@compiled
def _walk(
    ring: Ring, waiting: Int32s, heads: Int32s, seen: Int32s, places: Int32s, last: Int32s
) -> None:
    """Fill in order, rank and twins.

    The next value is one that most triangles predict, the last one found among equals (as Draco's
    "maximum prediction degree"); where none waits, the first that was not reached.
    """
    count, unknown = len(ring.order), np.int32(len(ring.order))
    pushed: Number = np.int64(0)
    seed: Number = np.int64(0)
    for place in range(count):
        value: Number = np.int64(-1)
        for turn in range(_BUCKETS):
            top = _BUCKETS - 1 - turn
            while heads[top] >= 0 and value < 0:
                found = np.int64(heads[top])
                heads[top] = waiting[1, found]
                if ring.rank[waiting[0, found]] == unknown:
                    value = np.int64(waiting[0, found])
            if value >= 0:
                break
        if value < 0:
            while ring.rank[seed] != unknown:
                seed += 1
            value = seed
        ring.order[place] = np.int32(value)
        ring.rank[value] = np.int32(place)
        spot = places[ring.vertex[value]]
        ring.twin[value] = last[spot]
        last[spot] = np.int32(value)
        for at in range(ring.first[value], ring.first[value + 1]):
            corner = np.int64(ring.corners[at])
            a = np.int64(ring.values[next_corner(corner)])
            b = np.int64(ring.values[last_corner(corner)])
            near_a, near_b = ring.rank[a] == unknown, ring.rank[b] == unknown
            for turn in range(2):
                other = a if turn == 0 else b
                if not (near_a if turn == 0 else near_b):
                    continue
                bucket: Number = np.int64(0)
                if not (near_a and near_b):
                    seen[other] += np.int32(1)
                    bucket = min(np.int64(seen[other]), np.int64(_BUCKETS - 1))
                waiting[0, pushed] = np.int32(other)
                waiting[1, pushed] = heads[bucket]
                heads[bucket] = np.int32(pushed)
                pushed += 1
