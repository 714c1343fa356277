"""Predictions of a value from neighbours that are known, in strict float64.

Positions of all vertices are known, that of the value's own vertex, too. So besides parallelograms
there are two predictions that look at shapes: a triangle across an edge, unfolded into the plane of
the value's triangle, continues linearly (exact wherever the attribute is affine along the surface);
and of texture coordinates the triangle has the shape that it has in space (Draco's "TexCoords
Portable" predictor: M. Isenburg, "Similarity-based texture coordinate prediction", 2003 onwards).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.attributes_model import Floats, Int64s, Work
from nacre.entropy.mesh.attributes_ring import Number, Ring, last_corner, next_corner
from nacre.entropy.sequential import compiled

_LINEAR, _PARALLELOGRAM, _NEAR, _NEAREST, _OTHER, _GATE = 0, 1, 2, 3, 4, 5
"""Rows of predictions; the one but last is the triangle's shape for texture coordinates, else the
plain mean of neighbours; the last one the best single triangle's."""
_PARALLELOGRAMS, _GATES, _NEIGHBOURS, _WEIGHTED = 1, 2, 3, 4
"""Rows of sums; sums of linear continuations and of shapes are in the predictions' rows."""
_SIDE = 0
"""Place in the memory: on which side of their edges triangles lie in the texture."""
_STEEPEST = 1e-9


@compiled
def clear(work: Work, channels: Number) -> None:
    """Nothing is known around the value yet."""
    for k in range(channels):
        for row in range(len(work.predictions)):
            work.predictions[row, k] = 0.0
        for row in range(len(work.sums)):
            work.sums[row, k] = 0.0
        for row in range(3):
            work.around[row, k] = 0.0
    work.degrees[0] = 0
    work.degrees[1] = 0
    work.degrees[2] = 0


@compiled
def add_neighbour(
    other: Number, weight: Number, values: Int64s, residuals: Floats, work: Work
) -> None:
    """A known neighbour's numbers and what they were missed by."""
    work.degrees[1] += 1
    for k in range(values.shape[1]):
        number, residual = np.float64(values[other, k]), residuals[other, k]
        work.sums[_NEIGHBOURS, k] += number
        work.sums[_WEIGHTED, k] += number * weight
        work.around[0, k] += residual
        work.around[1, k] += abs(residual)
        work.around[2, k] += 1.0


@compiled
def squared(positions: Floats, a: Number, b: Number) -> Number:
    """The squared distance of two vertices."""
    x = positions[b, 0] - positions[a, 0]
    y = positions[b, 1] - positions[a, 1]
    z = positions[b, 2] - positions[a, 2]
    return x * x + y * y + z * z


@compiled
def _along(positions: Floats, a: Number, b: Number, tip: Number) -> Number:
    """Where the foot of ``tip`` lies from a (0) to b (1)."""
    x = positions[b, 0] - positions[a, 0]
    y = positions[b, 1] - positions[a, 1]
    z = positions[b, 2] - positions[a, 2]
    dot = x * (positions[tip, 0] - positions[a, 0])
    dot += y * (positions[tip, 1] - positions[a, 1])
    dot += z * (positions[tip, 2] - positions[a, 2])
    return dot / (x * x + y * y + z * z)


@compiled
def _away(positions: Floats, a: Number, b: Number, tip: Number, foot: Number) -> Number:
    """How far ``tip`` is from the line through a and b, by their distance."""
    square = squared(positions, a, tip) / squared(positions, a, b) - foot * foot
    return np.sqrt(square) if square > 0.0 else 0.0


@compiled
def _add_shape(
    a: Number, b: Number, foot: Number, height: Number, values: Int64s, work: Work, best: bool
) -> None:
    """The triangle's third corner in the texture if it has the shape that it has in space."""
    u, v = np.float64(values[a, 0]), np.float64(values[a, 1])
    du, dv = np.float64(values[b, 0]) - u, np.float64(values[b, 1]) - v
    lift = height * work.memory[_SIDE]
    found_u, found_v = u + foot * du - lift * dv, v + foot * dv + lift * du
    work.predictions[_OTHER, 0] += found_u
    work.predictions[_OTHER, 1] += found_v
    if best:
        work.sums[_GATES, 0] = found_u
        work.sums[_GATES, 1] = found_v


