"""Local least squares in integers, as compiled functions: predictors that follow the picture.

Samples are vectors of int32 numbers, the regressors first and the target behind the last of them,
so that the second moments of samples hold both sides of the normal equations. Moments are kept for
each block of columns, decay from row to row, and are summed over neighbouring blocks before each
solution. The equations are solved by L D L^T (Cholesky without square roots) in fixed point: by
Cauchy and Schwarz |l_ij a_jk| <= sqrt(a_ii a_kk), so no product exceeds 64 bits. The solution need
not be the exact one, only the same one everywhere; integers that wrap around are the same, too.

Whole rows are worked on though one triangle would do: loops from zero on vectorise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]

SOLUTION_BITS = 16
"""Bits after the point of a solution."""
SAMPLE_LIMIT = 511
"""Largest magnitude of a sample's entries."""
WEIGHT_LIMIT = 32
"""Largest weight of a sample: moments stay below 2^29 then."""
_MOMENT_BITS = 30
_RIDGE_BITS = 13
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
def accumulate(moments: Int32s, samples: Int32s, weights: Int32s) -> None:
    """Let the moments of a block decay by 3/16 and add eight samples to them.

    Args:
        moments: int32 ``[W, W]``.
        samples: int32 ``[8, W]``, magnitudes up to SAMPLE_LIMIT.
        weights: int32 ``[8]``, 0 to WEIGHT_LIMIT; 0 leaves a sample out.
    """
    width = samples.shape[1]
    for i in range(width):
        f0 = np.int32(samples[0, i] * weights[0])
        f1 = np.int32(samples[1, i] * weights[1])
        f2 = np.int32(samples[2, i] * weights[2])
        f3 = np.int32(samples[3, i] * weights[3])
        f4 = np.int32(samples[4, i] * weights[4])
        f5 = np.int32(samples[5, i] * weights[5])
        f6 = np.int32(samples[6, i] * weights[6])
        f7 = np.int32(samples[7, i] * weights[7])
        for k in range(width):
            old = moments[i, k]
            new = f0 * samples[0, k] + f1 * samples[1, k] + f2 * samples[2, k]
            new += f3 * samples[3, k] + f4 * samples[4, k] + f5 * samples[5, k]
            new += f6 * samples[6, k] + f7 * samples[7, k]
            moments[i, k] = np.int32(old - (old >> 3) - (old >> 4) + new)


@compiled
def gather(moments: Int32s, block: Number, size: Number, system: Int32s) -> None:
    """The equations of a block: its own moments, 5/8 of its neighbours', 3/8 of the next ones'.

    Args:
        moments: int32 ``[blocks + 4, W, W]``, two empty blocks at either end.
        block: from 0 on.
        size: number of regressors.
        system: int32 ``[W, W]``; the sum, scaled to a trace of about 2^30.
    """
    trace = np.int64(0)
    for i in range(size):
        near = np.int64(moments[block + 1, i, i]) + np.int64(moments[block + 3, i, i])
        far = np.int64(moments[block, i, i]) + np.int64(moments[block + 4, i, i])
        trace += 8 * np.int64(moments[block + 2, i, i]) + 5 * near + 3 * far
    shift = _MOMENT_BITS - bit_length(trace)
    up, down = max(shift, 0), max(-shift, 0)
    for i in range(size):
        far_left, left = moments[block, i], moments[block + 1, i]
        own, right, far_right = moments[block + 2, i], moments[block + 3, i], moments[block + 4, i]
        row = system[i]
        for k in range(len(row)):
            near = np.int64(left[k]) + np.int64(right[k])
            far = np.int64(far_left[k]) + np.int64(far_right[k])
            total = 8 * np.int64(own[k]) + 5 * near + 3 * far
            row[k] = np.int32(total << up >> down)
        row[i] = np.int32(row[i] + (1 << _RIDGE_BITS))


@compiled
def solve(system: Int32s, size: Number, solution: Int32s) -> None:
    """Weights that predict the target from the regressors.

    Args:
        system: from :func:`gather`, overwritten; row ``i`` holds moments of regressor ``i`` with
            those behind it and with the target at ``size``.
        size: number of regressors.
        solution: int32 ``[W]``; the weights go here, SOLUTION_BITS after the point.
    """
    for j in range(size):
        pivot = max(np.int64(system[j, j]), np.int64(1))
        length = bit_length(pivot)
        inverse = (np.int64(1) << (length + _INVERSE_BITS)) // pivot
        shift = length + _INVERSE_BITS - _FACTOR_BITS
        source = system[j]
        for i in range(j + 1, size):
            # Cut to 32 bits, so that its product with 32 bits is one instruction.
            factor = np.int64(np.int32(np.int64(source[i]) * inverse >> shift))
            row = system[i]
            for k in range(len(row)):
                row[k] = np.int32(row[k] - np.int32(factor * np.int64(source[k]) >> _FACTOR_BITS))
    for k in range(len(solution)):
        solution[k] = np.int32(0)
    for j in range(size - 1, -1, -1):
        row = system[j]
        total = np.int64(row[size]) << SOLUTION_BITS
        for k in range(len(solution)):
            total -= np.int64(row[k]) * np.int64(solution[k])
        limit = np.int64(_SOLUTION_LIMIT)
        found = total // max(np.int64(row[j]), np.int64(1))
        solution[j] = np.int32(min(max(found, -limit), limit))
