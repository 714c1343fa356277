"""Normals recomputed from positions, and octahedral pairs of integers, in strict float64.

A normal of n bits is a pair in ``-c .. c``, c = 2^(n - 1) - 1: the octahedron |x| + |y| + |z| = 1
projected along z, its lower half folded outwards (Meyer et al., "On Floating-Point Normal Vectors",
2010). Pairs on the border stand for one normal two or more times; the canonical one has no negative
coordinate where the sign is free. nacre.transforms.octahedral has the same rule for arrays.

Files hold normals that some program computed: sums of the faces' normals weighted by area, by the
angle at the vertex, or not at all; of the faces that share the normal, or of all at its place (glTF
splits vertices along seams of textures, where nobody sees an edge). All are predictions. A pair is
coded as seen from the hemisphere of the prediction, whose border is far from it.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.mesh.attributes_model import Floats, Int32s, Int64s, Work
from nacre.entropy.mesh.attributes_prediction import add_neighbour, clear, squared
from nacre.entropy.mesh.attributes_ring import Number, Ring, last_corner, next_corner
from nacre.entropy.sequential import compiled

_WAYS = 3
"""By area, by angle, not at all."""
WEIGHTINGS = 2 * _WAYS
"""Of the faces at a value, then of the faces at its place."""
_TURN = 8
"""Places ``_TURN + w`` of the memory: how far weighting w misses lately."""
_FORGET = 1.0 / 64
_HALF, _LEAST = 0.49, 1e-9
# arccos(x) = sqrt(1 - x) * polynomial, to 2e-8 (Abramowitz and Stegun, 4.4.46).
_ARCCOS = np.array(
    [
        1.5707963050,
        -0.2145988016,
        0.0889789874,
        -0.0501743046,
        0.0308918810,
        -0.0170881256,
        0.0066700901,
        -0.0012624911,
    ]
)


@compiled
def arccos(x: Number) -> Number:
    """arccos of -1 .. 1 to 2e-8, the same everywhere."""
    magnitude = min(abs(x), 1.0)
    total = 0.0
    for k in range(7, -1, -1):
        total = total * magnitude + _ARCCOS[k]
    found = np.sqrt(1.0 - magnitude) * total
    return found if x >= 0.0 else np.pi - found


@compiled
def sum_normals(values: Int32s, vertices: Int32s, positions: Floats, normals: Floats) -> None:
    """The normals of faces summed at each value under three weightings, then of length one.

    Args:
        values: the value at each corner, int32 ``[3 F]``.
        vertices: the vertex at each corner, int32 ``[3 F]``.
        positions: float64 ``[N, 3]``.
        normals: float64 ``[3, n, 3]``, zeros; filled. What has no direction is ``(0, 0, 1)``.
    """
    for face in range(len(values) // 3):
        p, q, r = vertices[3 * face], vertices[3 * face + 1], vertices[3 * face + 2]
        ax, ay, az = _difference(positions, p, q)
        bx, by, bz = _difference(positions, p, r)
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        length = np.sqrt(x * x + y * y + z * z)
        if not length > 0.0:
            continue
        for k in range(3):
            corner = 3 * face + k
            own = vertices[corner]
            a, b = vertices[next_corner(corner)], vertices[last_corner(corner)]
            square_a, square_b = squared(positions, own, a), squared(positions, own, b)
            facing = squared(positions, a, b)
            cosine = (square_a + square_b - facing) / (2.0 * np.sqrt(square_a * square_b))
            angle = arccos(min(max(cosine, -1.0), 1.0))
            value = values[corner]
            for w in range(_WAYS):
                weight = 1.0 if w == 0 else (angle / length if w == 1 else 1.0 / length)
                normals[w, value, 0] += x * weight
                normals[w, value, 1] += y * weight
                normals[w, value, 2] += z * weight
    for w in range(_WAYS):
        for value in range(normals.shape[1]):
            _normalize(normals[w, value])


@compiled
def _difference(positions: Floats, a: Number, b: Number) -> tuple[Number, Number, Number]:
    return (
        positions[b, 0] - positions[a, 0],
        positions[b, 1] - positions[a, 1],
        positions[b, 2] - positions[a, 2],
    )


@compiled
def _normalize(vector: Floats) -> None:
    x, y, z = vector[0], vector[1], vector[2]
    length = np.sqrt(x * x + y * y + z * z)
    if length > 0.0:
        vector[0], vector[1], vector[2] = x / length, y / length, z / length
    else:
        vector[0], vector[1], vector[2] = 0.0, 0.0, 1.0


@compiled
def project(x: Number, y: Number, z: Number, c: Number) -> tuple[Number, Number]:
    """The point in the square ``-c .. c`` of a direction other than zero."""
    scale = c / (abs(x) + abs(y) + abs(z))
    s, t = x * scale, y * scale
    if z < 0.0:
        folded = (c - abs(t)) if x >= 0.0 else abs(t) - c
        t = (c - abs(s)) if y >= 0.0 else abs(s) - c
        s = folded
    return s, t


@compiled
def direction(s: Number, t: Number, c: Number) -> tuple[Number, Number, Number]:
    """The direction, of length one, of a point in the square."""
    x, y, z = s, t, c - abs(s) - abs(t)
    if z < 0.0:
        x = (c - abs(t)) if s >= 0.0 else abs(t) - c
        y = (c - abs(s)) if t >= 0.0 else abs(s) - c
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


@compiled
def canonical(s: Number, t: Number, c: Number) -> tuple[Number, Number]:
    """The pair that stands for all that mean the same normal."""
    if abs(s) == c and abs(t) == c:
        return c, c
    if abs(s) == c:
        return s, abs(t)
    if abs(t) == c:
        return abs(s), t
    return s, t


@compiled
def nearest_pair(x: Number, y: Number, z: Number, c: Number) -> tuple[Number, Number]:
    """The canonical pair nearest in space to a direction of length one."""
    top = np.float64(c)
    s, t = project(x, y, z, top)
    low_s, low_t = np.int64(np.floor(s)), np.int64(np.floor(t))
    best, found_s, found_t = np.float64(1e9), np.int64(0), np.int64(0)
    for i in range(2):
        for j in range(2):
            a = min(max(low_s + i, -c), c)
            b = min(max(low_t + j, -c), c)
            dx, dy, dz = direction(np.float64(a), np.float64(b), top)
            square = (dx - x) * (dx - x) + (dy - y) * (dy - y) + (dz - z) * (dz - z)
            if square < best:
                best, found_s, found_t = square, a, b
    return canonical(found_s, found_t, c)


@compiled
def all_equal(pairs: Int64s, normals: Floats, c: Number) -> bool:
    """Whether every pair is that of the recomputed normal.

    Args:
        pairs: int64 ``[n, 2]``.
        normals: of one weighting, float64 ``[n, 3]``.
        c: largest coordinate.
    """
    for value in range(len(pairs)):
        s, t = nearest_pair(normals[value, 0], normals[value, 1], normals[value, 2], c)
        if pairs[value, 0] != s or pairs[value, 1] != t:
            return False
    return True


@compiled
def fill_equal(pairs: Int64s, normals: Floats, c: Number) -> None:
    """Set every pair to that of the recomputed normal."""
    for value in range(len(pairs)):
        s, t = nearest_pair(normals[value, 0], normals[value, 1], normals[value, 2], c)
        pairs[value, 0], pairs[value, 1] = s, t


@compiled
def turned(s: Number, t: Number, c: Number) -> tuple[Number, Number]:
    """The canonical pair of a normal mirrored in the plane z = 0; its own inverse."""
    if abs(s) + abs(t) == c:
        return s, t
    a = (c - abs(t)) if s >= 0 else abs(t) - c
    b = (c - abs(s)) if t >= 0 else abs(s) - c
    return canonical(a, b, c)


@compiled
def _predict(work: Work, row: Number, x: Number, y: Number, z: Number, c: Number) -> None:
    if abs(x) + abs(y) + abs(z) > 0.0:
        work.predictions[row, 0], work.predictions[row, 1] = project(x, y, z, c)
    else:
        work.predictions[row, 0], work.predictions[row, 1] = 0.0, 0.0


@compiled
def _predict_recomputed(work: Work, row: Number, normal: Floats, mirror: Number, c: Number) -> None:
    """A recomputed normal, moved so that it rounds to the pair that quantising takes."""
    x, y, z = normal[0], normal[1], normal[2] * mirror
    _predict(work, row, x, y, z, np.float64(c))
    s, t = nearest_pair(x, y, z, c)
    low, high = np.float64(s) - _HALF, np.float64(s) + _HALF
    work.predictions[row, 0] = min(max(work.predictions[row, 0], low), high)
    low, high = np.float64(t) - _HALF, np.float64(t) + _HALF
    work.predictions[row, 1] = min(max(work.predictions[row, 1], low), high)


@compiled
def predict_normal(
    value: Number,
    c: Number,
    ring: Ring,
    values: Int64s,
    normals: Floats,
    positions: Floats,
    residuals: Floats,
    work: Work,
) -> Number:
    """Fill in predictions of a pair; return -1 if all are mirrored in the plane z = 0, else 1.

    Args:
        value: which one; those of lower rank are known.
        c: largest coordinate.
        ring: neighbours.
        values: pairs, int64 ``[n, 2]``.
        normals: recomputed, float64 ``[6, n, 3]``.
        positions: of all vertices, float64 ``[N, 3]``.
        residuals: what known values were missed by, ``[n, 2]``.
        work: where predictions go.
    """
    clear(work, 2)
    top, rank = np.float64(c), ring.rank[value]
    best = np.int64(0)
    for w in range(1, WEIGHTINGS):
        if work.memory[_TURN + w] < work.memory[_TURN + best]:
            best = np.int64(w)
    x, y, z = normals[best, value, 0], normals[best, value, 1], normals[best, value, 2]
    mirror = -1.0 if z < 0.0 else 1.0
    sum_x, sum_y, sum_z = 0.0, 0.0, 0.0
    off_x, off_y, off_z, known = 0.0, 0.0, 0.0, 0.0
    for at in range(ring.first[value], ring.first[value + 1]):
        corner = np.int64(ring.corners[at])
        complete = np.int64(0)
        for turn in range(2):
            other = np.int64(ring.values[next_corner(corner) if turn == 0 else last_corner(corner)])
            if ring.rank[other] < rank:
                complete += 1
                nx, ny, nz = direction(
                    np.float64(values[other, 0]), np.float64(values[other, 1]), top
                )
                add_neighbour(other, 1.0, values, residuals, work)
                known += 1.0
                sum_x, sum_y, sum_z = sum_x + nx, sum_y + ny, sum_z + nz
                off_x += nx - normals[best, other, 0]
                off_y += ny - normals[best, other, 1]
                off_z += nz - normals[best, other, 2]
        if complete == 2:
            work.degrees[0] += 1
    family = best - best % _WAYS
    other, second = np.int64(_WAYS) - family, family + (best + 1) % _WAYS
    for w in range(1, _WAYS):
        if work.memory[_TURN + _WAYS - family + w] < work.memory[_TURN + other]:
            other = _WAYS - family + w
    _predict_recomputed(work, 0, normals[best, value], mirror, c)
    _predict_recomputed(work, 1, normals[other, value], mirror, c)
    _predict_recomputed(work, 2, normals[second, value], mirror, c)
    if known > 0.0:
        off_x, off_y, off_z = off_x / known, off_y / known, off_z / known
        _predict(work, 3, sum_x, sum_y, sum_z * mirror, top)
    else:
        _predict(work, 3, x, y, z * mirror, top)
    _predict(work, 4, x + off_x, y + off_y, (z + off_z) * mirror, top)
    _predict(work, 5, x + 0.5 * off_x, y + 0.5 * off_y, (z + 0.5 * off_z) * mirror, top)
    twin = np.int64(ring.twin[value])
    if twin >= 0:
        work.degrees[2] = 1
        nx, ny, nz = direction(np.float64(values[twin, 0]), np.float64(values[twin, 1]), top)
        _predict(work, 5, nx, ny, nz * mirror, top)
    return np.int64(mirror)


@compiled
def learn_weighting(work: Work, normals: Floats, value: Number, pair: Int64s, c: Number) -> None:
    """Note how far each weighting misses the normal of a pair."""
    x, y, z = direction(np.float64(pair[0]), np.float64(pair[1]), np.float64(c))
    for w in range(WEIGHTINGS):
        missed = abs(x - normals[w, value, 0]) + abs(y - normals[w, value, 1])
        missed += abs(z - normals[w, value, 2])
        lately = work.memory[_TURN + w]
        work.memory[_TURN + w] = max(lately + (missed - lately) * _FORGET, _LEAST)
