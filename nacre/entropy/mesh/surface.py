"""What connectivity says and all else is coded along: oriented triangles glued along edges.

A :class:`Surface` is an orientable manifold with boundary. An input that is none is cut into one:
a vertex at which several fans of triangles meet has a *copy* for each fan. Copies have one position
between them; attributes, which may differ from corner to corner, are seams on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in the decoder's order, the same for encoder and decoder.

    Corner ``c = 3 t + k`` is the one of triangle ``t`` at copy ``triangles[t, k]``; the edge that
    *faces* it joins the other two corners of the triangle.

    Attributes:
        triangles: copy numbers, int32 ``[T, 3]``, oriented coherently.
        opposite: for each corner the one across the edge that faces it, -1 at a boundary; int32
            ``[3 T]``.
        vertex: the vertex of each copy, int32 ``[C]``; every vertex below ``used`` occurs.
        used: vertices that are in a triangle; they are numbered first.
        vertices: all of them, isolated ones included.
    """

    triangles: Int32s
    opposite: Int32s
    vertex: Int32s
    used: int
    vertices: int


def opposite_corners(triangles: Int32s) -> Int32s:
    """The corner across the edge that faces each corner, -1 at a boundary; int32 ``[3 T]``.

    Args:
        triangles: int32 ``[T, 3]``; an edge joins at most two triangles, which run along it in
            opposite directions. Of others the pairing is arbitrary, but always mutual.
    """
    flat = triangles.astype(np.int64).ravel()
    corners = np.arange(len(flat))
    start = flat[corners - corners % 3 + (corners + 1) % 3]
    end = flat[corners - corners % 3 + (corners + 2) % 3]
    size = int(flat.max(initial=0)) + 1
    key, twin = start * size + end, end * size + start
    order = np.argsort(key, kind="stable")
    place = np.searchsorted(key[order], twin).clip(max=max(len(flat) - 1, 0))
    found = np.full(len(flat), -1, dtype=np.int32)
    if len(flat):
        other = order[place]
        met = key[other] == twin
        found[met] = other[met]
        lonely = found >= 0
        lonely &= found[found] != corners
        found[lonely] = -1
    return found


def surface_of(triangles: Int32s, vertices: int) -> Surface:
    """The surface of triangles that are manifold as they stand, numbered as they are.

    Args:
        triangles: int32 ``[T, 3]``, oriented coherently, no edge in more than two, one fan a
            vertex, the vertices in triangles numbered before the others.
        vertices: all of them.
    """
    used = int(triangles.max(initial=-1)) + 1
    return Surface(
        np.ascontiguousarray(triangles, dtype=np.int32),
        opposite_corners(triangles),
        np.arange(used, dtype=np.int32),
        used,
        vertices,
    )


@compiled
def _fill_copies(opposite: Int32s, at: Int32s, copies: Int32s, vertex: Int32s) -> Number:
    count = np.int64(0)
    for corner in range(len(opposite)):
        if copies[corner] >= 0:
            continue
        copies[corner] = count
        vertex[count] = at[corner]
        for side in range(2):
            here = np.int64(corner)
            while True:
                facing = here - here % 3 + (here + 1 + side) % 3
                other = np.int64(opposite[facing])
                if other < 0:
                    break
                here = other - other % 3 + (other + 1 + side) % 3
                if copies[here] >= 0:
                    break
                copies[here] = count
        count += 1
    return count


def surface_of_fans(at: Int32s, opposite: Int32s, vertices: int) -> Surface:
    """The surface of glued triangles, with a copy of a vertex for each fan of triangles at it.

    Args:
        at: vertex at each corner, int32 ``[3 T]``; those that occur are numbered first.
        opposite: as in :class:`Surface`, mutual; glued edges run in opposite directions.
        vertices: all of them.
    """
    copies = np.full(len(at), -1, dtype=np.int32)
    vertex = np.empty(len(at), dtype=np.int32)
    count = int(_fill_copies(opposite, at, copies, vertex))
    used = int(at.max(initial=-1)) + 1
    return Surface(copies.reshape(-1, 3), opposite, vertex[:count].copy(), used, vertices)
