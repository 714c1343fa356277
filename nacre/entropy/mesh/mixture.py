"""Mixtures of distributions in space: their masses on the lattice, and weights that learn.

A component is a mean, a covariance (by its Cholesky factor) and a weight. Coordinates are coded in
turn: x under its marginals, y under its distributions given x, z given both; each is logistic, of
the standard deviation that the factor says. After each coordinate the weights are multiplied by the
mass that their component gave to it: once x fits one candidate exactly, y and z are nearly free.

Strict float64 throughout; nothing here may be contracted or reordered.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]

TAIL_STEPS = 32
"""Table steps for a scale of the logistic distribution."""
TAIL_REACH = 32
"""The table's reach in scales, to either side."""
SCALE_OF_SIGMA = 0.5513288954217921
"""Scale of a logistic distribution of standard deviation 1: sqrt(3) / pi."""


def _tail_table() -> Floats:
    """1 / (1 + e^z) for z = (i / TAIL_STEPS) - TAIL_REACH, from whole numbers."""
    bits, half = 160, TAIL_STEPS * TAIL_REACH
    step, term, order = 0, 1 << bits, 0
    while term:
        step += term
        order += 1
        term //= TAIL_STEPS * order
    power, upper = 1 << bits, []
    for _ in range(half + 1):
        upper.append((1 << (2 * bits)) // ((1 << bits) + power))
        power = power * step >> bits
    lower = [(1 << bits) - value for value in upper[:0:-1]]
    exact = [(value >> (bits - 100)) / (1 << 100) for value in lower + upper]
    return np.array([*exact, exact[-1]], dtype=np.float64)


TAIL: Floats = _tail_table()
"""Mass beyond z: entry ``(z + TAIL_REACH) * TAIL_STEPS``."""


@compiled
def tail(z: float) -> float:
    """The mass of the standard logistic distribution beyond z, linear between table entries."""
    place = (z + 32.0) * 32.0
    if not place > 0.0:
        return float(TAIL[0])
    if place >= 2048.0:
        return float(TAIL[2048])
    whole = np.int64(place)
    low = TAIL[whole]
    return float(low + (TAIL[whole + 1] - low) * (place - np.float64(whole)))


@compiled
def set_factor(factor: Floats, frame: Floats, d0: float, d1: float, d2: float, blur: float) -> None:
    """The Cholesky factor of ``frame^T diag(d0, d1, d2) frame + blur``.

    Args:
        factor: float64 ``[6]``: xx, yx, yy, zx, zy, zz of the lower triangle.
        frame: orthonormal rows, float64 ``[3, 3]``.
        d0, d1, d2: variances along the rows, at least 0.
        blur: added to the diagonal, above 0.
    """
    a0, a1, a2 = d0 * frame[0, 0], d1 * frame[1, 0], d2 * frame[2, 0]
    b0, b1, b2 = d0 * frame[0, 1], d1 * frame[1, 1], d2 * frame[2, 1]
    xx = a0 * frame[0, 0] + a1 * frame[1, 0] + a2 * frame[2, 0] + blur
    yx = a0 * frame[0, 1] + a1 * frame[1, 1] + a2 * frame[2, 1]
    zx = a0 * frame[0, 2] + a1 * frame[1, 2] + a2 * frame[2, 2]
    yy = b0 * frame[0, 1] + b1 * frame[1, 1] + b2 * frame[2, 1] + blur
    zy = b0 * frame[0, 2] + b1 * frame[1, 2] + b2 * frame[2, 2]
    zz = d0 * frame[0, 2] * frame[0, 2] + d1 * frame[1, 2] * frame[1, 2]
    zz = zz + d2 * frame[2, 2] * frame[2, 2] + blur
    lx = np.sqrt(xx)
    lyx, lzx = yx / lx, zx / lx
    # Rounding may leave less than the blur, which is what the exact result has at least.
    ly = np.sqrt(max(yy - lyx * lyx, blur))
    lzy = (zy - lzx * lyx) / ly
    lz = np.sqrt(max(zz - lzx * lzx - lzy * lzy, blur))
    factor[0], factor[1], factor[2] = lx, lyx, ly
    factor[3], factor[4], factor[5] = lzx, lzy, lz


@compiled
def condition(
    axis: Number, mean: Floats, factor: Floats, coordinates: Floats
) -> tuple[float, float]:
    """Mean and standard deviation of a coordinate, given those before it.

    Args:
        axis: 0, 1 or 2.
        mean: float64 ``[3]``.
        factor: from :func:`set_factor`.
        coordinates: float64 ``[3]``; those below ``axis`` are read.
    """
    if axis == 0:
        return mean[0], factor[0]
    u = (coordinates[0] - mean[0]) / factor[0]
    if axis == 1:
        return mean[1] + factor[1] * u, factor[2]
    v = (coordinates[1] - mean[1] - factor[1] * u) / factor[2]
    return mean[2] + factor[3] * u + factor[4] * v, factor[5]
