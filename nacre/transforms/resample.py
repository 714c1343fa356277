"""Another sample rate, by a windowed sinc for each phase (J. O. Smith, "Digital audio resampling").

A sample at time t of the new rate is the sum of the old ones, weighted by a low-pass sinc centred
at t under a Hann window. With rates in the ratio up : down, the weights repeat after ``up`` new and
``down`` old samples, so they are a matrix.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ZERO_CROSSINGS = 24
"""Of the sinc, on either side."""
ROLLOFF = 0.94
"""The cut-off, of the lower rate's half."""
_AT_ONCE = 1 << 19
"""Numbers in the windows that are multiplied at once."""


def reach(up: int, down: int) -> int:
    """Old samples on either side that a new sample depends on."""
    return math.ceil(ZERO_CROSSINGS * down / (min(up, down) * ROLLOFF))


def resample(values: Floats, up: int, down: int) -> Floats:
    """``values`` ``[C, N]`` at ``up`` / ``down`` times their rate: ``[C, ceil(N * up / down)]``.

    Zeros stand before and after them. ``up`` and ``down`` have no common factor.
    """
    weights = _weights(up, down)
    channels, length = values.shape
    width, taps = reach(up, down), weights.shape[0]
    padded = np.pad(values, ((0, 0), (width, width + down)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=1)[:, ::down]
    count = windows.shape[1]
    out = np.empty((channels, count, up))
    step = max(1, _AT_ONCE // (taps * channels))
    for first in range(0, count, step):
        # Overlapping windows are copied: BLAS wants rows that lie apart.
        some = np.ascontiguousarray(windows[:, first : first + step])
        np.matmul(some, weights, out=out[:, first : first + step])
    return out.reshape(channels, -1)[:, : -(-length * up // down)]


@functools.lru_cache(maxsize=8)
def _weights(up: int, down: int) -> Floats:
    """``[2 * reach + down, up]``."""
    width, cut = reach(up, down), min(up, down) * ROLLOFF
    old = np.arange(-width, width + down)[:, None] / down
    new = np.arange(up)[None] / up
    t = ((old - new) * cut).clip(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.cos(t * (math.pi / ZERO_CROSSINGS / 2)) ** 2
    weights: Floats = np.sinc(t) * window * (cut / down)
    return weights
