"""The order in which positions and attributes are coded: where most is known first.

Draco's "max prediction degree" traversal (google/draco, ``max_prediction_degree_traverser.h``): of
the triangles at the rim of what is coded, one whose tip is known goes first, then one whose tip is
predicted by two or more known edges, then the others. It depends on the connectivity alone, and
gives two or more parallelograms to most vertices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.surface import Surface
from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]


class Traversal(NamedTuple):
    """Vertices in coding order.

    Attributes:
        order: vertex numbers, int32 ``[used]``, each below ``used`` once.
        gates: for each of them a corner at it, int32 ``[used]``: the triangle through which it was
            reached. The corner's ``opposite``, if there is one, lies in a triangle that is known,
            but for the first three vertices of a component.
    """

    order: Int32s
    gates: Int32s


@compiled
def after(corner: Number) -> Number:
    """The next corner of the same triangle."""
    return corner - 2 if corner % 3 == 2 else corner + 1


@compiled
def before(corner: Number) -> Number:
    """The previous corner of the same triangle."""
    return corner + 2 if corner % 3 == 0 else corner - 1


@compiled
def _meet(corner: Number, at: Int32s, seen: Flags, found: Traversal, count: Number) -> Number:
    """Take the vertex of a corner if it is new; how many there are now."""
    vertex = at[corner]
    if seen[vertex]:
        return count
    seen[vertex] = 1
    found.order[count] = vertex
    found.gates[count] = corner
    return count + 1


@compiled
def _traverse(
    at: Int32s,
    opposite: Int32s,
    seen: Flags,
    done: Flags,
    work: tuple[Int32s, Int32s],
    found: Traversal,
) -> Number:
    """Fill ``found``; ``work`` is three stacks ``[3, 3 T + 2]`` and degrees ``[N]``."""
    stacks, degree = work
    count: Number = np.int64(0)
    for first in range(len(done)):
        if done[first]:
            continue
        seed = np.int64(3 * first)
        sizes0, sizes1, sizes2 = 0, 0, 0
        count = _meet(seed + 1, at, seen, found, count)
        count = _meet(seed + 2, at, seen, found, count)
        stacks[0, 0] = seed
        sizes0 = 1
        while sizes0 + sizes1 + sizes2:
            if sizes0:
                sizes0 -= 1
                corner = np.int64(stacks[0, sizes0])
            elif sizes1:
                sizes1 -= 1
                corner = np.int64(stacks[1, sizes1])
            else:
                sizes2 -= 1
                corner = np.int64(stacks[2, sizes2])
            if done[corner // 3]:
                continue
            done[corner // 3] = 1
            count = _meet(corner, at, seen, found, count)
            for side in range(2):
                # The seed's third edge has no triangle behind it that is known.
                edge = after(corner) if side == 0 else before(corner)
                beyond = np.int64(opposite[edge])
                if beyond < 0 or done[beyond // 3]:
                    continue
                tip = at[beyond]
                if seen[tip]:
                    stacks[0, sizes0] = beyond
                    sizes0 += 1
                    continue
                degree[tip] += 1
                if degree[tip] > 1:
                    stacks[1, sizes1] = beyond
                    sizes1 += 1
                else:
                    stacks[2, sizes2] = beyond
                    sizes2 += 1
            beyond = np.int64(opposite[corner])
            if corner == seed and beyond >= 0 and not done[beyond // 3]:
                stacks[2, sizes2] = beyond
                sizes2 += 1
    return count


def traverse(surface: Surface) -> Traversal:
    """The coding order of a surface's vertices; a function of ``triangles`` and ``opposite``."""
    triangles = len(surface.triangles)
    at = corner_vertices(surface)
    found = Traversal(np.zeros(surface.used, np.int32), np.zeros(surface.used, np.int32))
    work = (np.zeros((3, 3 * triangles + 2), np.int32), np.zeros(surface.used, np.int32))
    seen, done = np.zeros(surface.used, np.uint8), np.zeros(triangles, np.uint8)
    count = _traverse(at, surface.opposite, seen, done, work, found)
    return Traversal(found.order[:count], found.gates[:count])


def corner_vertices(surface: Surface) -> Int32s:
    """The vertex of each corner, int32 ``[3 T]``."""
    return np.ascontiguousarray(surface.vertex[surface.triangles.ravel()], dtype=np.int32)
