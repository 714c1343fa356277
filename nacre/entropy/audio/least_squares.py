"""Recursive least squares over a window, in strict float64: the same bits on every machine.

Only + - * / and square roots, compiled without ``fastmath``, every sum in one order: IEEE 754 then
fixes each bit (docs/entropy.md, "Strict floats"). Loops that run over a row are independent, so
they vectorise without changing a sum.

A sample's weight in the moments falls with the local error, or a loud attack would rule the quiet
tail that follows (measured on music: 1 to 2 % of the file).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.audio.residuals import inlined
from nacre.entropy.sequential import compiled

Floats = npt.NDArray[np.float64]
Real = float | np.floating[Any]

PERIOD = 32
"""Samples between solutions."""
_RIDGE, _RELATIVE_RIDGE = 0.001, 1e-9
_ERROR_RATE = 0.1
_LEAST = 1e-6
"""Running means stop here: numbers below 2^-1022 take a hundred times longer to add."""


class Regression(NamedTuple):
    """One predictor of one channel.

    Attributes:
        moments: of the inputs, weighted; the lower triangle counts, float64 ``[n, n]``.
        cross: of inputs and target, ``[n]``.
        weights: the last solution, ``[n]``.
        factor: room for the solution, ``[n, n]``.
        local: ``[1]``, running mean of the error's magnitude.
    """

    moments: Floats
    cross: Floats
    weights: Floats
    factor: Floats
    local: Floats


def new_regression(size: int) -> Regression:
    """A predictor that has seen nothing; it predicts zero."""
    return Regression(
        np.zeros((size, size)), np.zeros(size), np.zeros(size), np.zeros((size, size)), np.zeros(1)
    )


@inlined
def expect(regression: Regression, inputs: Floats) -> Real:
    """The prediction. Four partial sums, because a sum of one order waits for each addition."""
    size = len(regression.weights)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = size // 4 * 4
    for k in range(0, whole, 4):
        a += regression.weights[k] * inputs[k]
        b += regression.weights[k + 1] * inputs[k + 1]
        c += regression.weights[k + 2] * inputs[k + 2]
        d += regression.weights[k + 3] * inputs[k + 3]
    for k in range(whole, size):
        a += regression.weights[k] * inputs[k]
    return (a + b) + (c + d)


@inlined
def observe(regression: Regression, inputs: Floats, target: Real, error: Real, keep: Real) -> None:
    """Add a sample to the moments.

    Args:
        regression: changed.
        inputs: float64 ``[n]``.
        target: what came.
        error: target less prediction.
        keep: what is left of the moments after one sample, such as 0.998.
    """
    size = len(regression.weights)
    local = regression.local[0] + _ERROR_RATE * (abs(error) - regression.local[0])
    local = max(local, _LEAST)
    regression.local[0] = local
    above = local + 1.0
    weight = (1.0 - keep) / (above * np.sqrt(above))
    for i in range(size):
        scaled = weight * inputs[i]
        row = regression.moments[i]
        for k in range(i + 1):
            row[k] = keep * row[k] + scaled * inputs[k]
    scaled = weight * target
    for k in range(size):
        regression.cross[k] = keep * regression.cross[k] + scaled * inputs[k]


@compiled
def solve(regression: Regression) -> None:
    """Set the weights to the solution of the normal equations, by L D L^T, right-looking.

    The factor's columns are kept as rows, so that the inner loops run along memory. A pivot that is
    not positive leaves the weights as they were.
    """
    size = len(regression.weights)
    upper, weights = regression.factor, regression.weights
    for i in range(size):
        for k in range(i, size):
            upper[i, k] = regression.moments[k, i]
        upper[i, i] += _RIDGE + _RELATIVE_RIDGE * upper[i, i]
    for j in range(size):
        pivot = upper[j, j]
        if not pivot > 0.0:
            return
        inverse = 1.0 / pivot
        for i in range(j + 1, size):
            scale = upper[j, i] * inverse
            for k in range(i, size):
                upper[i, k] -= scale * upper[j, k]
    # L = (upper / pivots)^T: forwards, then backwards.
    for i in range(size):
        weights[i] = regression.cross[i]
    for j in range(size):
        scale = weights[j] / upper[j, j]
        for k in range(j + 1, size):
            weights[k] -= scale * upper[j, k]
    for j in range(size - 1, -1, -1):
        total = weights[j]
        for k in range(j + 1, size):
            total -= upper[j, k] * weights[k]
        weights[j] = total / upper[j, j]
