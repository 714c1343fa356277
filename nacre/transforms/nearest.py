"""The nearest triangle of a mesh to each of many points, exactly.

A tree of boxes over triangles in Morton order: leaves of four, a complete binary tree above them
in one array. Points are triangles of equal corners, so that the same search serves clouds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

LEAF = 4
DEPTH = 64
"""More than the levels of any tree, so that the stack of a search cannot overflow."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Triangles to search.

    Attributes:
        corners: float64 ``[T, 3, 3]``, in Morton order of the centres.
        number: of each in the order it was given in, int64 ``[T]``.
        boxes: low and high corner of each node, float64 ``[2 L, 2, 3]``; node 1 is the root, node
            ``n`` has the children ``2 n`` and ``2 n + 1``, node ``L + i`` is leaf ``i``.
    """

    corners: Floats
    number: Int64s
    boxes: Floats

    @classmethod
    def of(cls, corners: Floats) -> Tree:
        """A tree over triangles ``[T, 3, 3]``, at least one, all finite."""
        order = np.argsort(_morton(corners.mean(axis=1)), kind="stable")
        sorted_corners = np.ascontiguousarray(corners[order], dtype=np.float64)
        leaves = 1
        while leaves * LEAF < len(corners):
            leaves *= 2
        low = np.full((leaves * LEAF, 3), np.inf)
        high = np.full((leaves * LEAF, 3), -np.inf)
        low[: len(corners)] = sorted_corners.min(axis=1)
        high[: len(corners)] = sorted_corners.max(axis=1)
        boxes = np.empty((2 * leaves, 2, 3))
        boxes[leaves:, 0] = low.reshape(leaves, LEAF, 3).min(axis=1)
        boxes[leaves:, 1] = high.reshape(leaves, LEAF, 3).max(axis=1)
        level = leaves
        while level > 1:
            half = level // 2
            boxes[half:level, 0] = boxes[level : 2 * level, 0].reshape(half, 2, 3).min(axis=1)
            boxes[half:level, 1] = boxes[level : 2 * level, 1].reshape(half, 2, 3).max(axis=1)
            level = half
        return cls(sorted_corners, order, boxes)

    def nearest(
        self, points: Floats, labels: Int64s | None = None, wanted: Int64s | None = None
    ) -> tuple[Floats, Int64s]:
        """Distances to the nearest triangle, float64 ``[P]``, and which it is, int64 ``[P]``.

        Args:
            points: float64 ``[P, 3]``, finite.
            labels: of each triangle, int64 ``[T]``; None: all have one.
            wanted: for each point the label that its triangle must have, int64 ``[P]``; a triangle
                has it.
        """
        squared = np.empty(len(points))
        which = np.empty(len(points), dtype=np.int64)
        if labels is None or wanted is None:
            labels, wanted = np.zeros_like(self.number), np.zeros_like(which)
        own, points = labels[self.number], np.ascontiguousarray(points)
        _search(points, self.corners, self.boxes, own, wanted, squared, which)
        return np.sqrt(squared), self.number[which]


def _morton(points: Floats) -> Int64s:
    """Interleaved bits of the points on a grid of 2^16, int64 ``[P]``."""
    low = points.min(axis=0)
    side = float((points.max(axis=0) - low).max()) or 1.0
    grid = ((points - low) * (65535 / side)).astype(np.int64)
    code = np.zeros(len(points), dtype=np.int64)
    for bit in range(16):
        for axis in range(3):
            code |= (grid[:, axis] >> bit & 1) << (3 * bit + axis)
    return code


@numba.njit(cache=True, nogil=True)
def _search(points, corners, boxes, labels, wanted, squared, which):  # type: ignore[no-untyped-def]
    leaves = len(boxes) // 2
    stack = np.empty(DEPTH, np.int64)
    bounds = np.empty(DEPTH, np.float64)
    for i in range(len(points)):
        p = points[i]
        best, found = np.inf, 0
        stack[0], bounds[0], top = 1, _to_box(p, boxes[1]), 1
        while top > 0:
            top -= 1
            if bounds[top] >= best:
                continue
            node = stack[top]
            if node >= leaves:
                first = (node - leaves) * LEAF
                for t in range(first, min(first + LEAF, len(corners))):
                    if labels[t] != wanted[i]:
                        continue
                    distance = squared_to_triangle(p, corners[t, 0], corners[t, 1], corners[t, 2])
                    if distance < best:
                        best, found = distance, t
                continue
            near, far = 2 * node, 2 * node + 1
            near_bound, far_bound = _to_box(p, boxes[near]), _to_box(p, boxes[far])
            if far_bound < near_bound:
                near, far = far, near
                near_bound, far_bound = far_bound, near_bound
            stack[top], bounds[top] = far, far_bound
            stack[top + 1], bounds[top + 1] = near, near_bound
            top += 2
        squared[i], which[i] = best, found


@numba.njit(cache=True, nogil=True)
def _to_box(p, box):  # type: ignore[no-untyped-def]
    """The squared distance of a point to a box; infinite for one that holds nothing."""
    total = 0.0
    for k in range(3):
        outside = max(box[0, k] - p[k], 0.0, p[k] - box[1, k])
        total += outside * outside
    return total


@numba.njit(cache=True, nogil=True)
def squared_to_triangle(p, a, b, c):  # type: ignore[no-untyped-def]
    """The squared distance of a point to a triangle, which may be a line or a point.

    The nearest of the three edges, or the plane where the point's foot lies inside: no case
    divides by an area or a length that may be 0.
    """
    best = min(_to_edge(p, a, b), _to_edge(p, b, c), _to_edge(p, c, a))
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    wx, wy, wz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    area = nx * nx + ny * ny + nz * nz
    if area > 0.0:
        s = nx * (wy * vz - wz * vy) + ny * (wz * vx - wx * vz) + nz * (wx * vy - wy * vx)
        t = nx * (uy * wz - uz * wy) + ny * (uz * wx - ux * wz) + nz * (ux * wy - uy * wx)
        if s >= 0.0 and t >= 0.0 and s + t <= area:
            height = wx * nx + wy * ny + wz * nz
            best = min(best, height * height / area)
    return best


@numba.njit(cache=True, nogil=True)
def _to_edge(p, a, b):  # type: ignore[no-untyped-def]
    dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    wx, wy, wz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    length = dx * dx + dy * dy + dz * dz
    t = 0.0
    if length > 0.0:
        t = min(max((wx * dx + wy * dy + wz * dz) / length, 0.0), 1.0)
    x, y, z = wx - t * dx, wy - t * dy, wz - t * dz
    return x * x + y * y + z * z
