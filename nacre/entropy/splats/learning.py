"""Recursive least squares in strict float64: linear predictors that learn from every splat.

The usual exponentially weighted recursion (Haykin, "Adaptive filter theory", section on RLS), one
matrix serving several targets. Where rounding or features without variation let the matrix grow,
it starts afresh; both ends see the same numbers, so they do so at the same time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import compiled
from nacre.entropy.splats.candidates import Number

Floats = npt.NDArray[np.float64]

_START = 8.0
_GROWN = 1e7


def new_matrix(size: int) -> Floats:
    """The inverse correlation of features that were not seen yet, ``[size, size]``."""
    return np.eye(size) * _START


@compiled
def dot(weights: Floats, features: Floats, size: int) -> Number:
    """The prediction of one target."""
    total = 0.0
    for k in range(size):
        total += weights[k] * features[k]
    return total


@compiled
def gain_of(matrix: Floats, features: Floats, size: int, memory: Number, gain: Floats) -> None:
    """Take features into the matrix; by ``gain`` times its error each target's weights move.

    Args:
        matrix: ``[size, size]``, symmetric.
        features: ``[size]``.
        size: how many features there are.
        memory: below 1; what was seen n splats ago weighs memory^n.
        gain: ``[size]``, written.
    """
    spread = memory
    for i in range(size):
        total = 0.0
        for k in range(size):
            total += matrix[i, k] * features[k]
        gain[i] = total
        spread += total * features[i]
    if not memory <= spread < _GROWN:
        for i in range(size):
            gain[i] = 0.0
            for k in range(size):
                matrix[i, k] = _START if i == k else 0.0
        return
    scale, growth = 1.0 / spread, 1.0 / memory
    for i in range(size):
        part = gain[i] * scale
        for k in range(size):
            matrix[i, k] = (matrix[i, k] - part * gain[k]) * growth
    for i in range(size):
        gain[i] *= scale


@compiled
def learn(weights: Floats, gain: Floats, size: int, error: Number) -> None:
    """Move the weights of a target whose prediction was ``error`` too low."""
    if abs(error) < 4.0:
        for k in range(size):
            weights[k] += gain[k] * error
