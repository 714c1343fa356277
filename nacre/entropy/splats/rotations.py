"""Rotations: what the neighbours' flat sides say of one, and how its quaternion is coded.

Splats lie in surfaces: the shortest axis of each is about the surface's normal. Given that normal
from the neighbours and which axis is shortest (scales come first), the rotation is one of a circle
of quaternions, or of a second circle for the opposite normal. Points of both circles are the
components of a mixture: each component of the quaternion is coded under it, and what was coded
decides how the points are weighed for the next one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import compiled
from nacre.entropy.splats.candidates import Number
from nacre.entropy.splats.values import cumulative
from nacre.entropy.tables import TOTAL

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

STEPS = 24
"""Points of half a circle; the other half are the same rotations."""
POINTS = 2 * STEPS
WIDTHS = 2
"""Mixtures: of narrow and of wide components."""


def _angles() -> Floats:
    """Cosines and sines of 0, 7.5, ... 172.5 degrees by square roots alone, ``[STEPS, 2]``."""
    cosine = np.sqrt(0.75)
    for _ in range(2):
        cosine = np.sqrt((1.0 + cosine) / 2.0)
    sine = np.sqrt(1.0 - cosine * cosine)
    found = [(1.0, 0.0)]
    for _ in range(STEPS - 1):
        c, s = found[-1]
        found.append((c * cosine - s * sine, s * cosine + c * sine))
    return np.array(found)


_ANGLES = _angles()
_ARC = 0.065
"""Half the distance of two points of a circle."""


@compiled
def times(p: Floats, q: Floats, out: Floats) -> None:
    """The product of two quaternions (w, x, y, z)."""
    out[0] = p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3]
    out[1] = p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2]
    out[2] = p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1]
    out[3] = p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0]


@compiled
def matrix_of(q: Floats, out: Floats) -> None:
    """The rotation matrix ``[3, 3]`` of a unit quaternion (w, x, y, z)."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    out[0, 0], out[1, 1] = 1 - 2 * (y * y + z * z), 1 - 2 * (x * x + z * z)
    out[2, 2] = 1 - 2 * (x * x + y * y)
    out[0, 1], out[1, 0] = 2 * (x * y - w * z), 2 * (x * y + w * z)
    out[0, 2], out[2, 0] = 2 * (x * z + w * y), 2 * (x * z - w * y)
    out[1, 2], out[2, 1] = 2 * (y * z - w * x), 2 * (y * z + w * x)


@compiled
def principal(tensor: Floats, room: Floats, axis: Floats) -> Number:
    """The main axis of a symmetric tensor and its share of the trace, 1/3 .. 1.

    Args:
        tensor: ``[3, 3]``, not negative definite.
        room: ``[2, 3, 3]``.
        axis: ``[3]``, written; of length 1.
    """
    trace = tensor[0, 0] + tensor[1, 1] + tensor[2, 2]
    axis[0], axis[1], axis[2] = 0.0, 0.0, 1.0
    if not 1e-12 < trace < 1e12:
        return 1.0 / 3.0
    for i in range(3):
        for j in range(3):
            room[0, i, j] = tensor[i, j] / trace
    for _ in range(5):  # the 32nd power
        size = 0.0
        for i in range(3):
            for j in range(3):
                total = 0.0
                for k in range(3):
                    total += room[0, i, k] * room[0, k, j]
                room[1, i, j] = total
            size += room[1, i, i]
        for i in range(3):
            for j in range(3):
                room[0, i, j] = room[1, i, j] / size
    best = 0
    for i in range(1, 3):
        if room[0, i, i] > room[0, best, best]:
            best = i
    length = 0.0
    for i in range(3):
        length += room[0, i, best] * room[0, i, best]
    length = np.sqrt(length)
    share: Number = 0.0
    for i in range(3):
        axis[i] = room[0, i, best] / length
    for i in range(3):
        for j in range(3):
            share += axis[i] * tensor[i, j] * axis[j]
    return share / trace


