"""Functions that no library computes alike everywhere, as tables of exact integer arithmetic.

Both ends look values up and interpolate in strict float64 (only + - * / and comparisons, in one
order), so they agree to the last bit. Tables are made once, at import, with Python's integers.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]

OCTAVE = 1024
"""Steps of an octave in :func:`log2_steps` and :func:`exp2_steps`."""
_BITS = 96
_ONE = 1 << _BITS
_ATAN_STEPS, _COT_STEPS = 256, 512


def _log2_table() -> Int32s:
    """OCTAVE * log2(1 + i / OCTAVE), rounded down, one binary digit after another by squaring."""
    found = []
    for i in range(OCTAVE):
        value, digits = _ONE + (_ONE * i) // OCTAVE, 0
        for _ in range(OCTAVE.bit_length() - 1):
            value = value * value >> _BITS
            digits <<= 1
            if value >= 2 * _ONE:
                value >>= 1
                digits += 1
        found.append(digits)
    return np.array(found, dtype=np.int32)


def _exp2_table() -> Floats:
    """2^(i / OCTAVE) by repeated square roots, correctly rounded."""
    root = 2 * _ONE
    for _ in range(OCTAVE.bit_length() - 1):
        root = isqrt(root << _BITS)
    power, found = _ONE, []
    for _ in range(OCTAVE):
        found.append((power >> (_BITS - 52)) / (1 << 52))
        power = power * root >> _BITS
    return np.array(found, dtype=np.float64)


def _pi() -> int:
    """Pi times 2^_BITS: 16 atan(1/5) - 4 atan(1/239), by Machin."""

    def atan_inverse(n: int) -> int:
        total, term, k = 0, _ONE // n, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= n * n
            k += 2
        return total

    return 16 * atan_inverse(5) - 4 * atan_inverse(239)


def _atan_table() -> Floats:
    """atan(i / _ATAN_STEPS) in turns, by Euler's series."""
    pi, found = _pi(), []
    for i in range(_ATAN_STEPS + 1):
        square = _ATAN_STEPS * _ATAN_STEPS + i * i
        term = _ONE * i * _ATAN_STEPS // square
        total, n = 0, 0
        while term:
            total += term
            n += 1
            term = term * 2 * n * i * i // ((2 * n + 1) * square)
        found.append(((total << 62) // (2 * pi)) / (1 << 62))
    found.append(found[-1])
    return np.array(found, dtype=np.float64)


def _cot_table() -> Floats:
    """cot(pi i / _COT_STEPS); entry 0 is that of half a step."""

    def sine_and_cosine(x: int) -> tuple[int, int]:
        sums, term, k = [0, 0], _ONE, 0
        while term:
            sums[k & 1] += term if k % 4 < 2 else -term
            k += 1
            term = (term * x >> _BITS) // k
        return sums[1], sums[0]

    pi, found = _pi(), []
    for i in range(_COT_STEPS):
        sine, cosine = sine_and_cosine(pi * max(2 * i, 1) // (2 * _COT_STEPS))
        found.append((cosine << 40) // sine / (1 << 40))
    found += [-found[0], -found[0]]
    return np.array(found, dtype=np.float64)


LOG2: Int32s = _log2_table()
EXP2: Floats = _exp2_table()
ATAN: Floats = _atan_table()
COT: Floats = _cot_table()


@compiled
def log2_steps(value: Number) -> Number:
    """OCTAVE * log2 of a whole number of at least 1 and below 2^62, rounded down."""
    rest, length = np.int64(value), np.int64(0)
    for step in (32, 16, 8, 4, 2, 1):
        if rest >> step:
            rest >>= step
            length += step
    whole = np.int64(value)
    top = whole << (10 - length) if length < 10 else whole >> (length - 10)
    return length * 1024 + np.int64(LOG2[top & 1023])


@compiled
def exp2_steps(steps: Number) -> np.float64:
    """2^(steps / OCTAVE) for -60 OCTAVE <= steps <= 60 OCTAVE; others are clipped."""
    clipped = min(max(np.int64(steps), np.int64(-61440)), np.int64(61440))
    octave = clipped >> 10
    fraction: np.float64 = EXP2[clipped & 1023]
    if octave >= 0:
        return fraction * np.float64(np.int64(1) << octave)
    return fraction / np.float64(np.int64(1) << -octave)


@compiled
def angle_of(across: float, along: float) -> float:
    """The angle, in turns from 0 to 1/2, of a vector with ``across`` >= 0; 0 of the zero vector."""
    width = along if along >= 0.0 else -along
    if across == 0.0 and width == 0.0:
        return 0.0
    steep = across > width
    ratio = (width / across if steep else across / width) * 256.0
    place = np.int64(ratio)
    low: np.float64 = ATAN[place]
    found = low + (ATAN[place + 1] - low) * (ratio - np.float64(place))
    if steep:
        found = 0.25 - found
    return float(found if along >= 0.0 else 0.5 - found)


@compiled
def cotangent(turns: float) -> float:
    """The cotangent of an angle of 0 to 1/2 turns; within +-326."""
    place = min(max(turns, 0.0), 0.5) * 1024.0
    whole = np.int64(place)
    low: np.float64 = COT[whole]
    return float(low + (COT[whole + 1] - low) * (place - np.float64(whole)))
