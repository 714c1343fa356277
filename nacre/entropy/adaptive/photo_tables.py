"""Tables of the ``photo`` coder: logarithmic scales, and the logistic distribution in integers.

The expert of a decision is a logistic distribution around the prediction. Stretched, the chance of
each decision is a difference of two table entries, with no division: with A the distance of an
interval's near edge from the centre and D its length, both in units of the scale,

    beyond the interval, given not before it:    softplus(-A) - ln(e^D - 1)
    in its far half, given in it:                softplus(-A) - softplus(-A - D) - D / 2

All entries follow from the squash table by sums and searches in whole numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.mixing import LIMIT, SQUASH, UNIT
from nacre.entropy.sequential import Number, compiled
from nacre.entropy.tables import PRECISION

Int32s = npt.NDArray[np.int32]

LOG_STEPS = 8
"""Entries of a logarithmic scale for each doubling."""
LOG_SIZE = 32 * LOG_STEPS
"""Entries of a table over :func:`log_index` of numbers below 2^31."""
POINT_BITS = 6
"""Predictions have so many bits after the point."""
ERROR_BITS = 10
"""Mean absolute errors have so many bits after the point."""
INVERSE_BITS = 20
"""Bits after the point of :data:`INVERSE`."""
STEP_SIZES = 17
"""Intervals are 2^0 .. 2^16 long."""
_FINE_BITS = PRECISION + 1


def _log_table() -> npt.NDArray[np.uint8]:
    values = np.arange(4096, dtype=np.int64)
    lengths = np.array([int(value).bit_length() for value in values])
    tops = (values << 16) >> (lengths + 12)  # the leading one and three bits below it
    table = np.where(values > 0, LOG_STEPS * (lengths - 1) + tops - LOG_STEPS, 0)
    return table.astype(np.uint8)


def _fine_softplus() -> npt.NDArray[np.int64]:
    """softplus(-x) = ln(1 + e^-x) for x in -LIMIT .. LIMIT in units of 2^-33: squash summed."""
    chance = SQUASH[::-1].astype(np.int64)  # of -x
    halves = chance[1:] + chance[:-1]
    tail = 2 * UNIT * chance[-1:]  # far out ln(1 + e^-x) is nearly e^-x, and so is squash(-x)
    rising: npt.NDArray[np.int64] = np.cumsum(np.concatenate([tail, halves[::-1]]))
    return rising[::-1]


def _scales() -> npt.NDArray[np.int64]:
    """The middle of each step of the logarithmic scale, times 16."""
    index = np.arange(LOG_SIZE, dtype=np.int64)
    octave, step = index // LOG_STEPS, index % LOG_STEPS
    return np.maximum(((2 * (LOG_STEPS + step) + 1) << octave), 1)


def _inverse_table() -> Int32s:
    """Stretched units for each 1/64 of a sample value, by the log index of the mean error.

    The mean of |x| of a logistic distribution is 2 ln 2 times its scale.
    """
    two_ln_2 = 90852  # 2 ln 2 * 2^16
    bits = INVERSE_BITS + ERROR_BITS - POINT_BITS + 4 - 16
    return ((two_ln_2 * UNIT << bits) // _scales()).clip(1, 1 << 30).astype(np.int32)


def _length_table() -> Int32s:
    """ln(e^D - 1) of intervals 2^h long, [LOG_SIZE, STEP_SIZES], clipped to +-LIMIT.

    It is the y with softplus(y) = D, found in the table of softplus.
    """
    shift = np.arange(STEP_SIZES) + POINT_BITS + _FINE_BITS - INVERSE_BITS
    found = np.searchsorted(_FINE_SOFTPLUS[::-1], INVERSE[:, None].astype(np.int64) << shift)
    return (found.clip(0, 2 * LIMIT) - LIMIT).astype(np.int32)


LOG: npt.NDArray[np.uint8] = _log_table()
_FINE_SOFTPLUS = _fine_softplus()
SOFTPLUS: Int32s = ((_FINE_SOFTPLUS + (1 << (_FINE_BITS - 1))) >> _FINE_BITS).astype(np.int32)
"""Entry ``x + LIMIT`` is ln(1 + e^-x)."""
INVERSE: Int32s = _inverse_table()
LENGTHS: Int32s = _length_table()


@compiled
def log_index(value: Number) -> Number:
    """8 log2(value), rounded down to a whole step; 0 of 0 and 1; value below 2^36."""
    whole = np.int64(value)
    if whole < 4096:
        return np.int64(LOG[whole])
    if whole < 1 << 20:
        return np.int64(LOG[whole >> 8]) + 8 * LOG_STEPS
    if whole < 1 << 28:
        return np.int64(LOG[whole >> 16]) + 16 * LOG_STEPS
    return np.int64(LOG[(whole >> 24) & 4095]) + 24 * LOG_STEPS


@compiled
def survival(distance: Number) -> Number:
    """softplus(-distance) of any distance in stretched units."""
    clipped = min(max(distance, np.int64(-LIMIT)), np.int64(LIMIT))
    return np.int64(SOFTPLUS[clipped + LIMIT])