@compiled
def circles(normal: Floats, short: Number, room: Floats, points: Floats) -> None:
    """Quaternions that turn an axis of the splat to a normal or to its opposite.

    Args:
        normal: ``[3]``, of length 1.
        short: the axis, 0 to 2.
        room: ``[6, 4]``.
        points: ``[POINTS, 4]``, written: STEPS of the normal, then STEPS of its opposite.
    """
    turn, start, quarter, towards = room[0], room[1], room[2], room[3]
    for side in range(2):
        for k in range(4):
            turn[k] = towards[k] = start[k] = 0.0
        turn[1 + short] = 1.0
        sign = 1.0 if side == 0 else -1.0
        for k in range(3):
            towards[1 + k] = sign * normal[k]
        # p - n p k is on the circle whatever p is; of two, one is never short.
        start[0 if towards[1 + short] > -0.5 else 1 + (short + 1) % 3] = 1.0
        times(towards, start, room[4])
        times(room[4], turn, room[5])
        length = 0.0
        for k in range(4):
            start[k] -= room[5, k]
            length += start[k] * start[k]
        length = np.sqrt(length)
        for k in range(4):
            start[k] /= length
        times(start, turn, quarter)
        for step in range(STEPS):
            c, s = _ANGLES[step, 0], _ANGLES[step, 1]
            for k in range(4):
                points[side * STEPS + step, k] = c * start[k] + s * quarter[k]


@compiled
def weigh(points: Floats, largest: Number, weights: Floats) -> None:
    """Give points a positive component ``largest``; those where it isn't largest weigh less.

    Args:
        points: ``[POINTS, 4]``, changed.
        largest: 0 to 3.
        weights: ``[WIDTHS, POINTS]``, written; each row sums to about 1.
    """
    for t in range(POINTS):
        if points[t, largest] < 0.0:
            for k in range(4):
                points[t, k] = -points[t, k]
        excess = 0.0
        for k in range(4):
            excess = max(excess, abs(points[t, k]) - points[t, largest])
        weights[0, t] = 1.0 / (1.0 + 400.0 * excess * excess)
        weights[1, t] = 1.0 / (1.0 + 60.0 * excess * excess)
    for width in range(WIDTHS):
        normalise(weights[width])


@compiled
def normalise(weights: Floats) -> None:
    """Let weights sum to 1, equal ones if they vanish."""
    total = 0.0
    for t in range(POINTS):
        total += weights[t]
    for t in range(POINTS):
        weights[t] = weights[t] / total if total > 1e-200 else 1.0 / POINTS


@compiled
def component_widths(
    points: Floats, short: Number, component: Number, narrow: Number, room: Floats, widths: Floats
) -> None:
    """How far each point's component reaches: along the circle, and by ``narrow`` across it.

    Args:
        points: ``[POINTS, 4]``.
        short: the axis that turns to the normal.
        component: of the quaternion, 0 to 3.
        narrow: scale of the deviation, in units of a quaternion.
        room: ``[2, 4]``.
        widths: ``[POINTS]``, written.
    """
    for k in range(4):
        room[0, k] = 0.0
    room[0, 1 + short] = 1.0
    for t in range(POINTS):
        times(points[t], room[0], room[1])
        along = _ARC * 0.55 * room[1, component]
        widths[t] = np.sqrt(narrow * narrow + along * along)


@compiled
def mixed_cumulative(
    x: Number, points: Floats, component: Number, weights: Floats, widths: Floats
) -> Number:
    """A mixture's share below ``x`` of a component, in 2^-24."""
    total = 0.0
    for t in range(POINTS):
        if weights[t] > 1e-3:
            total += weights[t] * cumulative(x, points[t, component], widths[t])
    return min(max(total, 1.0), float(TOTAL - 1))


@compiled
def reweigh(
    x: Number, half: Number, points: Floats, component: Number, weights: Floats, widths: Floats
) -> None:
    """Multiply weights by how likely each point made the component to be ``x`` +- ``half``."""
    for t in range(POINTS):
        above = cumulative(x + half, points[t, component], widths[t])
        below = cumulative(x - half, points[t, component], widths[t])
        weights[t] *= above - below + 4.0
    normalise(weights)
