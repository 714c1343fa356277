"""Another sample rate, for measuring: metrics that have a rate of their own, and Opus, which has.

Nothing here is part of a codec.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CROSSINGS = 64
"""Of zero by the filter, on each side: the transition is a tenth of the band."""
_CUTOFF = 0.95
_BETA = 9.0


def resample(samples: Floats, rate_hz: int, wanted_hz: int) -> Floats:
    """``samples`` (``[C, N]``) at another rate, ``[C, ceil(N wanted / rate)]``, without delay.

    A windowed sinc (Kaiser, beta 9), flat to nine tenths of the lower Nyquist frequency and 90 dB
    down at its end.
    """
    if rate_hz == wanted_hz:
        return samples
    from scipy.signal import resample_poly  # type: ignore[import-untyped]

    common = math.gcd(rate_hz, wanted_hz)
    up, down = wanted_hz // common, rate_hz // common
    result: Floats = resample_poly(samples, up, down, axis=1, window=_taps(max(up, down)))
    return result


@functools.cache
def _taps(ratio: int) -> Floats:
    from scipy.signal import firwin

    taps: Floats = firwin(2 * CROSSINGS * ratio + 1, _CUTOFF / ratio, window=("kaiser", _BETA))
    return taps
