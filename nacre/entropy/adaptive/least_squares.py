"""Local least squares in integers, as compiled functions: predictors that follow the picture.

Samples are vectors of ``WIDTH`` int32 numbers, the regressors first and the target last, so that
the lower triangle of their second moments holds both sides of the normal equations. Moments are
kept for each block of columns, decay from row to row, and are summed over neighbouring blocks
before each solution. The equations are solved by L D L^T (Cholesky without square roots) in fixed
point: by Cauchy and Schwarz |l_ij a_kj| <= sqrt(a_ii a_kk), so no product exceeds 64 bits whatever
the data. The solution need not be the exact one, only the same one everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

WIDTH = 16
"""Entries of a sample: at most 15 regressors, and the target behind the last of them."""
SOLUTION_BITS = 16
"""Bits after the point of a solution."""
_MOMENT_BITS = 30
_FACTOR_BITS = 20
_INVERSE_BITS = 30
_SOLUTION_LIMIT = 8 << SOLUTION_BITS


@compiled
def bit_length(value: Number) -> Number:
    """How many bits ``value`` >= 0 has: 0 of 0, 3 of 4."""
    rest, length = np.int64(value), 0
    for step in (32, 16, 8, 4, 2, 1):
        if rest >> step:
            rest >>= step
            length += step
    return length + 1 if rest else length


@compiled
def accumulate(moments: Int32s, samples: Int32s, weights: Int32s, count: Number) -> None:
    """Let the moments of a block decay by 3/16 and add samples to them.

    Args:
        moments: int32 ``[WIDTH, WIDTH]``; the lower triangle is used.
        samples: int32 ``[N, WIDTH]``, |entries| <= 511.
        weights: int32 ``[N]``, 0 to 32.
        count: how many of the samples there are, at most 8 (so that moments stay below 2^29).
    """
    for i in range(WIDTH):
        row = moments[i]
        for k in range(WIDTH):
            row[k] = np.int32(row[k] - (row[k] >> 3) - (row[k] >> 4))
        for n in range(count):
            sample = samples[n]
            factor = np.int32(sample[i] * weights[n])
            for k in range(WIDTH):
                row[k] = np.int32(row[k] + np.int32(factor * sample[k]))


@compiled
def gather(moments: Int32s, block: Number, system: Int64s) -> Number:
    """The moments around a block: its own, 5/8 of its neighbours', 3/8 of the next ones'.

    Args:
        moments: int32 ``[blocks + 4, WIDTH, WIDTH]``, two empty blocks at either end.
        block: from 0 on.
        system: int64 ``[WIDTH, WIDTH]``, filled.

    Returns:
        The sum of the diagonal.
    """
    trace = np.int64(0)
    for i in range(WIDTH):
        far_left, left = moments[block, i], moments[block + 1, i]
        own, right, far_right = moments[block + 2, i], moments[block + 3, i], moments[block + 4, i]
        row = system[i]
        for k in range(WIDTH):
            near = np.int64(left[k]) + np.int64(right[k])
            far = np.int64(far_left[k]) + np.int64(far_right[k])
            row[k] = 8 * np.int64(own[k]) + 5 * near + 3 * far
        trace += row[i]
    return trace


@compiled
def solve(system: Int64s, size: Number, solution: Int64s) -> None:
    """Weights that predict the target from the regressors.

    Args:
        system: moments, int64 ``[WIDTH, WIDTH]``, lower triangle, regressors ``0 .. size - 1`` and
            the target at ``size``; overwritten.
        size: number of regressors.
        solution: int64 ``[WIDTH]``; the weights go here, SOLUTION_BITS after the point.
    """
    for j in range(size):
        pivot = max(system[j, j], np.int64(1))
        length = bit_length(pivot)
        inverse = (np.int64(1) << (length + _INVERSE_BITS)) // pivot
        shift = length + _INVERSE_BITS - _FACTOR_BITS
        for i in range(j + 1, size + 1):
            factor = system[i, j] * inverse >> shift
            for k in range(j + 1, i + 1):
                system[i, k] -= factor * system[k, j] >> _FACTOR_BITS
            # The column keeps its moments until its last row has used them.
            system[j, i] = factor
    for j in range(size - 1, -1, -1):
        total = system[j, size]
        for i in range(j + 1, size):
            total -= system[j, i] * solution[i] >> SOLUTION_BITS
        limit = np.int64(_SOLUTION_LIMIT)
        solution[j] = min(max(total >> (_FACTOR_BITS - SOLUTION_BITS), -limit), limit)
