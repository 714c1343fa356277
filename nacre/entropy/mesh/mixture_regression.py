"""Least squares that forgets: weights of the vectors around a vertex, learned as it goes.

One weight for each vector, shared by x, y and z (so that the prediction turns with the mesh). The
second moments of the samples decay from sample to sample; the equations are solved afresh for each
vertex by Cholesky in strict float64, which has no state that could drift, and are drawn towards
given weights by a ridge.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]

WEIGHT_LIMIT = 16.0
"""Largest magnitude of a solution's weight."""


@compiled
def learn(
    moments: Floats, vectors: Floats, target: Floats, keep: float, weight: float, size: Number
) -> None:
    """Let moments decay by ``keep`` and add one vertex.

    Args:
        moments: float64 ``[W, W]``, its upper triangle; row and column ``size`` are the target's.
        vectors: float64 ``[size, 3]``.
        target: what they should have added up to, float64 ``[3]``.
        keep: what is left of the moments, 0 to 1.
        weight: the sample's weight, above 0.
        size: how many vectors.
    """
    for i in range(size):
        x, y, z = weight * vectors[i, 0], weight * vectors[i, 1], weight * vectors[i, 2]
        for k in range(i, size):
            product = x * vectors[k, 0] + y * vectors[k, 1] + z * vectors[k, 2]
            moments[i, k] = moments[i, k] * keep + product
        product = x * target[0] + y * target[1] + z * target[2]
        moments[i, size] = moments[i, size] * keep + product


@compiled
def solve(
    moments: Floats, ridge: float, towards: Floats, work: Floats, weights: Floats, size: Number
) -> None:
    """The weights that predict best, by L D L^T.

    Args:
        moments: as :func:`learn` keeps them.
        ridge: added to the diagonal, relative to it and in units of a sample's squared noise.
        towards: weights where nothing is known, float64 ``[size]``.
        work: float64 ``[W, W]``, overwritten.
        weights: the solution, float64 ``[size]``.
        size: how many vectors.
    """
    for i in range(size):
        for k in range(i, size + 1):
            work[i, k] = moments[i, k]
        extra = ridge + 1e-6 * moments[i, i]
        work[i, i] += extra
        work[i, size] += extra * towards[i]
    for j in range(size):
        inverse = 1.0 / max(work[j, j], 1e-9)
        for i in range(j + 1, size):
            factor = work[j, i] * inverse
            for k in range(i, size + 1):
                work[i, k] -= factor * work[j, k]
    for j in range(size - 1, -1, -1):
        total = work[j, size]
        for k in range(j + 1, size):
            total -= work[j, k] * weights[k]
        found = total / max(work[j, j], 1e-9)
        if not found > -16.0:
            found = -16.0
        weights[j] = min(found, 16.0)
