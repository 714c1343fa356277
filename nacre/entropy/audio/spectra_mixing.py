"""A decision about a spectrum: the odds that counters and mixers give it, and what they learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.photo_coding import Coder, inlined
from nacre.entropy.audio.spectra_layout import Int32s
from nacre.entropy.mixing import LIMIT, STRETCH, WEIGHT_BITS, Counters, updated
from nacre.entropy.sequential import Number, compiled, decode_bit, encode_bit
from nacre.entropy.tables import PRECISION

HALF = 1 << (PRECISION - 1)
"""Even odds."""
_RATE = 15
"""A mixture's weights move by input * error / 2^this."""
_COUNT = 255
"""A counter's step stays at 1 / this."""
_FLAG_COUNT = 60


@compiled
def code_flag(flags: Counters, at: Number, bit: Number, coder: Coder) -> Number:
    """Code a bit, or decode it, under one counter."""
    chance = np.int64(flags[at]) >> 10
    ones = min(max(chance << 2, np.int64(64)), np.int64((1 << PRECISION) - 64))
    if coder.decoding:
        bit = decode_bit(coder.state, coder.words, ones)
    else:
        encode_bit(coder.state, coder.words, bit, ones)
    flags[at] = updated(flags[at], bit, _FLAG_COUNT)
    return bit


@inlined
def odds_of(
    counters: Counters,
    slots: npt.NDArray[np.int64],
    inputs: Int32s,
    a: npt.NDArray[np.int32],
    b: npt.NDArray[np.int32],
    node: Number,
) -> Number:
    """Stretched probability of a one, the inputs filled in."""
    for k in range(len(slots)):
        inputs[k] = np.int32(STRETCH[np.int64(counters[slots[k] + node]) >> 20])
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(len(inputs)):
        total += np.int64(a[k] + b[k]) * np.int64(inputs[k])
    return min(max(total >> WEIGHT_BITS, np.int64(-LIMIT)), np.int64(LIMIT))


@inlined
def learn(
    counters: Counters,
    slots: npt.NDArray[np.int64],
    inputs: Int32s,
    a: npt.NDArray[np.int32],
    b: npt.NDArray[np.int32],
    node: Number,
    bit: Number,
    ones: Number,
) -> None:
    """Move the weights and counters that had a say towards ``bit``; ``ones`` was its frequency."""
    error = np.int32((bit << 16) - (ones >> (PRECISION - 16)))
    for k in range(len(inputs)):
        step = np.int32(inputs[k] * error + (1 << (_RATE - 1))) >> _RATE
        a[k] = np.int32(a[k] + step)
        b[k] = np.int32(b[k] + step)
    for k in range(len(slots)):
        at = slots[k] + node
        counters[at] = updated(counters[at], bit, _COUNT)
