"""The nearest points of each point, found in a tree of boxes over points in Morton order.

A leaf of the tree is eight consecutive points. Distances are float64 sums of three squares in one
order, so that both ends find the same neighbours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import compiled

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]

NEAR = 24
"""Points that are looked for around each."""
EARLIER = 12
"""Of them, how many that come before it are kept."""
_LEAF = 8
_FAR = np.float64(1e300)


class Neighbours(NamedTuple):
    """What surrounds each point.

    Attributes:
        earlier: the nearest of the points before it, nearest first, int32 ``[N, EARLIER]``; where
            there are fewer, those just before it, and -1 at the beginning.
        weights: 1 / (distance + the least mean distance), 0 for -1, float64 ``[N, EARLIER]``.
        spread: mean distance of the NEAR nearest points, before or after, float64 ``[N]``.
        scatter: second moments of their offsets over the square of spread: xx, yy, zz, xy, xz, yz,
            float64 ``[N, 6]``.
    """

    earlier: Int32s
    weights: Floats
    spread: Floats
    scatter: Floats


def neighbours(points: Floats) -> Neighbours:
    """The neighbours of points that are in Morton order, float64 ``[N, 3]``, finite."""
    count = len(points)
    leaves = 1
    while leaves * _LEAF < count:
        leaves *= 2
    boxes = np.empty((2 * leaves, 6), np.float64)
    found = Neighbours(
        np.full((count, EARLIER), -1, np.int32),
        np.zeros((count, EARLIER), np.float64),
        np.zeros(count, np.float64),
        np.zeros((count, 6), np.float64),
    )
    _build(points, leaves, boxes)
    near = np.empty(NEAR, np.int64), np.empty(NEAR, np.float64)
    stack = np.empty(128, np.int64), np.empty(128, np.float64)
    _search(
        points, leaves, boxes, near[0], near[1], stack[0], stack[1],
        found.earlier, found.weights, found.spread, found.scatter,
    )  # fmt: skip
    return found


@compiled
def _build(points: Floats, leaves: int, boxes: Floats) -> None:
    """Boxes of a heap: node 1 is the root, nodes ``leaves`` and up are the leaves."""
    for leaf in range(leaves):
        box = boxes[leaves + leaf]
        for axis in range(3):
            box[axis], box[3 + axis] = _FAR, -_FAR
        for i in range(leaf * _LEAF, min(leaf * _LEAF + _LEAF, len(points))):
            for axis in range(3):
                box[axis] = min(box[axis], points[i, axis])
                box[3 + axis] = max(box[3 + axis], points[i, axis])
    for node in range(leaves - 1, 0, -1):
        for axis in range(3):
            boxes[node, axis] = min(boxes[2 * node, axis], boxes[2 * node + 1, axis])
            boxes[node, 3 + axis] = max(boxes[2 * node, 3 + axis], boxes[2 * node + 1, 3 + axis])


@compiled
def _gap(boxes: Floats, node: int, points: Floats, i: int) -> Any:
    """Squared distance of a point from a box; huge when the box is empty."""
    if boxes[node, 0] > boxes[node, 3]:
        return _FAR
    total = 0.0
    for axis in range(3):
        value = points[i, axis]
        miss = max(max(boxes[node, axis] - value, value - boxes[node, 3 + axis]), 0.0)
        total += miss * miss
    return total


@compiled
def _visit(
    points: Floats, i: int, leaf: int, near: npt.NDArray[np.int64], far: Floats, count: int
) -> int:
    """Insert the points of a leaf into the nearest ones; returns how many those are."""
    for j in range(leaf * _LEAF, min(leaf * _LEAF + _LEAF, len(points))):
        if j == i:
            continue
        dx, dy, dz = (
            points[j, 0] - points[i, 0],
            points[j, 1] - points[i, 1],
            points[j, 2] - points[i, 2],
        )
        distance = dx * dx + dy * dy + dz * dz
        if count == NEAR and distance >= far[NEAR - 1]:
            continue
        at = count if count < NEAR else NEAR - 1
        while at > 0 and far[at - 1] > distance:
            far[at], near[at] = far[at - 1], near[at - 1]
            at -= 1
        far[at], near[at] = distance, j
        count = min(count + 1, NEAR)
    return count


@compiled
def _search(
    points: Floats,
    leaves: int,
    boxes: Floats,
    near: npt.NDArray[np.int64],
    far: Floats,
    stack: npt.NDArray[np.int64],
    gaps: Floats,
    earlier: Int32s,
    weights: Floats,
    spread: Floats,
    scatter: Floats,
) -> None:
    for i in range(len(points)):
        own = i // _LEAF
        count = _visit(points, i, own, near, far, 0)
        stack[0], gaps[0], height = 1, 0.0, 1
        while height > 0:
            height -= 1
            node = stack[height]
            if count == NEAR and gaps[height] >= far[NEAR - 1]:
                continue
            if node >= leaves:
                if node - leaves != own:
                    count = _visit(points, i, node - leaves, near, far, count)
                continue
            left, right = _gap(boxes, 2 * node, points, i), _gap(boxes, 2 * node + 1, points, i)
            order = 0 if left <= right else 1
            for turn in range(2):
                side = 1 - order if turn == 0 else order
                gap = right if side else left
                if gap < _FAR and (count < NEAR or gap < far[NEAR - 1]):
                    stack[height], gaps[height] = 2 * node + side, gap
                    height += 1
        _keep(points, i, near, far, count, earlier, weights, spread, scatter)


@compiled
def _keep(
    points: Floats,
    i: int,
    near: npt.NDArray[np.int64],
    far: Floats,
    count: int,
    earlier: Int32s,
    weights: Floats,
    spread: Floats,
    scatter: Floats,
) -> None:
    """Write down what was found around point ``i``."""
    total = 0.0
    for k in range(count):
        total += np.sqrt(far[k])
        dx, dy, dz = (
            points[near[k], 0] - points[i, 0],
            points[near[k], 1] - points[i, 1],
            points[near[k], 2] - points[i, 2],
        )
        scatter[i, 0] += dx * dx
        scatter[i, 1] += dy * dy
        scatter[i, 2] += dz * dz
        scatter[i, 3] += dx * dy
        scatter[i, 4] += dx * dz
        scatter[i, 5] += dy * dz
    mean = total / count if count else 0.0
    spread[i] = mean
    if mean > 0.0:
        for k in range(6):
            scatter[i, k] /= mean * mean * count
    kept = 0
    for k in range(count):
        if near[k] < i and kept < EARLIER:
            earlier[i, kept] = np.int32(near[k])
            kept += 1
    back = i - 1
    while kept < EARLIER and back >= 0 and back > i - 32:
        known = False
        for k in range(kept):
            known = known or earlier[i, k] == back
        if not known:
            earlier[i, kept] = np.int32(back)
            kept += 1
        back -= 1
    for k in range(kept):
        j = earlier[i, k]
        dx, dy, dz = (
            points[j, 0] - points[i, 0],
            points[j, 1] - points[i, 1],
            points[j, 2] - points[i, 2],
        )
        reach = np.sqrt(dx * dx + dy * dy + dz * dz) + 0.25 * mean
        weights[i, k] = 1.0 / reach if reach > 0.0 else 1.0
