"""Steps around a vertex: who is known across an edge, frames, angles. Used by ``predictors.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.functions import angle_of, cotangent
from nacre.entropy.mesh.traversal import after, before
from nacre.entropy.sequential import Number, compiled

if TYPE_CHECKING:
    from nacre.entropy.mesh.predictors import Net, Past

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]


@compiled
def length(x: float, y: float, z: float) -> float:
    return float(np.sqrt(x * x + y * y + z * z))


@compiled
def distance(points: Floats, i: Number, k: Number) -> float:
    return length(
        points[i, 0] - points[k, 0], points[i, 1] - points[k, 1], points[i, 2] - points[k, 2]
    )


@compiled
def known_tip(net: Net, past: Past, corner: Number) -> Number:
    """The vertex across the edge that faces a corner if the triangle there is known, else -1."""
    beyond = np.int64(net.opposite[corner])
    if beyond < 0:
        return np.int64(-1)
    tip = np.int64(net.at[beyond])
    if not (past.known[tip] and past.known[net.at[after(corner)]]):
        return np.int64(-1)
    return tip if past.known[net.at[before(corner)]] else np.int64(-1)


@compiled
def turned_corner(net: Net, corner: Number, way: Number) -> Number:
    """The next corner at the same copy, over the edge to the next (0) or previous (1) corner's
    vertex; -1 at a boundary."""
    if way == 0:
        beyond = np.int64(net.opposite[before(corner)])
        return beyond if beyond < 0 else before(beyond)
    beyond = np.int64(net.opposite[after(corner)])
    return beyond if beyond < 0 else after(beyond)


@compiled
def set_frame(frame: Floats, along: Floats, ridge: Floats) -> None:
    """The gate's frame: along b - a, in the plane away from o, and the normal; else the axes."""
    nx = along[1] * ridge[2] - along[2] * ridge[1]
    ny = along[2] * ridge[0] - along[0] * ridge[2]
    nz = along[0] * ridge[1] - along[1] * ridge[0]
    normal, edge = length(nx, ny, nz), length(along[0], along[1], along[2])
    if normal == 0.0:
        for i in range(3):
            for k in range(3):
                frame[i, k] = 1.0 if i == k else 0.0
        return
    for i in range(3):
        frame[0, i] = along[i] / edge
    frame[2, 0] = nx / normal
    frame[2, 1] = ny / normal
    frame[2, 2] = nz / normal
    frame[1, 0] = frame[2, 1] * frame[0, 2] - frame[2, 2] * frame[0, 1]
    frame[1, 1] = frame[2, 2] * frame[0, 0] - frame[2, 0] * frame[0, 2]
    frame[1, 2] = frame[2, 0] * frame[0, 1] - frame[2, 1] * frame[0, 0]


@compiled
def expected_angle(past: Past, copy: Number, border: Number, left: Number) -> float:
    """The angle of one of the ``left`` open triangles at a copy, in turns."""
    rest = (0.5 if border else 1.0) - past.turned[copy]
    share = rest / np.float64(max(left, 1))
    return float(min(max(share, 0.02), 0.4))


@compiled
def add_closing(net: Net, past: Past, corner: Number, base: Floats, vector: Floats) -> Number:
    """Add what makes the vertex at ``corner`` the mean of its neighbours to ``vector``.

    Only if the vertex being coded is the one neighbour that is missing. 1 if it was added.
    """
    copy = net.copies[corner]
    if past.open[copy] != 2 or net.border[copy]:
        return 0
    at = np.int64(net.at[corner])
    valence = np.int64(net.valence[copy])
    place = corner
    x, y, z = 0.0, 0.0, 0.0
    for _ in range(valence):
        near = np.int64(net.at[after(place)])
        if past.known[near]:
            x += past.positions[near, 0]
            y += past.positions[near, 1]
            z += past.positions[near, 2]
        place = turned_corner(net, place, 1)
        if place < 0:
            return 0
    size = np.float64(valence)
    vector[0] += size * past.positions[at, 0] - x - base[0]
    vector[1] += size * past.positions[at, 1] - y - base[1]
    vector[2] += size * past.positions[at, 2] - z - base[2]
    return 1


@compiled
def set_across(
    net: Net, past: Past, corner: Number, end: Number, o: Number, vector: Floats
) -> None:
    """The parallelogram over the edge facing ``corner`` missed ``end`` by this; else zero."""
    tip = known_tip(net, past, corner)
    if tip < 0:
        return
    other = np.int64(net.at[after(corner)])
    if other == o:
        other = np.int64(net.at[before(corner)])
    for i in range(3):
        vector[i] = (
            past.positions[end, i]
            + past.positions[tip, i]
            - past.positions[other, i]
            - past.positions[o, i]
        )


@compiled
def add_angle_tip(net: Net, past: Past, corner: Number, vector: Floats) -> tuple[float, float]:
    """Add where the expected angles at the far edge of a corner put the corner, in the plane of the
    triangle behind that edge; returns those angles."""
    corner_a, corner_b = after(corner), before(corner)
    copy_a, copy_b = np.int64(net.copies[corner_a]), np.int64(net.copies[corner_b])
    angle_a = expected_angle(past, copy_a, net.border[copy_a], past.open[copy_a])
    angle_b = expected_angle(past, copy_b, net.border[copy_b], past.open[copy_b])
    cot_a, cot_b = cotangent(angle_a), cotangent(angle_b)
    height = 1.0 / max(cot_a + cot_b, 0.25)
    share = height * cot_a
    positions = past.positions
    a, b, o = (
        np.int64(net.at[corner_a]),
        np.int64(net.at[corner_b]),
        np.int64(net.at[net.opposite[corner]]),
    )
    ex = positions[b, 0] - positions[a, 0]
    ey = positions[b, 1] - positions[a, 1]
    ez = positions[b, 2] - positions[a, 2]
    rx = positions[a, 0] - positions[o, 0]
    ry = positions[a, 1] - positions[o, 1]
    rz = positions[a, 2] - positions[o, 2]
    square = ex * ex + ey * ey + ez * ez
    along = (rx * ex + ry * ey + rz * ez) / max(square, 1e-9)
    # What of a - o is at right angles to the edge, as long as the edge.
    rx, ry, rz = rx - along * ex, ry - along * ey, rz - along * ez
    across = rx * rx + ry * ry + rz * rz
    scale = height * np.sqrt(square / max(across, 1e-9))
    vector[0] += positions[a, 0] + share * ex + scale * rx
    vector[1] += positions[a, 1] + share * ey + scale * ry
    vector[2] += positions[a, 2] + share * ez + scale * rz
    return angle_a, angle_b


@compiled
def enter_angle(
    past: Past, copies: Int32s, corner: Number, p: Number, q: Number, r: Number
) -> None:
    """Add the angle at p between q and r to its copy."""
    positions = past.positions
    ux, uy, uz = (
        positions[q, 0] - positions[p, 0],
        positions[q, 1] - positions[p, 1],
        positions[q, 2] - positions[p, 2],
    )
    vx, vy, vz = (
        positions[r, 0] - positions[p, 0],
        positions[r, 1] - positions[p, 1],
        positions[r, 2] - positions[p, 2],
    )
    across = length(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    copy = copies[corner]
    past.turned[copy] += angle_of(across, ux * vx + uy * vy + uz * vz)
    past.open[copy] -= 1
