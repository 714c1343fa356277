"""What stands beside the coefficients of a spectrum: reaches, angles and levels of noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.photo_coding import Coder
from nacre.entropy.audio.spectra_layout import (
    ANGLE_FLAGS,
    ANGLE_TREE,
    ANGLES,
    NOISES,
    REACH_FLAGS,
    REACH_NODES,
    Int32s,
    Model,
)
from nacre.entropy.audio.spectra_mixing import HALF, code_flag, learn, odds_of
from nacre.entropy.mixing import LIMIT, SQUASH
from nacre.entropy.sequential import Number, compiled, decode_bit, encode_bit


@compiled
def code_reach(reach: Number, last: Number, channel: Number, model: Model, coder: Coder) -> Number:
    """Code how far a channel reaches, against the last frame, or decode it."""
    base = REACH_FLAGS + channel * 2 * REACH_NODES
    flags = model.flags
    if not code_flag(flags, base, 1 if reach != last else 0, coder):
        return last
    up = code_flag(flags, base + 1, 1 if reach > last else 0, coder)
    distance = reach - last if up else last - reach
    length = np.int64(0)
    base += REACH_NODES * (1 if up else 0) + 2
    while length < REACH_NODES - 4:
        more = 1 if distance >> (length + 1) else 0
        if not code_flag(flags, base + length, more, coder):
            break
        length += 1
    value = np.int64(1)
    for place in range(length - 1, -1, -1):
        bit = (distance >> place) & 1
        if coder.decoding:
            bit = decode_bit(coder.state, coder.words, HALF)
        else:
            encode_bit(coder.state, coder.words, bit, HALF)
        value = 2 * value + bit
    return last + value if up else last - value


@compiled
def code_angles(angles: Int32s, model: Model, coder: Coder) -> None:
    """Code the directions of a pair of channels in each band, each 0 .. ANGLES - 1."""
    last: Number = np.int64(0)
    same: Number = np.int64(1)
    for band in range(len(angles)):
        angle = np.int64(angles[band])
        same = code_flag(model.flags, ANGLE_FLAGS + same, 1 if angle == last else 0, coder)
        if not same:
            node = np.int64(1)
            while node < ANGLES:
                shift = np.int64(0)
                while node << (shift + 1) < ANGLES:
                    shift += 1
                bit = code_flag(model.flags, ANGLE_TREE + node, (angle >> shift) & 1, coder)
                node = 2 * node + bit
            last = node - ANGLES
        angles[band] = last


@compiled
def code_noise(
    values: Int32s,
    starts: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int64],
    inputs: Int32s,
    model: Model,
    coder: Coder,
) -> None:
    """Code levels of noise, or decode them: int32 ``[C, T, bands]``, each below NOISES."""
    counters, weights = model.noise_counters, model.noise_weights
    none = NOISES - 1
    for t in range(values.shape[1]):
        for c in range(values.shape[0]):
            for band in range(values.shape[2]):
                last = np.int64(values[c, t - 1, band]) if t > 0 else np.int64(none)
                older = np.int64(values[c, t - 2, band]) if t > 1 else last
                lower = np.int64(values[c, t, band - 1]) if band > 0 else np.int64(none)
                above = last
                if t > 0 and band + 1 < values.shape[2]:
                    above = np.int64(values[c, t - 1, band + 1])
                side = np.int64(values[0, t, band]) if c > 0 else np.int64(0)
                mean = (2 * last + older + lower) >> 2
                slots[0] = starts[0] + NOISES * last
                slots[1] = starts[1] + NOISES * lower
                slots[2] = starts[2] + NOISES * (last * NOISES + lower)
                slots[3] = starts[3] + NOISES * (min(band, 31) * 2 + c)
                slots[4] = starts[4] + NOISES * (last * NOISES + older)
                slots[5] = starts[5] + NOISES * (side * 2 + c)
                slots[6] = starts[6] + NOISES * ((mean + above) >> 1)
                value = np.int64(0)
                while value < none:
                    a = weights[value]
                    odds = odds_of(counters, slots, inputs, a, a, value)
                    ones = np.int64(SQUASH[odds + LIMIT])
                    bit: Number = 1 if np.int64(values[c, t, band]) > value else 0
                    if coder.decoding:
                        bit = decode_bit(coder.state, coder.words, ones)
                    else:
                        encode_bit(coder.state, coder.words, bit, ones)
                    learn(counters, slots, inputs, a, a, value, bit, ones)
                    if not bit:
                        break
                    value += 1
                values[c, t, band] = value