@compiled
def _add_triangle(
    value: Number,
    a: Number,
    b: Number,
    across: Number,
    texture: bool,
    ring: Ring,
    values: Int64s,
    positions: Floats,
    work: Work,
) -> None:
    """What a triangle says whose other two corners are known, and the one across their edge."""
    channels = values.shape[1]
    p, pa, pb = ring.vertex[value], ring.vertex[a], ring.vertex[b]
    flat = squared(positions, pa, pb) <= 0.0
    foot = 0.5 if flat else _along(positions, pa, pb, p)
    height = 0.0 if flat else _away(positions, pa, pb, p, foot)
    best = work.degrees[0] == 0 or height < work.sums[_GATES, channels]
    work.degrees[0] += 1
    if best:
        work.sums[_GATES, channels] = height
    if across >= 0 and texture:
        u, v = np.float64(values[a, 0]), np.float64(values[a, 1])
        du, dv = np.float64(values[b, 0]) - u, np.float64(values[b, 1]) - v
        area = du * (np.float64(values[across, 1]) - v) - dv * (np.float64(values[across, 0]) - u)
        if area != 0.0:
            work.memory[_SIDE] = -1.0 if area > 0.0 else 1.0
    if texture:
        _add_shape(a, b, foot, height, values, work, best)
    if across < 0:
        return
    tip = ring.vertex[across]
    beyond = 0.0 if flat else _along(positions, pa, pb, tip)
    depth = 0.0 if flat else _away(positions, pa, pb, tip, beyond)
    steep = height / depth if depth > _STEEPEST else 1e9
    weight = 1.0 / (1.0 + steep * steep)
    usable = steep < 16.0
    work.sums[_PARALLELOGRAMS, channels] += 1.0
    if usable:
        work.sums[_LINEAR, channels] += weight
    for k in range(channels):
        at_a, at_b = np.float64(values[a, k]), np.float64(values[b, k])
        at_tip = np.float64(values[across, k])
        work.sums[_PARALLELOGRAMS, k] += at_a + at_b - at_tip
        if usable:
            slope = at_a + beyond * (at_b - at_a) - at_tip
            found = at_a + foot * (at_b - at_a) + steep * slope
            work.predictions[_LINEAR, k] += weight * found
            if best and not texture:
                work.sums[_GATES, k] = found
    if best and usable and not texture:
        work.degrees[1] |= 1 << 20


@compiled
def predict_along(
    value: Number,
    texture: bool,
    ring: Ring,
    values: Int64s,
    positions: Floats,
    residuals: Floats,
    work: Work,
) -> None:
    """Fill in the predictions of a value and the sums around it.

    Args:
        value: which one; those of lower rank are known.
        texture: two channels are texture coordinates.
        ring: neighbours.
        values: all numbers, int64 ``[n, K]``.
        positions: of all vertices, float64 ``[N, 3]``.
        residuals: what known values were missed by, ``[n, K]``.
        work: where predictions go.
    """
    channels = values.shape[1]
    clear(work, channels)
    rank, own = ring.rank[value], ring.vertex[value]
    nearest, least, total = np.int64(ring.twin[value]), np.float64(0.0), np.float64(0.0)
    twin = nearest >= 0
    work.degrees[2] = np.int64(twin)
    for at in range(ring.first[value], ring.first[value + 1]):
        corner = np.int64(ring.corners[at])
        a = np.int64(ring.values[next_corner(corner)])
        b = np.int64(ring.values[last_corner(corner)])
        knows_a, knows_b = ring.rank[a] < rank, ring.rank[b] < rank
        for turn in range(2):
            other = a if turn == 0 else b
            if knows_a if turn == 0 else knows_b:
                square = squared(positions, own, ring.vertex[other])
                weight = 1.0 / (np.sqrt(square) + 1e-3)
                total += weight
                add_neighbour(other, weight, values, residuals, work)
                if not twin and (nearest < 0 or square < least):
                    nearest, least = other, square
        if knows_a and knows_b:
            across = np.int64(-1)
            if ring.opposite[corner] >= 0:
                across = np.int64(ring.values[ring.opposite[corner]])
                if ring.rank[across] >= rank:
                    across = np.int64(-1)
            _add_triangle(value, a, b, across, texture, ring, values, positions, work)
    _finish(rank, nearest, total, texture, ring, values, work)


@compiled
def _finish(
    rank: Number,
    nearest: Number,
    total: Number,
    texture: bool,
    ring: Ring,
    values: Int64s,
    work: Work,
) -> None:
    """Sums become means; what has none falls back to the next simpler prediction."""
    channels = values.shape[1]
    gated = (texture and work.degrees[0] > 0) or work.degrees[1] >> 20 > 0
    neighbours = work.degrees[1] & ((1 << 20) - 1)
    work.degrees[1] = neighbours
    if nearest < 0 and rank > 0:
        nearest = np.int64(ring.order[rank - 1])
    linear = work.sums[_LINEAR, channels]
    parallelograms = work.sums[_PARALLELOGRAMS, channels]
    for k in range(channels):
        simple = np.float64(values[nearest, k]) if nearest >= 0 else 0.0
        near = work.sums[_WEIGHTED, k] / total if neighbours > 0 else simple
        mean = work.sums[_NEIGHBOURS, k] / np.float64(neighbours) if neighbours > 0 else simple
        shape = near
        if texture and work.degrees[0] > 0:
            shape = work.predictions[_OTHER, k] / np.float64(work.degrees[0])
        crossed = shape
        if parallelograms > 0.0:
            crossed = work.sums[_PARALLELOGRAMS, k] / parallelograms
        straight = shape if texture else crossed
        if linear > 0.0:
            straight = work.predictions[_LINEAR, k] / linear
        work.predictions[_LINEAR, k] = straight
        work.predictions[_PARALLELOGRAM, k] = crossed
        work.predictions[_NEAR, k] = near
        work.predictions[_NEAREST, k] = simple
        work.predictions[_OTHER, k] = shape if texture else mean
        work.predictions[_GATE, k] = work.sums[_GATES, k] if gated else straight
    work.sums[_GATES, channels] = 0.0
    work.sums[_LINEAR, channels] = 0.0
    work.sums[_PARALLELOGRAMS, channels] = 0.0


def start_memory(work: Work) -> None:
    """Triangles are taken to lie in the texture as seen from outside until others were seen."""
    work.memory[_SIDE] = 1.0


def as_floats(positions: npt.NDArray[np.int64]) -> Floats:
    """Lattice positions as float64, which holds them exactly."""
    return np.ascontiguousarray(positions, dtype=np.float64)
